package control

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/stats"
)

// sharedEtcd is an etcd that several nodes of a test use.
func sharedEtcd(t *testing.T) (endpoint string) {
	t.Helper()
	endpoint, _ = stoppableEtcd(t)
	return endpoint
}

// stoppableEtcd is sharedEtcd that a test can end before.
func stoppableEtcd(t *testing.T) (endpoint string, stop func()) {
	t.Helper()
	dir, err := os.MkdirTemp("", "etcd") // the path of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir, cfg.UnsafeNoFsync = "shared", filepath.Join(dir, "data"), true
	cfg.ListenClientUrls = []url.URL{{Scheme: "unix", Path: filepath.Join(dir, "sock")}}
	cfg.AdvertiseClientUrls = cfg.ListenClientUrls
	cfg.ListenPeerUrls = []url.URL{}
	cfg.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		e.Close()
		os.RemoveAll(dir)
	})
	t.Cleanup(stop)
	<-e.Server.ReadyNotify()
	return "unix://" + filepath.Join(dir, "sock"), stop
}

func newFleetLab(t *testing.T, endpoint, node string) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), base: time.Now(), node: node, external: endpoint}
	l.start()
	t.Cleanup(func() { l.stop() })
	return l
}

// newFleetOfTwo is two nodes that both serve shop; the first leads.
func newFleetOfTwo(t *testing.T) (a, b *lab) {
	t.Helper()
	endpoint := sharedEtcd(t)
	a, b = newFleetLab(t, endpoint, "a"), newFleetLab(t, endpoint, "b")
	if b.View().Leader {
		a, b = b, a
	}
	a.until("both nodes are known", func() bool { return len(a.View().Nodes) == 2 && len(b.View().Nodes) == 2 })
	a.do(ApplyService{Document: shop(), Actor: "ana"})
	b.until("the service is there", func() bool { _, ok := b.View().Service("shop"); return ok && b.tables.Load().Service("shop") != nil })
	return a, b
}

// Chosen users of each node are too few to be judged by that node alone.
func TestFleet_JudgesWhatGoesBesideTheSplitOnAllNodes(t *testing.T) {
	a, b := newFleetOfTwo(t)
	good := func(string) bool { return false }
	defer a.traffic(300, good)()
	defer b.traffic(300, good)()
	id := a.do(StartRollout{Plan: canary(beta(time.Hour), stage(500, time.Hour)), Actor: "ana"}).ID
	led := func(l *lab) func() bool {
		return func() bool { s := l.tables.Load().Service("shop"); return s != nil && s.Force != nil }
	}
	a.until("chosen users are led to green", led(a))
	b.until("on both nodes", led(b))
	seen := func(l *lab) uint64 {
		for _, r := range l.rollout(id).Rules {
			if strings.HasSuffix(r.Rule, "-beside") {
				return r.Candidate.N
			}
		}
		return 0
	}
	stopA, stopB := a.aside(stats.Forced, 50, 200), b.aside(stats.Forced, 50, 200)
	a.until("the leader judges what both counted", func() bool { return seen(a) > 200 && seen(a) > seen(b)+seen(b)/2 })
	stopA()
	stopB()
	defer a.aside(stats.Forced, 50, 500)()
	defer b.aside(stats.Forced, 50, 500)()
	b.until("the candidate is put back", func() bool { return b.phase(id) == rollout.RolledBack && led(b)() == false })
}

func TestFleet_JudgesTheCountsOfAllNodesAndGoesOnWhenTheLeaderIsGone(t *testing.T) {
	a, b := newFleetOfTwo(t)
	var broken atomic.Bool
	bad := func(version string) bool { return version == "green" && broken.Load() }
	stopA := a.traffic(400, bad)
	defer stopA()
	stopB := b.traffic(400, bad)
	defer stopB()
	id := a.do(StartRollout{Plan: canary(stage(1000, time.Hour)), Actor: "ana"}).ID
	a.until("both serve the stage", func() bool { return a.picked("green") == 1000 && b.picked("green") == 1000 })

	// One node sees 40 candidate requests a second, both together 80.
	rule := func(l *lab) uint64 {
		r := l.rollout(id)
		if len(r.Rules) == 0 {
			return 0
		}
		return r.Rules[0].Candidate.N
	}
	a.until("the leader judges what both counted", func() bool { return rule(a) > 400 && rule(a) > rule(b)+rule(b)/2 })
	before := rule(a)

	a.stop()
	b.until("the other leads", func() bool { return b.View().Leader })
	// Its own half would take it five seconds more to get there.
	led := time.Now()
	b.until("and goes on from what was judged", func() bool { return rule(b) >= before })
	if took := time.Since(led); took > 2*time.Second {
		t.Errorf("the evidence was gathered again: it took %s", took)
	}

	broken.Store(true)
	b.until("the candidate is put back", func() bool { return b.phase(id) == rollout.RolledBack && b.picked("green") == 0 })
}
