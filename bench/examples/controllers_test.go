//go:build e2e

package examples

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/weirproxy/weir/bench/lab"
	"github.com/weirproxy/weir/configs"
)

// Traefik and Flagger are not run here. That weir is told the same as they were is
// held by reading both.

// documents are weir's of a file.
func documents(t *testing.T, file string) []configs.Document {
	t.Helper()
	all, err := configs.Decode(file, []byte(read(t, "examples/"+file)))
	check(t, err)
	return all
}

// flagger is a Canary, as much of it as the example says.
type flagger struct {
	Spec struct {
		Deadline int `yaml:"progressDeadlineSeconds"`
		Service  struct{ Hosts []string }
		Analysis struct {
			Interval  string
			Threshold int
			Step      int `yaml:"stepWeight"`
			Max       int `yaml:"maxWeight"`
			Metrics   []struct {
				Name  string
				Range struct{ Min, Max float64 } `yaml:"thresholdRange"`
			}
			Webhooks []struct{ Type string }
		}
	}
}

// plan is the Canary in weir's words: steps, limits, deadline.
func (f *flagger) plan(t *testing.T) (lines []string) {
	t.Helper()
	a := f.Spec.Analysis
	interval, err := time.ParseDuration(a.Interval)
	check(t, err)
	approval := ""
	for _, hook := range a.Webhooks {
		if hook.Type == "confirm-promotion" {
			approval = "manual"
		}
	}
	for weight := a.Step; weight <= a.Max; weight += a.Step {
		lines = append(lines, fmt.Sprintf("stage %d%% for %s ", weight, interval))
	}
	lines = append(lines, fmt.Sprintf("stage 100%% for %s %s", interval, approval))
	for _, m := range a.Metrics {
		condition := map[string]string{
			"request-success-rate": fmt.Sprintf("error_rate > %g%%", 100-m.Range.Min),
			"request-duration":     fmt.Sprintf("latency_p99 > %gms", m.Range.Max),
		}[m.Name]
		lines = append(lines, fmt.Sprintf("%s for %s", condition, time.Duration(a.Threshold)*interval))
	}
	return append(lines, fmt.Sprintf("deadline %s", time.Duration(f.Spec.Deadline)*time.Second), "hosts "+strings.Join(f.Spec.Service.Hosts, " "))
}

// weirPlan is a rollout and its service in the same words.
func weirPlan(p *configs.Rollout, s *configs.Service) (lines []string) {
	for _, stage := range p.Stages {
		lines = append(lines, fmt.Sprintf("stage %s for %s %s", stage.Weight, stage.Duration.Std(), stage.Approval))
	}
	for _, trigger := range p.Rollback.Triggers {
		lines = append(lines, fmt.Sprintf("%s for %s", trigger.Condition, trigger.Duration.Std()))
	}
	return append(lines, fmt.Sprintf("deadline %s", p.ProgressDeadline.Std()), "hosts "+s.Routes[0].Host)
}

// argo is a Rollout of Argo, or an AnalysisTemplate, as much as the example says.
type argo struct {
	Kind string
	Spec struct {
		Strategy struct {
			Canary struct {
				Keep  int `yaml:"abortScaleDownDelaySeconds"`
				Steps []struct {
					Weight *int                       `yaml:"setWeight"`
					Pause  *struct{ Duration string } `yaml:"pause"`
				}
			}
		}
		Metrics []struct {
			Name, Interval string
			Failures       int    `yaml:"failureLimit"`
			Success        string `yaml:"successCondition"`
		}
	}
}

// plan is the one or the other in weir's words.
func (a *argo) plan(t *testing.T) (lines []string) {
	t.Helper()
	steps := a.Spec.Strategy.Canary.Steps
	for i := 0; i+1 < len(steps); i += 2 {
		weight, pause := steps[i].Weight, steps[i+1].Pause
		if weight == nil || pause == nil {
			t.Fatalf("steps %d and %d are no weight and its pause", i, i+1)
		}
		if pause.Duration == "" {
			lines = append(lines, fmt.Sprintf("stage %d%% until a person says so", *weight))
		} else {
			lines = append(lines, fmt.Sprintf("stage %d%% for %s", *weight, pause.Duration))
		}
	}
	if len(steps) > 0 {
		lines = append(lines, "stage 100% for 0s", fmt.Sprintf("keep %s", time.Duration(a.Spec.Strategy.Canary.Keep)*time.Second))
	}
	for _, m := range a.Spec.Metrics {
		interval, err := time.ParseDuration(m.Interval)
		check(t, err)
		var limit float64
		_, err = fmt.Sscanf(m.Success[len("result[0] >="):], "%g", &limit)
		check(t, err)
		condition := map[string]string{
			"success-rate": fmt.Sprintf("error_rate > %.4g%%", 100-limit*100), "p99-seconds": fmt.Sprintf("latency_p99 > %gms", limit*1000),
		}[m.Name]
		lines = append(lines, fmt.Sprintf("%s for %s", condition, time.Duration(m.Failures+1)*interval))
	}
	return lines
}

