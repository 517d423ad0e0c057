package health

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/configs"
)

func envoys() configs.Ejection {
	return configs.Ejection{Failures: 5, Time: configs.Duration(30 * time.Second), MaxTime: configs.Duration(300 * time.Second), MaxPercent: 10}
}

func TestEject_LengthGrowsWithEachEjectionInARow(t *testing.T) {
	members := []Member{{Well: true}, {Well: true}}
	now := time.Unix(0, 0)
	for i := 1; i <= 12; i++ {
		members[0].Suspect = true
		Eject(members, envoys(), now)
		want := time.Duration(min(i*30, 300)) * time.Second
		if got := members[0].Until.Sub(now); got != want {
			t.Fatalf("ejection %d lasts %s, want %s", i, got, want)
		}
		now = members[0].Until
		members[0].Suspect = false
		Eject(members, envoys(), now)
		if !members[0].Until.IsZero() {
			t.Fatal("it does not come back")
		}
		now = now.Add(time.Second)
	}
	for range 10 {
		now = now.Add(calm)
		Eject(members, envoys(), now)
	}
	if !members[0].Forgotten() {
		t.Errorf("after a calm time there is %+v", members[0].Outlier)
	}
}

// TestEject_NeverTakesTooMany holds the rules over any history: never the last
// that is up, never more than allowed, nobody who was not suspected, and everybody
// comes back in time.
func TestEject_NeverTakesTooMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := envoys()
		e.MaxPercent = rapid.IntRange(1, 100).Draw(t, "percent")
		members := make([]Member, rapid.IntRange(1, 12).Draw(t, "n"))
		now := time.Unix(0, 0)
		for range rapid.IntRange(1, 30).Draw(t, "looks") {
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second)
			wellBefore := 0
			for i := range members {
				members[i].Well = rapid.IntRange(0, 3).Draw(t, "well") > 0
				members[i].Suspect = rapid.Bool().Draw(t, "suspect")
				if members[i].Well {
					wellBefore++
				}
			}
			before := make([]Member, len(members))
			copy(before, members)
			Eject(members, e, now)
			out, up, fresh := 0, 0, 0
			for i, m := range members {
				switch {
				case m.Until.IsZero():
				case !m.Until.After(now) || m.Until.Sub(now) > e.MaxTime.Std():
					t.Fatalf("out until %s, now %s", m.Until, now)
				case before[i].Until.IsZero() || !before[i].Until.After(now):
					if fresh++; !m.Suspect {
						t.Fatal("one that is not suspected goes")
					}
				}
				if !m.Until.IsZero() {
					out++
				} else if m.Well {
					up++
				}
			}
			if allowed := max(1, len(members)*e.MaxPercent/100); out > allowed {
				t.Fatalf("%d of %d are out, allowed are %d", out, len(members), allowed)
			}
			if fresh > 0 && up == 0 {
				t.Fatal("the last one that was up is gone")
			}
		}
	})
}

func TestEject_TakesOneOfTwoAndNotTheOther(t *testing.T) {
	members := []Member{{Well: true, Suspect: true}, {Well: true, Suspect: true}}
	Eject(members, envoys(), time.Unix(0, 0))
	if members[0].Until.IsZero() || !members[1].Until.IsZero() {
		t.Errorf("out are %+v", members)
	}
	one := []Member{{Well: true, Suspect: true}, {Well: false}}
	if Eject(one, envoys(), time.Unix(0, 0)); !one[0].Until.IsZero() {
		t.Error("the only one that probes find well is out")
	}
}
