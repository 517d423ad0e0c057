package control

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/hook"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// It ends by itself within moments of the last connection's end.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"))
}

// lab is a Controller on a real embedded etcd. Requests are played into its
// recorders by the tables that it publishes; no socket is involved.
type lab struct {
	*Controller
	node     string // empty: one
	deliver  func(context.Context, *configs.Notifier, *notify.Entry) error
	askHook  func(context.Context, rollout.AskHook, rollout.State) hook.Reply
	log      *zap.Logger      // nil: none
	schema   int              // the newest form of values that it reads; 0: this release's
	clock    func() time.Time // nil: the machine's
	external string           // endpoint of an etcd that others share; empty: embedded
	t        *testing.T
	dir      string
	base     time.Time
	tables   atomic.Pointer[route.Table]
	stop     func()
}

func newLab(t *testing.T) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), base: time.Now()}
	l.start()
	t.Cleanup(func() { l.stop() })
	return l
}

// start opens the state in the lab's folder, as a process that begins does.
func (l *lab) start() {
	l.t.Helper()
	l.open()
	l.until("the state is loaded", func() bool { return l.Loaded() && l.View().LeaderNode != "" })
}

// open is start that waits for nothing.
func (l *lab) open() {
	l.t.Helper()
	log := l.log
	if log == nil {
		log = zap.NewNop()
	}
	if l.node == "" {
		l.node = "one"
	}
	options := store.Options{Dir: l.dir, Node: l.node}
	if l.external == "" {
		options.Embedded = &store.Embedded{Dir: l.dir}
	} else {
		options.External = &store.External{Endpoints: []string{l.external}}
	}
	s, err := store.Open(l.t.Context(), options, log)
	if err != nil {
		l.t.Fatal(err)
	}
	endpoints := upstream.NewRegistry(upstream.Options{})
	l.Controller = New(Options{
		Node: l.node, Boot: "boot of " + l.node, Version: "test", Now: func() int64 { return int64(time.Since(l.base)) },
		Tables: &l.tables, Endpoints: endpoints, Recorders: stats.NewRegistry(), Store: s, Log: log,
		Deliver: l.deliver, AskHook: l.askHook,
	})
	if l.schema > 0 {
		l.mirror.schema = l.schema
		l.forms.settles = 0
	}
	if l.clock != nil {
		l.Controller.clock = l.clock
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	storeCtx, stopStore := context.WithCancel(context.Background())
	running.Go(func() { _ = s.Run(storeCtx) })
	s.Lead()
	controller := l.Controller
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = controller.Run(ctx)
	}()
	var once sync.Once
	l.stop = func() {
		once.Do(func() {
			cancel()
			<-ended
			stopStore()
			running.Wait()
			if err := s.Close(); err != nil {
				l.t.Errorf("close: %v", err)
			}
			endpoints.Close()
		})
	}
}

// until waits for something that must happen soon, and then for the View to
// show what the Controller knew at that moment: a table is published before it.
func (l *lab) until(what string, ok func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if ok() {
			_ = l.await(l.t.Context(), 0, false)
			return
		}
	}
	l.t.Fatalf("not within 15 s: %s; rollouts: %+v", what, l.View().Rollouts)
}

func (l *lab) do(cmd Command) Reply {
	l.t.Helper()
	reply, err := l.Do(l.t.Context(), cmd)
	if err != nil {
		l.t.Fatalf("%T: %v", cmd, err)
	}
	return reply
}

// refused carries out a command that must be refused, and returns why.
func (l *lab) refused(cmd Command) *Error {
	l.t.Helper()
	before := l.View().Store.Revision
	_, err := l.Do(l.t.Context(), cmd)
	var e *Error
	if !errors.As(err, &e) {
		l.t.Fatalf("%T was not refused: %v", cmd, err)
	}
	if e.Text == "" || e.Kind == 0 {
		l.t.Fatalf("%T: an empty refusal: %+v", cmd, e)
	}
	for _, a := range l.View().Audit {
		if a.Actor == "nobody" {
			l.t.Fatalf("a refused command was written: %+v (revision before: %d)", a, before)
		}
	}
	return e
}

func (l *lab) rollout(id string) RolloutView {
	l.t.Helper()
	r, ok := l.View().Rollout(id)
	if !ok {
		l.t.Fatalf("there is no rollout %q", id)
	}
	return *r
}

// picked is how many buckets the published table gives to a version.
func (l *lab) picked(version string) int {
	s := l.tables.Load().Service("shop")
	n := 0
	for b := range route.Buckets {
		if s.Versions[s.Split.Pick(b)].Name == version {
			n++
		}
	}
	return n
}

// traffic plays rps requests a second until stop is called. Bad says whether a
// request of a version ends as an error.
func (l *lab) traffic(rps int, bad func(version string) bool) (stop func()) {
	return l.trafficTo("shop", rps, bad)
}

func (l *lab) trafficTo(service string, rps int, bad func(version string) bool) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		random := rand.New(rand.NewPCG(1, 2))
		started, sent := time.Now(), 0
		for ctx.Err() == nil {
			for ; sent < int(time.Since(started).Seconds()*float64(rps)); sent++ {
				s := l.tables.Load().Service(service)
				v := s.Versions[s.Split.Pick(random.IntN(route.Buckets))]
				at := int64(time.Since(l.base))
				token := v.Recorder.Begin(0, stats.Split, at, -1)
				status, isBad := 200, bad(v.Name)
				outcome := stats.Outcome{Status: status}
				if isBad {
					status = 500
					outcome = stats.Outcome{Status: status, Reason: stats.Status}
				}
				v.Recorder.Head(&token, at+1e6, time.Millisecond, status, isBad)
				v.Recorder.End(&token, at+2e6, outcome)
			}
			time.Sleep(2 * time.Millisecond)
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

func shop() configs.Service {
	return configs.Service{
		Name: "shop", Routes: []configs.Route{{Path: "/"}}, Stable: "blue",
		Versions: map[string]configs.Version{
			"blue":  {Endpoints: []string{"127.0.0.1:9001"}},
			"green": {Endpoints: []string{"127.0.0.1:9002"}},
			"red":   {Endpoints: []string{"127.0.0.1:9003"}},
		},
	}
}

// shopTime is a moment for states that no test looks at.
func shopTime() time.Time { return time.Unix(1, 0) }

func weightOf(w configs.Weight) *configs.Weight { return &w }

func canary(stages ...configs.Stage) configs.Rollout {
	return configs.Rollout{Service: "shop", To: "green", Strategy: configs.StrategyCanary, Stages: stages}
}

func stage(weight configs.Weight, d time.Duration) configs.Stage {
	return configs.Stage{Weight: weightOf(weight), Duration: configs.Duration(d)}
}

func (l *lab) phase(id string) rollout.Phase { return l.rollout(id).State.Phase }