func TestMigrate_FromArgoRollouts(t *testing.T) {
	var was, is []string
	for text := range strings.SplitSeq(read(t, "examples/migrate/argo-rollouts/before.yml"), "\n---\n") {
		var a argo
		check(t, yaml.Unmarshal([]byte(text), &a))
		was = append(was, a.plan(t)...)
	}
	plan := documents(t, "migrate/argo-rollouts/release.yaml")[0].Rollout
	for _, stage := range plan.Stages {
		if stage.Pause {
			is = append(is, fmt.Sprintf("stage %s until a person says so", stage.Weight))
		} else {
			is = append(is, fmt.Sprintf("stage %s for %s", stage.Weight, stage.Duration))
		}
	}
	is = append(is, fmt.Sprintf("keep %s", plan.KeepPrevious.Std()))
	for _, trigger := range plan.Rollback.Triggers {
		is = append(is, fmt.Sprintf("%s for %s", trigger.Condition, trigger.Duration.Std()))
	}
	if !slices.Equal(was, is) {
		t.Errorf("Argo was told\n  %s\nand weir is\n  %s", strings.Join(was, "\n  "), strings.Join(is, "\n  "))
	}

	clients, node := address(t), address(t)
	dir := install(t, "migrate/argo-rollouts", "127.0.0.1:8081", clients, "127.0.0.1:9797", node, "/var/lib/weir/etcd", "etcd",
		"10.0.1.11:8080", echo(t, "blue"), "10.0.2.11:8080", echo(t, "green"), "duration: 10m", "duration: 1s")
	n := run(t, dir, clients, "http://"+node, "")
	data, err := os.ReadFile(filepath.Join(dir, "release.yaml"))
	check(t, err)
	id, err := n.API.Begin(lab.Document(data))
	check(t, err)
	r, err := n.API.AwaitPhase(id, "paused", patience)
	check(t, err)
	if r.Weights["green"] != "50%" {
		t.Errorf("it is paused with %v", r.Weights)
	}
	check(t, n.API.Act(id, "resume"))
	_, err = n.API.AwaitPhase(id, "succeeded", patience)
	check(t, err)
	if _, saw := ask(t, client(t, clients, "", nil), "http://shop.example.com/"); saw.Version != "green" {
		t.Errorf("after it users meet %q", saw.Version)
	}
}

func TestMigrate_FromFlagger(t *testing.T) {
	var before flagger
	check(t, yaml.Unmarshal([]byte(read(t, "examples/migrate/flagger/before.yml")), &before))
	plan, service := documents(t, "migrate/flagger/release.yaml")[0].Rollout, documents(t, "migrate/flagger/shop.yaml")[0].Service
	if was, is := before.plan(t), weirPlan(plan, service); !slices.Equal(was, is) {
		t.Errorf("Flagger was told\n  %s\nand weir is\n  %s", strings.Join(was, "\n  "), strings.Join(is, "\n  "))
	}

	blue, green := origin(t, "blue"), origin(t, "green")
	clients, node := address(t), address(t)
	dir := install(t, "migrate/flagger", "127.0.0.1:8081", clients, "127.0.0.1:9797", node, "/var/lib/weir/etcd", "etcd",
		"10.0.1.11:8080", blue.Address, "10.0.2.11:8080", green.Address, "duration: 1m", "duration: 1s", "duration: 5m", "duration: 5s")
	n := run(t, dir, clients, "http://"+node, "")
	data, err := os.ReadFile(filepath.Join(dir, "release.yaml"))
	check(t, err)
	traffic := lab.Load{Address: clients, Users: 5000}.Open(100)
	defer traffic.Stop()

	good, err := n.API.Begin(lab.Document(data))
	check(t, err)
	_, err = n.API.AwaitRollout(good, "waiting for approval", patience, func(r *lab.Rollout) bool { return r.WaitingFor == "approval" && r.Weights["green"] == "50%" })
	check(t, err)
	check(t, n.API.Act(good, "approve"))
	_, err = n.API.AwaitPhase(good, "succeeded", patience)
	check(t, err)

	_, err = blue.Fail("errors=0.5")
	check(t, err)
	bad, err := n.API.Begin(lab.Document(strings.Replace(string(data), "to: green", "to: blue", 1)))
	check(t, err)
	r, err := n.API.AwaitPhase(bad, "rolled_back", patience)
	check(t, err)
	holds(t, r.Reason, "error_rate > 1%")
}
