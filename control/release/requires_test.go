package release

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/configs"
)

func hours(n int) configs.Duration { return configs.Duration(time.Duration(n) * time.Hour) }

func always(string) bool { return true }

func TestBoard_SaysWhatARequiredEnvironmentLacks(t *testing.T) {
	f := func(name, want string, in Input, requires ...configs.Require) {
		t.Helper()
		in.Releases = []configs.Release{cut("v1", "T-1", 0, 2), cut("v2", "T-2", 10, 4), cut("v3", "T-3", 20, 1)}
		if requires == nil {
			requires = []configs.Require{{Environment: "staging", For: hours(2)}}
		}
		up := func(service string) bool { return service != "ill" }
		var got []string
		for _, m := range NewBoard(in).Requires("shop", "v2", requires, up, at(40)) {
			text := m.At(at(40))
			if m.PutBack {
				text += " (put back)"
			}
			got = append(got, text)
		}
		if all := strings.Join(got, "; "); all != want {
			t.Errorf("%s: %q\nwant %q", name, all, want)
		}
	}
	of := func(all ...Deployment) Input { return Input{Deployments: all} }
	v1, v2 := deployed("staging", "v1", Live, 1, 2), deployed("staging", "v2", Live, 11, 12)
	serves := func(service, version string, since float64) Running {
		return Running{Application: "shop", Environment: "staging", Service: service, Version: version, Since: at(since)}
	}

	f("nothing is known", "v2 is not in staging", of())
	f("another environment has it", "v2 is not in staging", of(deployed("production", "v2", Live, 11, 12)))
	f("the one before is there", "v2 is not in staging: v1 is", of(v1))
	f("it waits there", "the deployment of v2 to staging waits", of(v1, deployed("staging", "v2", Waiting, 11, 0)))
	f("it is on its way", "v2 is being deployed to staging", of(v1, deployed("staging", "v2", Deploying, 11, 0)))
	f("it has been there for long", "", of(v1, v2))
	f("a moment too short", "v2 has been live in staging for 1h59m of 2h", of(v1, deployed("staging", "v2", Live, 11, 38.01)))
	f("just now", "v2 has been live in staging for 0s of 2h", of(v1, deployed("staging", "v2", Live, 39, 41)))
	f("exactly long enough", "", of(v1, deployed("staging", "v2", Live, 11, 38)))
	failed := deployed("staging", "v2", Failed, 13, 14)
	failed.Reason = "smoke test: GET / was 503."
	f("another try failed", "v2 failed in staging at 2026-11-21 02:00 UTC: smoke test: GET / was 503", of(v1, v2, failed))
	bad := deployed("staging", "v2", RolledBack, 13, 14)
	bad.Reason = "error rate 4% over the limit of 1%."
	f("it was put back", "staging was put back from v2 at 2026-11-21 02:00 UTC: error rate 4% over the limit of 1% (put back)", of(v1, v2, bad))
	f("it was put back to the one before", "staging was put back from v2 to v1 at 2026-11-21 02:00 UTC: error rate 4% over the limit of 1% (put back)", of(v1, bad))
	f("somebody deployed the one before", "staging was put back from v2 to v1 (put back)", of(v1, v2, deployed("staging", "v1", Live, 13, 14)))
	f("an unknown one that was there before", "staging was put back from v2 to v0 (put back)", of(deployed("staging", "v0", Live, 1, 2), v2, deployed("staging", "v0", Live, 13, 14)))
	f("the next one is there", "v2 is not in staging any more: v3 is", of(v1, v2, deployed("staging", "v3", Live, 21, 22)))
	f("the next one was put back again", "", of(v1, v2, deployed("staging", "v3", RolledBack, 21, 22)))
	f("it came back", "", of(v1, v2, bad, deployed("staging", "v2", Live, 15, 16)))
	f("another try was superseded", "", of(v1, v2, deployed("staging", "v2", Superseded, 13, 14)))

	f("weir serves it", "", Input{Deployments: []Deployment{v2}, Running: []Running{serves("a", "v2", 12)}})
	f("weir serves it, since the service is there", "nobody knows since when v2 is live in staging: report its deployment",
		Input{Running: []Running{{Application: "shop", Environment: "staging", Service: "a", Version: "v2"}}})
	f("and that is enough", "", Input{Running: []Running{{Application: "shop", Environment: "staging", Service: "a", Version: "v2"}}}, configs.Require{Environment: "staging"})
	f("weights by hand made it stable", "v2 has been live in staging for 1h of 2h", Input{Deployments: []Deployment{v1}, Running: []Running{serves("a", "v2", 39)}})
	f("somebody moved it back by hand", "staging was put back from v2 to v1 (put back)", Input{Deployments: []Deployment{v1, v2}, Running: []Running{serves("a", "v1", 30)}})
	f("one of two services has it", "v2 is not in all of staging: service b is on v1", Input{Deployments: []Deployment{v2}, Running: []Running{serves("a", "v2", 12), serves("b", "v1", 0)}})
	f("the later of two counts", "v2 has been live in staging for 1h of 2h", Input{Deployments: []Deployment{v2}, Running: []Running{serves("a", "v2", 12), serves("b", "v2", 39)}})
	f("no endpoint is well", "v2 has no healthy endpoint in staging", Input{Deployments: []Deployment{v2}, Running: []Running{serves("ill", "v2", 12)}})
	again := deployed("staging", "v2", Failed, 13, 14)
	again.Rollout = "r2"
	f("a second rollout found it stable already", "", Input{Deployments: []Deployment{v2, again}, Running: []Running{serves("a", "v2", 12)}})

	lib := deployed("staging", "v2", Live, 11, 39)
	lib.Application = "lib"
	f("several", "v2 is not in qa; v2 of lib has been live in staging for 1h of 3h", of(v2, lib),
		configs.Require{Environment: "staging"}, configs.Require{Environment: "qa"}, configs.Require{Environment: "staging", Application: "lib", For: hours(3)})
	f("none", "", of(), []configs.Require{}...)
}

