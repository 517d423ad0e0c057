package dashboard

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/analysis/replay"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/rollout"
)

// plan is a canary of 5 % and 50 %, and a bake.
func plan() *configs.Rollout {
	five, half := configs.Weight(500), configs.Weight(5000)
	return &configs.Rollout{
		Service: "shop", To: "green", Strategy: configs.StrategyCanary, Bake: configs.Duration(time.Minute),
		Stages: []configs.Stage{
			{Name: "few", Weight: &five, Duration: configs.Duration(10 * time.Second)},
			{Weight: &half, Mirror: 100},
			{Duration: configs.Duration(time.Minute), Pause: true},
		},
	}
}

func TestStages_SayWhereARolloutStands(t *testing.T) {
	f := func(phase rollout.Phase, at int, want string) {
		t.Helper()
		r := api.Rollout{Plan: plan(), To: "green", Phase: phase, Stage: at, StageElapsed: 5, StageLength: 10}
		var got []string
		for _, s := range stagesOf(&r) {
			got = append(got, s.State)
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s at %d: %s, want %s", phase, at, text, want)
		}
	}
	f(rollout.Pending, -1, "next next next next next")
	f(rollout.Progressing, 0, "now next next next next")
	f(rollout.Paused, 1, "done now next next next")
	f(rollout.Baking, 2, "done done done now next")
	f(rollout.Succeeded, 2, "done done done done done")
	f(rollout.RolledBack, 1, "done broken skipped skipped skipped")
	f(rollout.Failed, -1, "skipped skipped skipped skipped skipped")

	steps := stagesOf(&api.Rollout{Plan: plan(), To: "green", Phase: rollout.Progressing, StageElapsed: 5, StageLength: 10})
	if s := steps[0]; s.Name != "few" || s.What != "5%" || s.Done != 5000 || s.Lasts != "10\u202fs" {
		t.Errorf("%+v", s)
	}
	if s := steps[1]; s.Name != "Stage 2" || s.What != "50%, copies of 1%" {
		t.Errorf("%+v", s)
	}
	if s := steps[2]; s.What != "50%" || s.Note != "then waits for a person" {
		t.Errorf("%+v", s)
	}
	required := plan()
	required.Requires = []configs.Require{{Environment: "qa"}, {Environment: "staging"}}
	required.Stages[0].Approval = "manual"
	if s := stagesOf(&api.Rollout{Plan: required, To: "green", Phase: rollout.Pending, Stage: -1})[0]; s.Note != "after qa and staging, after approval" {
		t.Errorf("%+v", s)
	}
	if stagesOf(&api.Rollout{Strategy: configs.StrategyManual, Plan: &configs.Rollout{}}) != nil {
		t.Error("weights by hand have stages")
	}
}

func TestVerbs_SayWhatWillHappen(t *testing.T) {
	f := func(name string, edit func(*api.Rollout), want string) {
		t.Helper()
		r := api.Rollout{
			Service: "shop", From: "blue", To: "green", Phase: rollout.Progressing, Plan: plan(), Stages: 3,
			Weights: weights{"blue": 9500, "green": 500}, Allowed: []string{name}, Strategy: configs.StrategyCanary,
		}
		edit(&r)
		for _, v := range verbsOf(&r) {
			if v.Name == name {
				if !strings.Contains(v.Effect, want) {
					t.Errorf("%s says %q, want %q", name, v.Effect, want)
				}
				return
			}
		}
		t.Errorf("%s is not offered", name)
	}
	as := func(*api.Rollout) {}
	f("abort", as, "All traffic of shop goes back to blue at once; green has 5% of it now.")
	f("abort", func(r *api.Rollout) { r.Weights = weights{"blue": configs.Whole} }, "No user is on green.")
	f("abort", func(r *api.Rollout) { r.Plan.Abort.Ramp = configs.Duration(30 * time.Second) }, "in steps over 30\u202fs")
	f("promote", as, "Stage 2 of 3 begins now, whatever time and evidence say: green gets 50%, copies of 1%.")
	f("promote", func(r *api.Rollout) { r.Stage = 2 }, "green becomes the stable version of shop")
	f("promote", func(r *api.Rollout) { r.Phase = rollout.Baking }, "green becomes the stable version of shop")
	f("pause", as, "The weights stay as they are (green has 5%)")
	f("resume", as, "It goes on from where it stood.")
	f("resume", func(r *api.Rollout) { r.Weights = weights{"blue": configs.Whole} }, "green gets its traffic back, and is judged anew.")
	f("undo", func(r *api.Rollout) { r.Phase = rollout.Succeeded }, "blue becomes the stable version of shop again")
	f("retry", func(r *api.Rollout) { r.Phase = rollout.Aborted }, "a new rollout of green")
	f("approve", func(r *api.Rollout) { r.Reason = "waits for 1 approval" }, "Waits for 1 approval.")

	f("override", func(r *api.Rollout) { r.Missing = []string{"v2 is not in staging"} }, "V2 is not in staging.")

	r := api.Rollout{Allowed: []string{"undo", "abort", "promote"}, Plan: plan(), Stages: 3}
	var names []string
	for _, v := range verbsOf(&r) {
		names = append(names, v.Name)
	}
	if !slices.Equal(names, []string{"promote", "abort"}) {
		t.Errorf("two buttons for one thing: %v", names)
	}
}

