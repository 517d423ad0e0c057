package control

import (
	"slices"
	"testing"
	"time"

	"github.com/weirproxy/weir/control/release"
)

func TestForwarded_LateAndTwiceDoNoHarm(t *testing.T) {
	l := newLab(t)
	began := time.Now().Add(-time.Hour)
	say := func(cluster string, seq int64, state release.State) Reply {
		t.Helper()
		return l.do(TakeForwarded{Cluster: cluster, Seq: seq, Deployment: release.Deployment{
			ID: "d1", Application: "shop", Environment: "production-" + cluster, Version: "v1", Rollout: "r", State: state, StartedAt: began,
		}})
	}
	states := func() []string {
		var out []string
		for _, d := range l.View().Deployments {
			out = append(out, d.ID+" "+string(d.State))
		}
		slices.Sort(out)
		return out
	}
	if r := say("eu", 5, release.Live); !r.Created || r.ID != "eu.d1" {
		t.Errorf("%+v", r)
	}
	for _, late := range []int64{5, 4, 1} {
		if r := say("eu", late, release.Deploying); r.Revision != 0 {
			t.Errorf("%d after 5 is written: %+v", late, r)
		}
	}
	say("us", 1, release.Deploying)
	say("eu", 9, release.RolledBack)
	l.until("both are seen", func() bool { return slices.Equal(states(), []string{"eu.d1 rolled_back", "us.d1 deploying"}) })
	if e := l.refused(ReportDeployment{Actor: "nobody", Deployment: release.Deployment{
		ID: "eu.d1", Application: "shop", Environment: "production-eu", Version: "v1", State: release.Live,
	}}); e.Kind != Conflict {
		t.Errorf("a person reports what is another cluster's: %+v", e)
	}
}
