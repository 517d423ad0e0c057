package dashboard

import (
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/control/release"
)

// Nothing is said to be none that is only not known.
func TestDora_NotKnownIsNotNone(t *testing.T) {
	to := time.Date(2026, 1, 5, 14, 2, 10, 0, time.UTC)
	f := func(m release.Metrics, ever bool, want string) {
		t.Helper()
		m.From, m.To = to.Add(-7*24*time.Hour), to
		var got []string
		for _, one := range doraOf(&m, ever) {
			if one.Means == "" || one.Note == "" {
				t.Errorf("%s says neither what it means nor what it is of", one.Name)
			}
			got = append(got, one.Value)
		}
		if text := strings.Join(got, "|"); text != want {
			t.Errorf("%+v: %s, want %s", m, text, want)
		}
	}
	f(release.Metrics{}, false, "|||")
	f(release.Metrics{}, true, "0.0 a week|||")
	f(release.Metrics{Deployments: 3, PerWeek: 3}, true, "3.0 a week||0%|")
	f(release.Metrics{Deployments: 35, PerWeek: 35, LeadTime: 90}, true, "5.0 a day|1\u202fmin 30\u202fs|0%|")
	f(release.Metrics{Failures: 1, FailureRate: 1, Restore: 40}, true, "0.0 a week||100%|40\u202fs")

	m := release.Metrics{From: to.Add(-24 * time.Hour), To: to, Deployments: 1, PerWeek: 7, Failures: 1, FailureRate: 1, Restore: 40} // it was live, and was put back
	if d := doraOf(&m, true); d[2].Note != "1 of 1" || d[0].Note != "1 in 1 day" {
		t.Errorf("%q and %q", d[0].Note, d[2].Note)
	}
}

func TestBars_EachDeploymentStandsOnTheDayItEnded(t *testing.T) {
	now := time.Date(2026, 1, 5, 14, 2, 10, 0, time.UTC)
	day := func(d, hour int, state release.State) release.Deployment {
		return release.Deployment{State: state, EndedAt: time.Date(2026, 1, d, hour, 0, 0, 0, time.UTC)}
	}
	b := barsOf([]release.Deployment{
		day(5, 14, release.Live), day(5, 0, release.Live), day(5, 1, release.Aborted), day(4, 23, release.RolledBack), day(4, 23, release.Failed),
		{State: release.Deploying}, day(-2, 23, release.Live), day(6, 0, release.Live),
		{State: release.Live, EndedAt: time.Date(2026, 1, 5, 0, 30, 0, 0, time.FixedZone("", 3600))}, // the 4th, in UTC
	}, 7, now)
	if b == nil || b.Top != 3 || b.Live != 3 || b.Back != 2 || b.Left != "30 Dec" || len(b.Days) != 7 {
		t.Fatalf("%+v", b)
	}
	if d := b.Days[6]; d.Live != 2 || d.Back != 1 || d.LiveHigh != 160 || d.LiveY != 80 || d.BackHigh != 80 || d.BackY != 0 || d.X+d.Width > plotWidth {
		t.Errorf("today is %+v", d)
	}
	if d := b.Days[5]; d.Live != 1 || d.Back != 1 || d.Name != "4 Jan" {
		t.Errorf("yesterday is %+v", d)
	}
	if barsOf(nil, 90, now) != nil {
		t.Error("bars of nothing are drawn")
	}
}
