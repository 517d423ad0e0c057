package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/rollout"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is\n%s\nwant\n%s\n(-rewrite takes it as it is)", name, got, want)
	}
}

// at is when everything happens in these tests.
func at(after time.Duration) time.Time {
	return time.Date(2026, 1, 5, 14, 2, 10, 0, time.UTC).Add(after)
}

func weight(w configs.Weight) *configs.Weight { return &w }

// canary is a rollout in the middle of its second stage.
func canary() *api.Rollout {
	before, after := map[string]configs.Weight{"blue": 9500, "green": 500}, map[string]configs.Weight{"blue": 7500, "green": 2500}
	return &api.Rollout{
		ID: "shop-20260105-1402-abcde", Service: "shop", Strategy: "canary", From: "blue", To: "green", Candidates: []string{"green"},
		Phase: rollout.Progressing, Stage: 1, Stages: 3, Weights: after, InForce: true, Reason: "stage 1 passed",
		StartedAt: at(0), UpdatedAt: at(5 * time.Second), Elapsed: 17, StageElapsed: 12, StageLength: 30, Verdict: analysis.Inconclusive,
		Plan: &configs.Rollout{Bake: configs.Duration(time.Minute), Stages: []configs.Stage{
			{Weight: weight(500), Duration: configs.Duration(5 * time.Second)},
			{Weight: weight(2500), Duration: configs.Duration(30 * time.Second)},
			{Weight: weight(configs.Whole), Duration: configs.Duration(10 * time.Minute)},
		}},
		Rules: []api.Rule{
			{Condition: "error_rate > 1%", State: analysis.StateHolding, Decision: api.Decision{
				CandidateRequests: 1236, CandidateBad: 60, CandidateRate: .0485, StableRequests: 7753, Limit: .01, Evidence: 11, Threshold: 133}},
			{Condition: "latency_p99 < 200ms", Check: true, State: analysis.StateInconclusive, Decision: api.Decision{
				Verdict: analysis.Inconclusive, Needed: 4000, Seen: 1236, CandidateRequests: 1236, StableRequests: 7753}},
		},
		History: []api.Transition{
			{At: at(0), To: rollout.Pending, Weights: map[string]configs.Weight{"blue": configs.Whole}, Actor: "ana", Reason: "started by ana"},
			{At: at(time.Second), To: rollout.Progressing, Weights: before, Actor: "weir", Reason: "green is healthy"},
			{At: at(5 * time.Second), To: rollout.Progressing, Stage: 1, Weights: after, Actor: "weir", Reason: "stage 1 passed"},
		},
	}
}

func shop() *api.Service {
	up, down := api.Endpoint{Address: "127.0.0.1:9001", Up: true}, api.Endpoint{Address: "127.0.0.1:9002"}
	return &api.Service{Name: "shop", Versions: []api.Version{
		{Name: "blue", RPS: 726, P50: .2, P99: 4.4, Endpoints: []api.Endpoint{up, up}},
		{Name: "green", RPS: 242, ErrorRate: .0485, P50: .3, P99: 212, Endpoints: []api.Endpoint{up, down}},
	}}
}

func rendered(picture []line, width int, colour bool) string {
	var b strings.Builder
	for _, l := range picture {
		b.WriteString(l.render(width, colour) + "\n")
	}
	return b.String()
}

func TestPicture_ShowsWhereARolloutStands(t *testing.T) {
	lost := errors.New("cannot reach the control API at http://127.0.0.1:9797: connection refused")
	f := func(name string, width, height int, colour bool, edit func(*watched)) {
		t.Helper()
		w := &watched{rollout: canary(), service: shop(), now: at(17 * time.Second)}
		edit(w)
		picture := w.picture(width, height)
		text := rendered(picture, width, colour)
		if !ended(w.rollout) && len(picture) > height {
			t.Errorf("%s has %d lines on a page of %d", name, len(picture), height)
		}
		golden(t, filepath.Join("picture", name+".txt"), text)
	}
	f("progressing-80", 80, 40, false, func(*watched) {})
	f("progressing-120", 120, 40, false, func(*watched) {})
	f("progressing-200", 200, 40, false, func(*watched) {})
	f("progressing-low", 80, 16, false, func(*watched) {})
	f("progressing-colour", 100, 40, true, func(*watched) {})
	f("no-service", 100, 40, false, func(w *watched) { w.service = nil })
	f("approval", 100, 40, false, func(w *watched) {
		w.rollout.WaitingFor, w.rollout.Reason = rollout.WaitApproval, "1 of 2 people agreed to stage 3"
		w.rollout.Plan.Approval = "manual"
	})
	f("environment", 100, 40, false, func(w *watched) {
		w.rollout.Phase, w.rollout.Stage, w.rollout.WaitingFor = rollout.Pending, -1, rollout.WaitHealth
		w.rollout.Reason, w.rollout.Missing = "green has no healthy endpoint yet", []string{"v1.5 has been live in staging for 12m of 1h"}
	})
	f("lost", 100, 40, false, func(w *watched) { w.lost, w.lostAt = lost, at(13*time.Second) })
	f("baking", 100, 40, false, func(w *watched) {
		w.rollout.Phase, w.rollout.Stage, w.rollout.StageElapsed = rollout.Baking, 2, 20
	})
	f("many-stages", 100, 40, false, func(w *watched) {
		for range 20 {
			w.rollout.Plan.Stages = append(w.rollout.Plan.Stages, w.rollout.Plan.Stages[1])
		}
		w.rollout.Stage, w.rollout.Stages = 11, 23
	})
	f("rolled-back", 100, 40, false, func(w *watched) {
		end := at(18 * time.Second)
		r := w.rollout
		r.Phase, r.Verdict, r.EndedAt, r.InForce = rollout.RolledBack, analysis.Fail, &end, false
		r.Weights = map[string]configs.Weight{"blue": configs.Whole}
		r.Reason = "error_rate > 1% is broken: 60 of 1236 failed (4.85%) on the candidate"
		r.Rules[0].State, r.Rules[0].Evidence = analysis.StateFail, 190
		r.History = append(r.History, api.Transition{At: end, To: r.Phase, Stage: 1, Weights: r.Weights, Actor: "weir", Reason: r.Reason})
	})
}

