package compile

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/route"
)

// visitor is a client with its cookie, as a browser keeps it.
type visitor struct {
	bucket int // that it draws where it has no cookie
	cookie []byte
	met    string // the version that answered last
	epoch  int64  // of the pin that it held then
}

// visit sends the visitor's request through the table, and keeps the cookie that
// comes back.
func (v *visitor) visit(t failer, s *route.Service, now time.Time) {
	bucket, pin, ok := v.bucket, route.Pin{}, false
	if v.cookie != nil {
		var seen route.Visitor
		seen, ok = s.Sticky.ReadCookie(v.cookie, now.Unix())
		bucket, pin = seen.Bucket, seen.Pin
		if !ok {
			t.Fatalf("cookie %q is not taken back", v.cookie)
		}
	}
	version, given, fresh, old := s.Choose(bucket, pin, now.Unix())
	split := s.Versions[s.Split.Pick(bucket)]
	held := s.Pins != nil && pin.Epoch != 0 && pin.Epoch == s.Pins.Epoch
	switch {
	case s.Pins == nil || !held:
		if version != split || old {
			t.Fatalf("trapped: an unpinned client got %s, and the split says %s", version.Name, split.Name)
		}
	case fresh:
		if s.Pins.Versions[pin.Version] != nil && (s.Pins.Until == 0 || now.Unix() <= s.Pins.Until) {
			t.Fatalf("a pin that holds was not followed")
		}
	case version.Name != v.met && v.epoch == pin.Epoch:
		t.Fatalf("drift: a client of epoch %d was on %s and is on %s", pin.Epoch, v.met, version.Name)
	}
	if old != (held && !fresh && pin.Issued < s.Pins.Since) {
		t.Fatalf("old is %v for a pin of %d in a stage since %v", old, pin.Issued, s.Pins)
	}
	v.met, v.epoch = version.Name, 0
	if held && !fresh {
		v.epoch = pin.Epoch
	}
	if fresh && s.Mixed {
		value := s.Sticky.AppendPinned(nil, bucket, given, now.Unix(), false)
		for i, c := range value {
			if c == ';' {
				v.cookie = value[len(s.Sticky.Name)+1 : i]
				break
			}
		}
		v.epoch = given.Epoch
	}
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// TestPins_NoDriftAndNoTrap plays rollouts with clients that come back after
// every event: a client stays where it is while its pin holds, obeys the split
// when it does not, and nobody is on a candidate that was put back.
func TestPins_NoDriftAndNoTrap(t *testing.T) {
	doc := document("shop", "/")
	doc.Sticky = &configs.Sticky{By: "cookie", Mode: "pin", Cookie: &configs.StickyCookie{Name: "weir_id"}}
	moved := map[string]int{}
	rapid.Check(t, func(r *rapid.T) {
		b := newBench(t)
		b.put(doc)
		now := noon
		start := func(id string, cur rollout.Service) rollout.Pair {
			to := "green"
			if cur.Stable == to {
				to = "blue"
			}
			half, whole := configs.Weight(5_000), configs.Whole
			p, err := rollout.New(id, configs.Rollout{Service: "shop", To: to, Strategy: configs.StrategyCanary, Stages: []configs.Stage{
				{Weight: &half, Duration: configs.Duration(time.Minute)}, {Weight: &whole, Duration: configs.Duration(time.Minute)},
			}}, doc, cur, now, "ana")
			if err != nil {
				r.Fatalf("cannot start: %v", err)
			}
			return p
		}
		pair := start("r0", rollout.NewService(doc, now))
		visitors := make([]*visitor, 40)
		for i := range visitors {
			visitors[i] = &visitor{bucket: i * route.Buckets / len(visitors)}
		}
		for i := range rapid.IntRange(1, 15).Draw(r, "steps") {
			now = now.Add(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 2 * time.Hour}).Draw(r, "pause"))
			pass := rollout.Tick{At: now, Verdict: analysis.Verdict{Kind: analysis.Pass}, CandidateUp: true, StableUp: true, Acked: true}
			event := rapid.SampledFrom([]string{"tick", "tick", "tick", "abort", "undo", "cut", "shared", "resume", "pause", "start"}).Draw(r, "event")
			var ev rollout.Event
			switch event {
			case "tick":
				ev = pass
			case "cut":
				ev = rollout.CutSeen{At: now, Cut: rollout.Cut{
					Rollout: pair.Rollout.ID, Service: "shop", Version: pair.Rollout.To, Generation: pair.Rollout.Generation,
					Verdict: analysis.Verdict{Kind: analysis.Fail, Rule: "errors"},
				}}
			case "shared":
				ev = rollout.StableBreaks{At: now, Rule: "errors"}
			case "start":
				if pair.Service.Rollout == "" {
					pair = start(fmt.Sprintf("r%d", i+1), pair.Service)
				}
			default:
				ev = rollout.Command{At: now, Actor: "ana", Verb: event}
			}
			if ev != nil {
				next, _, err := rollout.Step(pair, ev, time.Hour)
				if err == nil {
					pair = next
				}
			}
			b.Revision++
			b.States["shop"] = State{Service: pair.Service, ModRevision: b.Revision}
			s := b.build().Service("shop")
			for _, v := range visitors {
				was := v.met
				v.visit(r, s, now)
				if was != "" && was != v.met {
					moved[event]++
				}
				if pair.Service.Weights[v.met] == 0 && pair.Service.Pins == nil {
					r.Fatalf("after %s a client is on %s, which has no weight", event, v.met)
				}
			}
		}
	})
	if moved["abort"] == 0 || moved["cut"] == 0 {
		t.Errorf("clients that moved by event: %v", moved)
	}
}

func TestPins_OfACutVersionAreVoid(t *testing.T) {
	b := newBench(t)
	doc := document("shop", "/")
	doc.Sticky = &configs.Sticky{By: "cookie", Mode: "pin"}
	b.put(doc)
	b.weigh("shop", map[string]configs.Weight{"blue": 9_000, "green": 1_000})
	s := b.build().Service("shop")
	if s.Pins == nil || s.Pins.Epoch <= 0 || len(s.Pins.Versions) != 2 || s.Pins.Versions[1].Name != "green" || s.Pins.Until != 0 {
		t.Fatalf("pins are %+v", s.Pins)
	}
	pin := s.Pins.Pin(s.Pins.Versions[1])
	b.Cuts = []rollout.Cut{{Rollout: "m1", Service: "shop", Version: "green"}}
	s = b.build().Service("shop")
	if v, _, _, _ := s.Choose(0, pin, noon.Unix()); v.Name != "blue" {
		t.Errorf("a cut leaves a client on %s", v.Name)
	}
	b.Cuts = nil
	doc.Sticky.Mode = "follow"
	b.put(doc)
	if b.build().Service("shop").Pins != nil {
		t.Error("a service that follows the split has pins")
	}
}
