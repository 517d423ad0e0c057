//go:build e2e

package examples

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/goccy/go-yaml"
)

// runner turns what a job is given into a process, as the CI system does.
type runner interface {
	// step makes the process of a step: `run` or `cancelled`.
	step(r *release, name string) *exec.Cmd

	// stop is what the runner sends when a job is cancelled.
	stop() syscall.Signal
}

// github runs the steps of the composite action as its runner does.
type github struct {
	Inputs  map[string]struct{ Default string }
	Outputs map[string]struct{ Value string }
	Runs    struct {
		Steps []struct {
			ID, If, Shell, Run string
			Env                map[string]string
		}
	}
}

func newGitHub(t *testing.T) *github {
	t.Helper()
	g := &github{}
	check(t, yaml.UnmarshalWithOptions([]byte(read(t, "ci/github/action.yml")), g))
	for _, s := range g.Runs.Steps {
		if strings.Contains(s.Run, "${{") {
			t.Errorf("a step's text has an expression in it, which a stranger may have a say in:\n%s", s.Run)
		}
	}
	return g
}

func (*github) stop() syscall.Signal { return syscall.SIGINT }

func (g *github) step(r *release, name string) *exec.Cmd {
	inputs := map[string]string{}
	for input, is := range g.Inputs {
		inputs[input] = is.Default
	}
	for variable, value := range r.given {
		input := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(variable, "WEIR_")), "_", "-")
		if _, ok := inputs[input]; !ok {
			r.t.Fatalf("the action has no input %q", input)
		}
		inputs[input] = value
	}
	step := g.Runs.Steps[0]
	if name == "cancelled" {
		step = g.Runs.Steps[1]
		if step.If != "${{ cancelled() }}" {
			r.t.Errorf("the second step runs if %q", step.If)
		}
	}
	text := filepath.Join(r.dir, "step-"+name)
	check(r.t, os.WriteFile(text, []byte(step.Run), 0o600))
	action, err := filepath.Abs(configsDir + "/ci/github")
	check(r.t, err)
	cmd := exec.Command(step.Shell, "-e", text)
	cmd.Env = append(os.Environ(), "GITHUB_ACTIONS=true", "GITHUB_ACTION_PATH="+action, "RUNNER_TEMP="+r.dir,
		"GITHUB_STEP_SUMMARY="+filepath.Join(r.dir, "summary.md"), "GITHUB_OUTPUT="+filepath.Join(r.dir, "output.env"),
		"GITHUB_ACTOR=ana", "GITHUB_SERVER_URL=https://git.example.com", "GITHUB_REPOSITORY=shop/shop", "GITHUB_RUN_ID=17", "GITHUB_SHA=4f2a")
	expression := regexp.MustCompile(`^\$\{\{ inputs\.([a-z-]+)( \|\| env\.[A-Z_]+)? \}\}$`)
	for variable, value := range step.Env {
		m := expression.FindStringSubmatch(value)
		if m == nil {
			r.t.Fatalf("%s: cannot work out %q", variable, value)
		}
		cmd.Env = append(cmd.Env, variable+"="+inputs[m[1]])
	}
	return cmd
}

// gitlab runs the snippet's lines as its runner does.
type gitlab struct {
	Variables   map[string]string
	Script      []string
	AfterScript []string `yaml:"after_script"`
}

func newGitLab(t *testing.T) *gitlab {
	t.Helper()
	var jobs map[string]*gitlab
	check(t, yaml.Unmarshal([]byte(read(t, "ci/gitlab/weir.gitlab-ci.yml")), &jobs))
	job := jobs[".weir-release"]
	if job == nil {
		t.Fatal("there is no job .weir-release")
	}
	script, err := filepath.Abs(configsDir + "/ci/release.sh")
	check(t, err)
	job.Variables["WEIR_SCRIPT"] = script
	job.Variables["WEIR_SUMMARY"], job.Variables["WEIR_OUTPUT"] = "summary.md", "output.env"
	return job
}

func (*gitlab) stop() syscall.Signal { return syscall.SIGTERM }

func (g *gitlab) step(r *release, name string) *exec.Cmd {
	lines, status := g.Script, "running"
	if name == "cancelled" {
		lines, status = g.AfterScript, "canceled"
	}
	// The runner's shell does not hand a signal on; its process group has it.
	cmd := exec.Command("sh", "-e", "-c", "exec "+strings.TrimPrefix(strings.Join(lines, "\n"), "exec "))
	if name == "cancelled" {
		cmd = exec.Command("sh", "-e", "-c", strings.Join(lines, "\n"))
	}
	cmd.Env = append(os.Environ(), "GITLAB_CI=true", "CI_JOB_STATUS="+status, "GITLAB_USER_LOGIN=ana",
		"CI_JOB_URL=https://git.example.com/shop/shop/-/jobs/17", "CI_PROJECT_URL=https://git.example.com/shop/shop", "CI_COMMIT_SHA=4f2a")
	for variable, value := range g.Variables {
		cmd.Env = append(cmd.Env, variable+"="+value)
	}
	for variable, value := range r.given {
		cmd.Env = append(cmd.Env, variable+"="+value)
	}
	return cmd
}

// commands are the lines of a log that GitHub's runner takes for commands.
func commands(log string) (out []string) {
	word := ""
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		switch rest, stop := strings.CutPrefix(line, "::stop-commands::"); {
		case !strings.HasPrefix(line, "::"):
		case word != "":
			if line == "::"+word+"::" {
				word = ""
			}
		case stop:
			word = rest
		default:
			out = append(out, line)
		}
	}
	return out
}
