//go:build e2e

package examples

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// world is a node whose control API wants a token, and two versions.
type world struct {
	t     *testing.T
	node  *lab.Node
	blue  *lab.Origin
	green *lab.Origin
}

const token = "operator-0123456789abcdef"

func newWorld(t *testing.T, name string) *world {
	t.Helper()
	w := &world{t: t, blue: origin(t, "blue"), green: origin(t, "green")}
	var err error
	w.node, err = labOf.Node(lab.NodeOptions{
		Name: name + "-" + w.green.Name, Token: token, Tokens: "tokens:\n  - {name: pipeline, role: admin, token: " + token + "}\n",
	})
	check(t, err)
	t.Cleanup(func() { w.node.Kill(); w.node.API.Close() })
	return w
}

// release is one job of a pipeline in a folder of its own.
type release struct {
	*world
	runner  runner
	service string
	dir     string
	given   map[string]string // variables of the job, by the script's names
	cmd     *exec.Cmd
}

// newRelease makes a service with the version blue, and a job that releases v2,
// which is green, by a plan of one stage.
func (w *world) newRelease(by runner, service, stage string) *release {
	w.t.Helper()
	r := &release{world: w, runner: by, service: service, dir: w.t.TempDir()}
	check(w.t, w.node.API.Apply(service, lab.Document(fmt.Sprintf(
		"kind: Service\nname: %s\nroutes: [{host: %s.example.com}]\nversions: {blue: {endpoints: [%q]}}\nstable: blue\n", service, service, w.blue.Address))))
	plan := fmt.Sprintf("kind: Rollout\nservice: %s\nto: any\nstrategy: canary\nstages: [%s]\nrollback: {triggers: [{condition: error_rate > 1%%, duration: 10s}]}\n", service, stage)
	check(w.t, os.WriteFile(filepath.Join(r.dir, "weir-rollout.yaml"), []byte(plan), 0o600))
	r.given = map[string]string{
		"WEIR_CONTROL": w.node.Control, "WEIR_TOKEN": token, "WEIR_BIN": labOf.Weir(),
		"WEIR_VERSION": "v2", "WEIR_ENDPOINTS": w.green.Address + " ,", "WEIR_REVISION": "sha256:2",
	}
	return r
}

// begin starts a step, whose process dies with the test.
func (r *release) begin(step string) {
	r.t.Helper()
	r.cmd = r.runner.step(r, step)
	r.cmd.Dir = r.dir
	// A file: Wait would wait for the end of all who have a pipe.
	log, err := os.OpenFile(filepath.Join(r.dir, "log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	check(r.t, err)
	defer log.Close()
	r.cmd.Stdout, r.cmd.Stderr = log, log
	check(r.t, r.cmd.Start())
	timer := time.AfterFunc(2*patience, func() { _ = r.cmd.Process.Kill() })
	r.t.Cleanup(func() { timer.Stop() })
}

// end waits for the step's end and fails the test unless it is as wanted.
func (r *release) end(code int, says ...string) {
	r.t.Helper()
	_ = r.cmd.Wait() // ProcessState has all that matters
	if got := r.cmd.ProcessState.ExitCode(); got != code {
		r.t.Errorf("exit code %d, want %d; it printed:\n%s", got, code, r.file("log"))
	}
	holds(r.t, r.file("log"), says...)
}

func (r *release) run(code int, says ...string) {
	r.t.Helper()
	r.begin("run")
	r.end(code, says...)
}

// file is what the job left behind under a name.
func (r *release) file(name string) string {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.dir, name))
	check(r.t, err)
	return string(data)
}

// id waits for the id of the rollout in force.
func (r *release) id() (id string) {
	r.t.Helper()
	check(r.t, lab.Await("a rollout of "+r.service, patience, func() (bool, error) {
		s, err := r.node.API.Service(r.service)
		id = s.Rollout
		return id != "", err
	}))
	return id
}

func (r *release) await(id, phase string) {
	r.t.Helper()
	_, err := r.node.API.AwaitPhase(id, phase, patience)
	check(r.t, err)
}

func TestPipeline_EndsAsItsRolloutDoes(t *testing.T) {
	w := newWorld(t, "pipeline")
	f := func(name string, by runner, via, run string) {
		t.Helper()
		good := w.newRelease(by, name+"-good", "{weight: 100%, duration: 1s}")
		good.run(0, "started "+name+"-good-", "succeeded")
		holds(t, good.file("summary.md"), "### Rollout `"+name+"-good-", "`: succeeded", "    ")
		holds(t, good.file("output.env"), "weir_rollout_id="+name+"-good-", "weir_rollout_phase=succeeded\n")
		answer, err := w.node.API.Call("GET", "/v1/rollouts?service="+name+"-good", nil)
		check(t, err)
		var of []struct{ Meta map[string]string }
		check(t, answer.Into(&of))
		if len(of) != 1 || of[0].Meta["by"] != "ana" || of[0].Meta["via"] != via || of[0].Meta["run"] != run || !strings.HasSuffix(of[0].Meta["commit"], "/commit/4f2a") {
			t.Errorf("the rollouts say %+v", of)
		}

		bad := w.newRelease(by, name+"-bad", "{weight: 50%, duration: 5m}")
		_, err = w.green.Fail("errors=1")
		check(t, err)
		traffic := lab.Load{Address: w.node.Clients, Host: name + "-bad.example.com", Users: 5000}.Open(100)
		bad.run(1, "rolled_back", "error_rate > 1% is broken", "LIMIT")
		traffic.Stop()
		_, err = w.green.Fail("")
		check(t, err)
		holds(t, bad.file("summary.md"), "`: rolled_back", "    weir put all traffic of "+name+"-bad back on blue", "error_rate > 1%")
		holds(t, bad.file("output.env"), "weir_rollout_phase=rolled_back\n")
	}
	f("github", newGitHub(t), "GitHub Actions", "https://git.example.com/shop/shop/actions/runs/17")
	f("gitlab", newGitLab(t), "GitLab CI", "https://git.example.com/shop/shop/-/jobs/17")
}