// TestPicture_FitsEveryPage holds for all sizes of a terminal, and for a rollout
// of which little is known.
func TestPicture_FitsEveryPage(t *testing.T) {
	for width := 20; width <= 210; width += 7 {
		for height := 1; height < 45; height += 4 {
			for _, r := range []*api.Rollout{canary(), {}, {Phase: rollout.Queued, Plan: &configs.Rollout{}, Stages: 3, Stage: -1}} {
				w := &watched{rollout: r, now: at(time.Second)}
				picture := w.picture(width, height)
				if len(picture) > height {
					t.Fatalf("%d lines on a page of %d", len(picture), height)
				}
				for _, l := range picture {
					if n := utf8.RuneCountInString(l.render(width, false)); n > width {
						t.Fatalf("a line of %d columns on a page of %d", n, width)
					}
				}
			}
		}
	}
}

func TestPicture_TextFromElsewhereSteersNoTerminal(t *testing.T) {
	r := canary()
	r.Reason, r.Service, r.To = "\x1b]0;owned\x07\x1b[2Jreason\r\n\u202egnp", "sh\x1b[31mop", "gr\x07een"
	r.History[0].Reason = "\x9b31mred"
	w := &watched{rollout: r, now: at(time.Second)}
	text := rendered(w.picture(100, 40), 100, false)
	for _, c := range text {
		if c != '\n' && unicode.IsControl(c) || c == '\u202e' {
			t.Fatalf("%U is on the page:\n%q", c, text)
		}
	}
}

func TestPaint_BarsNeverLie(t *testing.T) {
	f := func(share float64, want string) {
		t.Helper()
		if got := bar(share, 4); got != want {
			t.Errorf("%v is drawn %q, want %q", share, got, want)
		}
	}
	f(0, "░░░░")
	f(.001, "█░░░")
	f(.5, "██░░")
	f(.999, "███░")
	f(1, "████")
	f(1.5, "████")
	f(-1, "░░░░")
}

func TestTable_FitsThePageAndKeepsIds(t *testing.T) {
	f := func(width int, want ...string) {
		t.Helper()
		tab := newTable(page{nil, width}, "ID", "FROM", "REASON").yield("REASON", "FROM")
		tab.row("shop-20260105-1402-abcde", "a-version-of-a-very-long-name", "because it was so")
		if got := rendered(tab.lines(), 0, false); got != strings.Join(want, "\n")+"\n" {
			t.Errorf("%d columns:\n%s", width, got)
		}
	}
	f(0, "ID                        FROM                           REASON",
		"shop-20260105-1402-abcde  a-version-of-a-very-long-name  because it was so")
	f(70, "ID                        FROM                           REASON",
		"shop-20260105-1402-abcde  a-version-of-a-very-long-name  because it w…")
	f(52, "ID                        FROM          REASON",
		"shop-20260105-1402-abcde  a-version-o…  because it …")
	f(40, "ID                        FROM",
		"shop-20260105-1402-abcde  a-version-o…")
	f(20, "ID",
		"shop-20260105-1402-abcde")
}

func TestRemaining_CountsWhatIsLeftOfThePlan(t *testing.T) {
	f := func(edit func(*api.Rollout), want string) {
		t.Helper()
		r := canary()
		edit(r)
		left, waits, known := remaining(r)
		if got := fmt.Sprint(left, waits, known); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	f(func(*api.Rollout) {}, "11m18s false true")
	f(func(r *api.Rollout) { r.StageElapsed = 90 }, "11m0s false true")
	f(func(r *api.Rollout) { r.Stage = -1; r.StageElapsed = 0 }, "11m35s false true")
	f(func(r *api.Rollout) { r.Phase = rollout.Baking }, "48s false true")
	f(func(r *api.Rollout) { r.Plan.Stages[2].Pause = true }, "11m18s true true")
	f(func(r *api.Rollout) { r.Phase = rollout.Paused }, "0s false false")
	f(func(r *api.Rollout) { r.Plan = nil }, "0s false false")
}
