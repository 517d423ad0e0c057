package rollout

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
)

func TestService_CutsCountForTheirRolloutAndGeneration(t *testing.T) {
	s := Service{Stable: "blue", Rollout: "r1", Generation: 2, Weights: map[string]configs.Weight{"blue": 9_000, "green": 1_000}}
	f := func(c Cut, counts, void bool) {
		t.Helper()
		if s.Counts(c) != counts || s.Voids(c) != void {
			t.Errorf("%+v: counts %v, void %v", c, s.Counts(c), s.Voids(c))
		}
	}

	f(Cut{Rollout: "r1", Version: "green", Generation: 2}, true, false)
	f(Cut{Rollout: "r1", Version: "green", Generation: 3}, true, false)
	f(Cut{Rollout: "r1", Version: "green", Generation: 1}, false, true)
	f(Cut{Rollout: "r1", Version: "green", Generation: 1, Actor: "ana"}, true, false) // an abort is of the whole rollout
	f(Cut{Rollout: "r1", Version: "red", Generation: 2}, true, true)                  // spent: red has no weight
	f(Cut{Rollout: "r1", Version: "blue", Generation: 2}, false, true)                // nothing takes stable to 0
	f(Cut{Rollout: "r2", Version: "green", Generation: 2}, false, true)
	f(Cut{}, false, true)
	s.Rollout = ""
	f(Cut{Version: "green"}, false, true)
}

func TestPair_RaisesSaysWhatMustSeeNoCut(t *testing.T) {
	before := Service{Stable: "blue", Rollout: "r1", Weights: map[string]configs.Weight{"blue": 9_000, "green": 1_000}}
	f := func(want bool, change func(*Service)) {
		t.Helper()
		after := before
		after.Weights = maps.Clone(before.Weights)
		change(&after)
		if got := (Pair{Service: after}).Raises(Pair{Service: before}); got != want {
			t.Errorf("%+v raises: %v", after, got)
		}
	}

	f(false, func(*Service) {})
	f(false, func(s *Service) { s.Weights = map[string]configs.Weight{"blue": 9_500, "green": 500} })
	f(true, func(s *Service) { s.Weights = map[string]configs.Weight{"blue": 8_999, "green": 1_001} })
	f(true, func(s *Service) { s.Weights["red"], s.Weights["blue"] = 1, 8_999 })
	f(true, func(s *Service) { s.Rollout = "" })   // the cuts of r1 would count no more
	f(true, func(s *Service) { s.Rollout = "r2" }) // likewise
	f(true, func(s *Service) { s.Generation = 1 }) // likewise
	f(true, func(s *Service) { s.Stable = "green" })
	f(false, func(s *Service) {
		s.Rollout, s.Weights = "", map[string]configs.Weight{"blue": configs.Whole, "green": 0}
	})
	f(false, func(s *Service) { s.Generation, s.Weights = 1, map[string]configs.Weight{"blue": configs.Whole} })
}

func TestStep_HistoryIsBoundedAndKeepsItsBeginning(t *testing.T) {
	p := beginnings(t)["plan"]
	first := p.Rollout.History[0]
	for i := range 3 * MaxHistory {
		verb := []string{"pause", "resume"}[i%2]
		next, _, err := Step(p, Command{At: noon.Add(time.Duration(i) * time.Second), Actor: "ana", Verb: verb}, 0)
		if err != nil {
			t.Fatal(err)
		}
		p = next
	}
	h := p.Rollout.History
	if len(h) != MaxHistory || !h[0].At.Equal(first.At) || h[0].To != Pending {
		t.Errorf("the history has %d entries and begins with %+v", len(h), h[0])
	}
	if last := h[len(h)-1]; !last.At.Equal(noon.Add((3*MaxHistory - 1) * time.Second)) {
		t.Errorf("the history ends with %+v", last)
	}
}

func TestSplit_RaisingNeverMovesAKeyBack(t *testing.T) {
	p := beginnings(t)["manual"]
	had := map[int]bool{}
	for _, share := range []configs.Weight{100, 500, 2_500, 2_501, 10_000} {
		p.Service, _ = p.Service.weigh(map[string]configs.Weight{"blue": configs.Whole - share, "green": share}, "r3")
		has := map[int]bool{}
		for bucket, version := range owners(p.Service) {
			if version == "green" {
				has[bucket] = true
			}
		}
		if share > 100 {
			for bucket := range had {
				if !has[bucket] {
					t.Fatalf("bucket %d went back to blue at %s", bucket, percent(share))
				}
			}
		}
		had = has
	}
}