// The twin goes through what happened hour by hour.
func TestBoard_RequiresLikeItsTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all []Deployment
		running, since, troubled := "", 0, false // the twin: what runs, and whether the last try of v2 went wrong
		clock := 0
		for i := range rapid.IntRange(0, 8).Draw(t, "deployments") {
			version := rapid.SampledFrom([]string{"v1", "v2", "v3"}).Draw(t, "version")
			state := rapid.SampledFrom(States()).Draw(t, "state")
			begin := clock
			clock += rapid.IntRange(1, 3).Draw(t, "took")
			d := deployed("staging", version, state, float64(begin), float64(clock))
			d.ID = fmt.Sprint(i)
			all = append(all, d)
			clock += rapid.IntRange(0, 2).Draw(t, "pause")
			if state == Live {
				running, since = version, int(d.EndedAt.Sub(noon).Hours())
			}
			if version == "v2" && state != Superseded {
				troubled = state != Live
			}
		}
		clock += rapid.IntRange(0, 5).Draw(t, "wait")
		need := rapid.IntRange(0, 6).Draw(t, "for")
		for i := range all {
			j := rapid.IntRange(0, i).Draw(t, "swap")
			all[i], all[j] = all[j], all[i]
		}
		got := NewBoard(Input{Deployments: all}).Requires("shop", "v2", []configs.Require{{Environment: "staging", For: hours(need)}}, always, at(float64(clock)))
		met := running == "v2" && !troubled && clock-since >= need
		if met != (len(got) == 0) {
			t.Fatalf("the twin says %v, the board %+v, at %d h", met, got, clock)
		}
		for _, m := range got {
			if m.Text == "" || m.String() == "" || m.Environment != "staging" || !m.Since.IsZero() && m.For != hours(need) {
				t.Fatalf("it says too little: %+v", m)
			}
		}
	})
}
