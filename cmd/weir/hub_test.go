package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/release"
)

// cluster starts a node of its own in this process, with a key for the hub.
func cluster(t *testing.T, more string) *node {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"key":       "0123456789abcdef0123\n",
		"node.yaml": fmt.Sprintf("kind: Node\nname: one\nlisten: [{address: %q}]\nlog: {level: error}\ndrain: {window: 1ms, grace: 1s}\n%s", anyPort, more),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, err := configs.ReadNode(filepath.Join(dir, "node.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := newNode(t.Context(), config, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	n.wait(t, "it serves", func(*control.View) bool { return n.ready() == nil })
	return n
}

func (n *node) wait(t *testing.T, what string, ok func(*control.View) bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(n.controller.View()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			v := n.controller.View()
			t.Fatalf("not within 30 s: %s; deployments %+v, outbox %+v", what, v.Deployments, v.Outbox)
		}
	}
}

func (n *node) do(t *testing.T, cmd control.Command) control.Reply {
	t.Helper()
	reply, err := n.controller.Do(t.Context(), cmd)
	if err != nil {
		t.Fatalf("%T: %v", cmd, err)
	}
	return reply
}

// whereabouts is what an application's environments run, and where its first task is.
func whereabouts(v *control.View) string {
	b := v.Board()
	var out []string
	for _, e := range b.Environments("shop") {
		line := e.Name + " " + e.Version
		for _, task := range b.Tasks("shop") {
			line += " " + string(task.Environments[e.Name].State)
		}
		out = append(out, line)
	}
	return strings.Join(out, ", ")
}

func TestHub_ShowsWhatClustersDeploy(t *testing.T) {
	leavesNothing(t)
	hub := cluster(t, fmt.Sprintf(`control:
  address: %q
  clusters:
    - {name: eu, secret_file: key}
    - {name: us, secret_file: key, environments: {production: production}}
`, anyPort))
	var clusters []*node
	for _, name := range []string{"eu", "us"} {
		n := cluster(t, fmt.Sprintf("control: {address: %q}\n", anyPort))
		clusters = append(clusters, n)
		n.do(t, control.ApplyNotifier{Actor: "ann", Document: configs.Notifier{Name: "hub", Hub: &configs.HubTarget{
			URL: "http://" + hub.control.Addr().String(), Cluster: name, SecretFile: "key",
		}}})
		if _, err := n.controller.TestNotifier(t.Context(), "hub", "ann"); err != nil {
			t.Errorf("%s cannot reach the hub: %v", name, err)
		}
		n.do(t, control.ApplyRelease{Actor: "ci", Document: configs.Release{Application: "shop", Version: "v1.5.0", Tasks: []configs.Task{{ID: "SHOP-12"}}}})
	}
	eu, us := clusters[0], clusters[1]
	eu.do(t, control.ApplyService{Actor: "ann", Document: configs.Service{
		Name: "shop", Stable: "blue", Routes: []configs.Route{{Path: "/"}},
		Versions: map[string]configs.Version{"blue": {Endpoints: []string{"127.0.0.1:9"}}, "green": {Endpoints: []string{"127.0.0.2:9"}}},
	}})
	weight := configs.Weight(500)
	id := eu.do(t, control.StartRollout{Actor: "ci", Plan: configs.Rollout{
		Service: "shop", To: "green", Release: "v1.5.0", Strategy: configs.StrategyCanary, Stages: []configs.Stage{{Weight: &weight, Duration: configs.Duration(time.Hour)}},
	}}).ID
	hub.wait(t, "the canary is seen", func(v *control.View) bool { return whereabouts(v) == "production-eu  deploying" })
	eu.do(t, control.Act{ID: id, Verb: "abort", Actor: "ann"})
	hub.wait(t, "its end is seen", func(v *control.View) bool { return whereabouts(v) == "production-eu  rolled_back" })
	us.do(t, control.ReportDeployment{Actor: "ci", Deployment: release.Deployment{Application: "shop", Environment: "staging", Version: "v1.5.0", State: release.Live}})
	us.do(t, control.ReportDeployment{Actor: "ci", Deployment: release.Deployment{Application: "shop", Environment: "production", Version: "v1.5.0", State: release.Live}})
	hub.wait(t, "all environments are seen", func(v *control.View) bool {
		return whereabouts(v) == "staging-us v1.5.0 live, production v1.5.0 live, production-eu  rolled_back"
	})
	for _, n := range clusters {
		n.wait(t, "everything is told", func(v *control.View) bool { return v.OutboxSize == 0 })
	}
	v := hub.controller.View()
	if len(v.Releases) != 1 || len(v.Releases[0].Document.Tasks) != 1 {
		t.Errorf("releases: %+v", v.Releases)
	}
	for _, d := range v.Deployments {
		if d.Cluster == "" || !strings.HasPrefix(d.ID, d.Cluster+".") || d.Rollout != "" || d.Seq == 0 {
			t.Errorf("%+v", d)
		}
	}
}
