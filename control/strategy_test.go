package control

import (
	"fmt"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/route"
)

// planOf is a plan of shop to green by another strategy than a canary's.
func planOf(strategy string, bake time.Duration) configs.Rollout {
	return configs.Rollout{Service: "shop", To: "green", Strategy: strategy, Bake: configs.Duration(bake)}
}

// previewed is the version that the preview leads to; empty: none.
func (l *lab) previewed() string {
	r := l.tables.Load().Match(&route.Request{Host: []byte("new.example.com"), Path: []byte("/"), Method: []byte("GET")})
	if r == nil || r.Forced == nil {
		return ""
	}
	return r.Forced.Name
}

// admitted is how many endpoints of a version take requests.
func (l *lab) admitted(version int) int {
	return len(l.tables.Load().Service("shop").Versions[version].Pool.Endpoints())
}

func TestStrategy_BlueGreenSwitchesInOneSwapAndBack(t *testing.T) {
	l := newLab(t)
	doc := shop()
	doc.Routes = []configs.Route{{Host: "shop.example.com"}}
	l.do(ApplyService{Document: doc, Actor: "ana"})
	stop := l.traffic(1000, func(string) bool { return false })
	defer stop()
	plan := planOf(configs.StrategyBlueGreen, 300*time.Millisecond)
	plan.Preview = &configs.Preview{Host: "new.example.com"}
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.until("the candidate can be seen", func() bool { return l.previewed() == "green" })
	l.until("green is stable", func() bool { return l.phase(id) == rollout.Succeeded })
	l.until("the preview is gone", func() bool { return l.previewed() == "" })
	if n := l.picked("green"); n != route.Buckets {
		t.Errorf("green has %d buckets", n)
	}
	var walked []string
	for _, h := range l.rollout(id).State.History {
		walked = append(walked, fmt.Sprintf("%s %d", h.To, h.Weights["green"]))
	}
	if got := fmt.Sprint(walked); got != "[pending 0 baking 10000 succeeded 10000]" {
		t.Errorf("it went by %s", got)
	}
	l.do(Act{ID: id, Verb: "undo", Actor: "ben"})
	if n := l.picked("blue"); n != route.Buckets {
		t.Errorf("undo left blue %d buckets", n)
	}
}

func TestStrategy_AllAtOnceGoesBackInOneSwap(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	stop := l.traffic(1000, func(version string) bool { return version == "green" })
	defer stop()
	id := l.do(StartRollout{Plan: planOf(configs.StrategyAllAtOnce, time.Hour), Actor: "ana"}).ID
	l.until("it is put back", func() bool { return l.phase(id) == rollout.RolledBack })
	if n := l.picked("blue"); n != route.Buckets {
		t.Errorf("blue has %d buckets", n)
	}
	if got := l.rollout(id).State.Held["green"]; got != configs.Whole {
		t.Errorf("green had %s when it was cut, not all", got)
	}
}

func TestStrategy_RollingAdmitsBatchAfterBatch(t *testing.T) {
	l := newLab(t)
	doc := shop()
	doc.Versions["green"] = configs.Version{Endpoints: []string{"127.0.0.1:9011", "127.0.0.1:9012", "127.0.0.1:9013", "127.0.0.1:9014"}}
	doc.Versions["blue"] = configs.Version{Endpoints: []string{"127.0.0.1:9021", "127.0.0.1:9022", "127.0.0.1:9023", "127.0.0.1:9024"}}
	l.do(ApplyService{Document: doc, Actor: "ana"})
	const blue, green = 0, 1
	plan := planOf(configs.StrategyRolling, 0)
	plan.PauseBetween = configs.Duration(time.Hour)
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	for i, want := range []int{2500, 5000, 7500} {
		l.until("the batch has its share", func() bool { return l.picked("green") == want })
		if b, g := l.admitted(blue), l.admitted(green); b != 3-i || g != i+1 {
			t.Errorf("batch %d: %d endpoints of blue and %d of green", i+1, b, g)
		}
		l.do(Act{ID: id, Verb: "promote", Actor: "ana"})
	}
	l.until("all are admitted", func() bool { return l.picked("green") == route.Buckets })
	if b, g := l.admitted(blue), l.admitted(green); b != 4 || g != 4 {
		t.Errorf("at the end: %d endpoints of blue and %d of green", b, g)
	}
	l.do(Act{ID: id, Verb: "abort", Actor: "ana"})
	if n := l.picked("blue"); n != route.Buckets || l.admitted(blue) != 4 {
		t.Errorf("after the abort blue has %d buckets and %d endpoints", n, l.admitted(blue))
	}
	plan.Version, plan.To = &configs.RolloutVersion{Name: "pink", Endpoints: []string{"127.0.0.1:9021"}}, "pink"
	l.refused(StartRollout{Plan: plan, Actor: "nobody"})
}
