package main

import (
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/analysis/replay"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/api/apitest"
	"github.com/weirproxy/weir/control/rollout"
)

func TestWhy_DrawsEvidenceOverTime(t *testing.T) {
	crossed := 38.2
	climbing := api.Evidence{Condition: "error_rate > 1%", Version: "green", Threshold: 100, Crossed: &crossed}
	quiet := api.Evidence{Condition: "latency_p99 > 200ms", Version: "green", Threshold: 100}
	for i := range 40 {
		climbing.Points = append(climbing.Points, api.EvidencePoint{T: float64(i), Evidence: math.Pow(100, float64(i-30)/7)})
		if i%10 == 0 {
			quiet.Points = append(quiet.Points, api.EvidencePoint{T: float64(i), Evidence: 1.7})
		}
	}
	climbing.Points = climbing.Points[:39]
	quiet.Points = append(quiet.Points, api.EvidencePoint{T: 40, Evidence: .2})
	var out strings.Builder
	if err := writeEvidence(&out, []api.Evidence{climbing, quiet}); err != nil {
		t.Fatal(err)
	}
	want := `
EVIDENCE from 0s to 40s, from 1 up to the threshold in powers
  error_rate > 1%      ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▂▃▄▅▆▇██   crossed 100 at 38s
  latency_p99 > 200ms  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁  at most 1.7 of 100
`
	if out.String() != want {
		t.Fatalf("drawn:\n%s\nwant:\n%s", out.String(), want)
	}
	out.Reset()
	if err := writeEvidence(&out, nil); err != nil || out.Len() > 0 {
		t.Fatalf("of nothing: %q %v", out.String(), err)
	}
}

func TestWhy_ExportsCountsThatReplayReads(t *testing.T) {
	fake := apitest.New()
	server := httptest.NewServer(api.New(api.Options{Control: fake, Version: "v0.1.0"}))
	defer server.Close()
	f := func(code int, want string, args ...string) string {
		t.Helper()
		var out, errs strings.Builder
		got := run(t.Context(), append(args, "--control", server.URL), strings.NewReader(""), &out, &errs)
		if got != code || !strings.Contains(out.String()+errs.String(), want) {
			t.Fatalf("%v: exit code %d, want %d and %q:\n%s%s", args, got, code, want, out.String(), errs.String())
		}
		return out.String()
	}
	fake.AddRollout(rollout.State{
		ID: "shop-7", Service: "shop", Strategy: configs.StrategyCanary, From: "blue", To: "green", Candidates: []string{"green"}, Phase: rollout.RolledBack,
		Verdict: &analysis.Verdict{Kind: analysis.Fail, Rule: "trigger-1", At: 18 * time.Second, Candidate: analysis.Counts{N: 160, X: 80, Raw: 80}},
	})
	dir := t.TempDir()
	file, plan := filepath.Join(dir, "counts.csv"), filepath.Join(dir, "rollout.yaml")
	f(1, "keeps no counts", "rollout", "why", "shop-7", "--export", file)
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Fatalf("a file of nothing was left: %v", err)
	}

	var rows []*replay.Row
	for i := range 18 {
		at := time.Duration(i+1) * time.Second
		rows = append(rows, &replay.Row{T: at, Version: "blue", Requests: 180}, &replay.Row{T: at, Version: "green", Requests: 20, Errors: replay.Bad{All: 10, Unique: 10}})
	}
	fake.Recordings = map[string]*control.Recording{"shop-7": {
		Rollout: "shop-7", From: "blue", Candidates: []string{"green"}, Rows: slices.Values(rows),
		Evidence: []control.Evidence{{
			Version: "green", Rule: "trigger-1", Condition: analysis.Condition{Metric: analysis.ErrorRate, Rate: 10_000}, Threshold: 133,
			Crossed: 18 * time.Second, Points: []control.EvidencePoint{{T: 18 * time.Second, Evidence: 500}},
		}},
	}}
	if err := os.WriteFile(plan, []byte("kind: Rollout\nservice: shop\nto: green\nstrategy: canary\nstages: [{weight: 10%, duration: 1m}]\nrollback: {triggers: [{condition: error_rate > 1%, duration: 1m}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f(0, "The counts of shop-7 are in", "rollout", "why", "shop-7", "--export", file)
	f(1, `"verdict":"fail"`, "replay", "-f", plan, file, "-o", "json")
	text := f(0, "# weir counts 1\n", "rollout", "why", "shop-7", "--export", "-")
	if on, err := os.ReadFile(file); err != nil || string(on) != text {
		t.Fatalf("the file and the output differ: %v\n%s\n%s", err, on, text)
	}
	f(0, "in the 10s up to then green had 100 of 200 (50%) bad, and blue 0 of 1,800 (0%)", "rollout", "why", "shop-7")
	f(0, "crossed 133 at 18s", "rollout", "why", "shop-7")
	f(1, "cannot write", "rollout", "why", "shop-7", "--export", filepath.Join(dir, "none", "counts.csv"))
}