func TestBar_SharesAddUpWithStableFirst(t *testing.T) {
	b := barOf(weights{"c": 1000, "a": 500, "stable": 8500, "idle": 0}, "stable")
	x := 0
	var names []string
	for _, p := range b.Parts {
		if p.X != x {
			t.Errorf("%s begins at %d, not %d", p.Name, p.X, x)
		}
		x += p.Width
		names = append(names, p.Name+" "+p.Tone)
	}
	if x != 10_000 || b.Text != "stable 85%, a 5%, c 10%" || strings.Join(names, ",") != "stable stable,a v1,c v2" {
		t.Errorf("%d of 10000: %q %v", x, b.Text, names)
	}
}

func TestPlot_EvidenceReachesTheTopWhereItActs(t *testing.T) {
	rule := analysis.Condition{Metric: analysis.ErrorRate, Rate: 10_000}
	rec := &control.Recording{
		Header: replay.Header{Marks: []replay.Mark{{Kind: replay.MarkStage}, {Kind: replay.MarkStage, N: 1, T: 5 * time.Second}, {Kind: replay.MarkFailing, T: time.Second}}},
		Evidence: []control.Evidence{
			{Version: "green", Rule: "r1", Condition: rule, Threshold: 100, Points: []control.EvidencePoint{{T: 0, Evidence: .3}, {T: 5 * time.Second, Evidence: 10}, {T: 10 * time.Second, Evidence: 1e9}}},
			{Version: "green", Rule: "r2", Condition: rule},
		},
	}
	p := evidencePlot(rec, []string{"green"})
	if len(p.Lines) != 1 || p.Lines[0].Pieces[0] != "0,240 500,120 1000,0" || p.Lines[0].Name != "error_rate > 1%" {
		t.Fatalf("%+v", p.Lines)
	}
	if !slices.Equal(p.Marks, []int{500}) || p.Left != "0\u202fs" || p.Right != "10\u202fs" {
		t.Errorf("%v from %s to %s", p.Marks, p.Left, p.Right)
	}
	if p := evidencePlot(rec, []string{"green", "red"}); p.Lines[0].Name != "green: error_rate > 1%" {
		t.Errorf("%q", p.Lines[0].Name)
	}
	if evidencePlot(nil, nil) != nil || evidencePlot(&control.Recording{}, nil) != nil || coursePlot(nil, nil) != nil {
		t.Error("a plot of nothing")
	}
}

func TestPlot_RatesHaveGapsWhereNothingWasAsked(t *testing.T) {
	rule := analysis.Condition{Metric: analysis.ErrorRate, Rate: 10_000}
	rec := &control.Recording{From: "blue", Candidates: []string{"green"}}
	rec.Evidence = []control.Evidence{{Version: "green", Rule: "r1", Condition: rule, Threshold: 100, Points: []control.EvidencePoint{{}}}}
	var rows []*replay.Row
	for i, requests := range []uint64{10, 0, 10, 10} {
		rows = append(rows,
			&replay.Row{T: time.Duration(i+1) * time.Second, Version: "blue", Requests: 100},
			&replay.Row{T: time.Duration(i+1) * time.Second, Version: "green", Requests: requests, Errors: replay.Bad{All: requests / 10 * uint64(i)}})
	}
	rec.Rows = slices.Values(rows)
	p := coursePlot(rec, &api.Rollout{From: "blue", To: "green"})
	if p.Top != "50%" || p.LimitText != "limit 1%" || p.Limit != 235 {
		t.Errorf("to %s, %s at %d", p.Top, p.LimitText, p.Limit)
	}
	if green := p.Lines[1].Pieces; len(green) != 2 || green[0] != "0,240 0,240" || green[1] != "667,144 1000,96" {
		t.Errorf("%q", green)
	}
	if p.Lines[0].Pieces[0] != "0,240 333,240 667,240 1000,240" || p.Lines[1].Last != "30%" {
		t.Errorf("%+v", p.Lines)
	}
}