func TestPipeline_SaysWhatStoodInItsWay(t *testing.T) {
	w := newWorld(t, "refused")
	nobody, err := labOf.Address()
	check(t, err)
	f := func(name string, by runner) {
		t.Helper()
		with := func(what string, code int, says string, given ...string) {
			t.Helper()
			r := w.newRelease(by, name+"-"+what, "{weight: 100%, duration: 1s}")
			for i := 0; i < len(given); i += 2 {
				r.given[given[i]] = given[i+1]
			}
			r.run(code, says)
			if s, err := w.node.API.Service(r.service); err != nil || s.Rollout != "" || s.Weights["blue"] != "100%" {
				t.Errorf("%s: the service is %+v, %v", what, s, err)
			}
			left, err := filepath.Glob(filepath.Join(r.dir, "pwned*"))
			if err != nil || len(left) > 0 {
				t.Errorf("%s: a value was run: %v %v", what, left, err)
			}
			if code != 2 || strings.Contains(says, "--endpoint") {
				holds(t, r.file("summary.md"), "### No rollout was started", "    ")
			}
		}
		with("unreachable", 3, "cannot reach the control API at http://"+nobody, "WEIR_CONTROL", "http://"+nobody)
		with("token", 1, "token", "WEIR_TOKEN", "operator-fedcba9876543210")
		with("plan", 1, "none.yaml", "WEIR_PLAN", "none.yaml")
		with("revision", 2, "--endpoint", "WEIR_ENDPOINTS", "")
		with("binary", 2, "there is no program", "WEIR_BIN", "/nowhere/weir")
		with("verb", 2, "write leave or abort", "WEIR_ON_CANCEL", "about")
		with("injected", 1, "name", "WEIR_VERSION", "v2$(touch pwned-1)`touch pwned-2`\"; touch pwned-3; ' --wait")
		with("endpoints", 1, "endpoint", "WEIR_ENDPOINTS", "* $(touch pwned-4) 'a;touch pwned-5'")
	}
	f("github", newGitHub(t))
	f("gitlab", newGitLab(t))
}

func TestPipeline_CancelledGivesTheTrafficBackIfAsked(t *testing.T) {
	w := newWorld(t, "cancelled")
	f := func(name string, by runner) {
		t.Helper()
		begin := func(what, on string) (r *release, id string) {
			t.Helper()
			r = w.newRelease(by, name+"-"+what, "{weight: 50%, duration: 10m}")
			r.given["WEIR_ON_CANCEL"] = on
			r.begin("run")
			id = r.id()
			r.await(id, "progressing")
			return r, id
		}
		abort, id := begin("abort", "abort")
		check(t, abort.cmd.Process.Signal(by.stop()))
		abort.end(130, id+" was aborted")
		abort.await(id, "aborted")
		abort.begin("cancelled") // has nothing left to do
		abort.end(0)

		leave, id := begin("leave", "leave")
		check(t, leave.cmd.Process.Signal(by.stop()))
		leave.end(130, id+" goes on by itself")
		leave.await(id, "progressing")

		killed, id := begin("killed", "abort")
		check(t, lab.Await("the rollout's id kept", patience, func() (bool, error) {
			return strings.Contains(killed.file("log"), "started "+id), nil
		}))
		check(t, killed.cmd.Process.Kill())
		_ = killed.cmd.Wait()
		killed.begin("cancelled")
		killed.end(0, id+" was aborted")
		killed.await(id, "aborted")
	}
	f("github", newGitHub(t))
	f("gitlab", newGitLab(t))
}

func TestPipeline_WhatARolloutSaysIsNoCommandOfTheRunner(t *testing.T) {
	w := newWorld(t, "commands")
	r := w.newRelease(newGitHub(t), "shop", "{weight: 50%, duration: 10m}")
	r.begin("run")
	id := r.id()
	r.await(id, "progressing")
	answer, err := w.node.API.Call("POST", "/v1/rollouts/"+id+"/abort", map[string]string{"reason": "no\n::add-mask::x\n::error::y"})
	check(t, err)
	if answer.Status >= 300 {
		t.Fatalf("%d %s", answer.Status, answer.Body)
	}
	r.end(1, "aborted")
	if got := commands(r.file("log")); len(got) != 1 || !strings.HasPrefix(got[0], "::error title=weir::"+id+": aborted: ") {
		t.Errorf("the runner was told %q by\n%s", got, r.file("log"))
	}
	for line := range strings.Lines(r.file("summary.md")) {
		if strings.HasPrefix(line, "::") {
			t.Errorf("the summary has the line %q", line)
		}
	}
}