func TestNew_RefusesWhatCannotBegin(t *testing.T) {
	w := newStage()
	cur := NewService(w.svc, noon)
	f := func(kind RefusalKind, text string, change func(*configs.Rollout, *Service)) {
		t.Helper()
		plan, s := planOf([]string{"green", "5%/5s"}), cur
		change(&plan, &s)
		_, err := New("r1", plan, w.svc, s, noon, "ana")
		if r, ok := errors.AsType[*Refusal](err); !ok || r.Kind != kind || !strings.Contains(r.Error(), text) {
			t.Errorf("got %v, want %q", err, text)
		}
	}

	f(Invalid, "no strategy", func(p *configs.Rollout, _ *Service) { p.Strategy = configs.StrategyManual })
	f(Invalid, "a batch of at least 11", func(p *configs.Rollout, _ *Service) {
		p.Strategy, p.To = configs.StrategyRolling, "v9"
		p.Version = &configs.RolloutVersion{Name: "v9", Endpoints: make([]string, 1001)}
	})
	f(Invalid, "no endpoints", func(p *configs.Rollout, _ *Service) {
		p.Strategy, p.To, p.Version = configs.StrategyRolling, "v9", &configs.RolloutVersion{Name: "v9"}
	})
	f(Invalid, `rollout "r0" is in force`, func(_ *configs.Rollout, s *Service) { s.Rollout = "r0" })
	f(Invalid, "stable already", func(p *configs.Rollout, _ *Service) { p.To = "blue" })
	f(Invalid, "no stages", func(p *configs.Rollout, _ *Service) { p.Stages = nil })
	f(Invalid, `["blue" "green" "red" "teal"]`, func(p *configs.Rollout, _ *Service) { p.To = "black" })
	f(Invalid, `of service "search"`, func(p *configs.Rollout, _ *Service) { p.Service = "search" })
	bring := func(p *configs.Rollout, name, address string) {
		p.To, p.Version = "v9", &configs.RolloutVersion{Name: name, Endpoints: []string{address}}
	}
	f(Invalid, "brings version", func(p *configs.Rollout, _ *Service) { bring(p, "v8", "127.0.0.1:9099") })
	f(Invalid, `is of version "blue"`, func(p *configs.Rollout, _ *Service) { bring(p, "v9", "127.0.0.1:9001") })
	f(Invalid, "service's document", func(p *configs.Rollout, _ *Service) { bring(p, "green", "127.0.0.1:9099"); p.To = "green" })
}

func TestNew_VersionsOfRolloutsStayWhileSomebodyNeedsThem(t *testing.T) {
	w := newStage()
	start := func(cur Service, at time.Time, name string) Pair {
		t.Helper()
		plan := planOf([]string{name, "5%/5s"})
		plan.Version = &configs.RolloutVersion{Name: name, Endpoints: []string{"127.0.0.1:80" + name[1:]}, Revision: name}
		p, err := New("r-"+name, plan, w.svc, cur, at, "ana")
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	end := func(p Pair, verb string, at time.Time) Service {
		t.Helper()
		p, _, err := Step(p, Command{At: at, Actor: "ana", Verb: verb, Full: true}, 0)
		if err != nil {
			t.Fatal(err)
		}
		return p.Service
	}
	f := func(s Service, want ...string) {
		t.Helper()
		if got := slices.Sorted(maps.Keys(s.Versions)); !slices.Equal(got, want) {
			t.Errorf("versions of rollouts are %q, want %q", got, want)
		}
	}

	first := start(NewService(w.svc, noon), noon, "v10")
	f(first.Service, "v10")
	if first.Rollout.Revision != "v10" {
		t.Errorf("the revision is %q", first.Rollout.Revision)
	}
	s := end(first, "promote", noon)
	s = end(start(s, noon, "v11"), "promote", noon)
	f(s, "v10", "v11") // v10 is kept for undo
	s = end(start(s, noon.Add(time.Minute), "v12"), "abort", noon)
	f(s, "v10", "v11", "v12")
	s = start(s, noon.Add(2*time.Minute), "v13").Service
	f(s, "v10", "v11", "v13") // v12 is nobody's
	s.Rollout = ""
	f(start(s, noon.Add(2*time.Hour), "v14").Service, "v11", "v14") // v10 is kept no more
}

func TestNewManual_RefusesWhatCannotBegin(t *testing.T) {
	w := newStage()
	f := func(text string, weights map[string]configs.Weight, s Service) {
		t.Helper()
		_, err := NewManual("m1", weights, w.svc, s, noon, "ana")
		if r, ok := errors.AsType[*Refusal](err); !ok || !strings.Contains(r.Error(), text) {
			t.Errorf("got %v, want %q", err, text)
		}
	}
	cur := NewService(w.svc, noon)

	f("add up to 99%", map[string]configs.Weight{"blue": 9_000, "green": 900}, cur)
	f("between 0% and 100%", map[string]configs.Weight{"blue": 10_001, "green": -1}, cur)
	f("add up to 0%", nil, cur)
	f(`no version "black"`, map[string]configs.Weight{"blue": 9_000, "black": 1_000}, cur)
	f("already", map[string]configs.Weight{"blue": configs.Whole}, cur)
	cur.Rollout = "r1"
	f("in force", map[string]configs.Weight{"green": configs.Whole}, cur)
}

func TestAbortCuts_NameEveryCandidate(t *testing.T) {
	p := beginnings(t)["several"]
	if c := AbortCuts(p, "edge-1", "b1", "", "", noon)[0]; c.Actor == "" {
		t.Error("an abort by nobody in particular looks like the judge's cut")
	}
	cuts := AbortCuts(p, "edge-1", "b1", "ana", "too slow", noon)
	if len(cuts) != 2 {
		t.Fatalf("there are %d cuts", len(cuts))
	}
	for i, version := range []string{"green", "red"} {
		c := cuts[i]
		if c.Version != version || c.Node != "edge-1" || c.Boot != "b1" || c.Reason != "aborted by ana: too slow" || !p.Service.Counts(c) {
			t.Errorf("cut %d is %+v", i, c)
		}
		next, _, err := Step(p, CutSeen{At: noon, Cut: c}, 0)
		if err != nil || next.Service.Weights[version] > 0 {
			t.Fatalf("%s has %d after the cut, error %v", version, next.Service.Weights[version], err)
		}
		p = next
	}
	if p.Rollout.Phase != Aborted || p.Service.Rollout != "" {
		t.Errorf("the rollout is %s", p.Rollout.Phase)
	}
}
