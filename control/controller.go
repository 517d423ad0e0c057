// Package control is the slow path: it owns the desired state, judges rollouts
// and publishes the tables that the data plane routes by.
//
// One goroutine, the Controller's, owns everything that changes. It does no
// I/O: what must be read, written or awaited is handed to workers, whose
// outcome comes back as one more input.
package control

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/call"
	"github.com/weirproxy/weir/control/compile"
	"github.com/weirproxy/weir/control/health"
	"github.com/weirproxy/weir/control/hook"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// Options are what a Controller works with. All are needed but where it says what nil or 0 means.
type Options struct {
	Node    string // this node's name in its fleet
	Boot    string // tells this process from the ones before it
	Version string // of the binary

	// Now is the data plane's clock: nanoseconds since its base. Dispatch
	// ticks are counted on it.
	Now func() int64

	Tables    *atomic.Pointer[route.Table] // the Controller is its one writer
	Endpoints *upstream.Registry
	Recorders *stats.Registry
	Store     *store.Store
	Log       *zap.Logger

	// Deliver sends an entry of the outbox to a Notifier. It is called in
	// workers, for several queues at once, and must respect ctx. Nil: nobody is told.
	Deliver func(ctx context.Context, n *configs.Notifier, e *notify.Entry) error

	// CheckNotifier says what on this node stands in the way of a notifier. It is
	// called where documents are applied, never on the Controller's goroutine.
	// Nil: nothing.
	CheckNotifier func(n *configs.Notifier) []string

	// AskHook asks a gate or a check once. It is called in workers and must
	// respect ctx. Nil: none is ever asked.
	AskHook func(ctx context.Context, q rollout.AskHook, s rollout.State) hook.Reply

	// Resolve returns the addresses of a name in endpoints; it ends with ctx. Nil:
	// the system's resolver.
	Resolve func(ctx context.Context, name string) ([]netip.Addr, error)

	// Secrets is the folder below which the secrets of documents lie. Empty: the
	// one that the process runs in.
	Secrets string

	// AckTimeout is how long a raise waits for a silent node. 0: 10 s.
	AckTimeout time.Duration

	// BlindAfter is how long this node may be cut off from the state before it
	// gives candidates under trial nothing. 0: for ever.
	BlindAfter time.Duration
}

// lookEvery is how often rollouts are judged: four times a dispatch tick, so
// that what has ripened does not wait.
const lookEvery = stats.TickLength / 4

// sayEvery is how often a node says what it has applied, showEvery how often
// readers get a new picture, unless something changes, and showIdle how often
// there is one when nobody has read one for a while.
const (
	sayEvery  = 100 * time.Millisecond
	showEvery = 200 * time.Millisecond
	showIdle  = time.Second
)

// Controller owns the desired state of a node. Make it with New, run it once
// with Run; its other methods are safe for concurrent use while it runs.
type Controller struct {
	opts   Options
	log    *zap.Logger
	prober *health.Prober
	calls  *call.Client     // of measurements; used in workers
	clock  func() time.Time // time.Now outside tests; its steps must change no plan
	hub    hub
	view   atomic.Pointer[View]
	read   atomic.Bool // somebody has read the View

	rollbacks     counter // by service and path, for metrics
	ejections     counter // by service and version, for metrics
	notifications counter // by notifier and result, likewise
	hookCalls     counter // by hook and answer, for metrics

	inbox   chan func()
	stopped chan struct{}
	workers sync.WaitGroup
	workCtx context.Context

	// All below belongs to the goroutine of Run.

	mirror  *mirror
	loaded  bool
	built   *compile.Built
	refused map[string]string
	known   map[string]bool // keys of mirror.bad that were logged

	trials     map[string]*trial                 // by rollout
	opening    map[string]bool                   // trials whose evidence is being read
	kills      map[string]Kill                   // of flags, that etcd does not have yet
	cuts       map[string]map[string]rollout.Cut // this node's own, by rollout and version
	journaling map[string]int                    // cuts on their way to the disk, by rollout
	turns      map[string]turn                   // by service: what its next step waits for

	targets    map[health.Target]health.Probe
	failing    map[health.Target]int       // consecutive failed probes of targets that were probed
	unretained bool                        // the table may name less than the registries hold
	admitted   map[*upstream.Endpoint]bool // those of the table at the last look
	tenants    []tenant                    // likewise
	names      names
	outliers   outliers
	filesSeen  time.Time // when the files of TLS were last asked about
	filesWrong string    // what was wrong with them
	slow       slowStart

	sight  blindness
	silent map[string]bool // nodes that raises do not wait for

	role string // of the person whose command is being planned; empty: nobody's

	creatingKeys bool
	keysTried    time.Time
	keyTurn      keyTurn

	waiters   []waiter
	announced int64 // revision that nodes/<node> last carried
	said      time.Time
	forms     forms
	unsaid    bool      // what cannot be read has changed since
	tallied   time.Time // when tallies/<node> was last written
	tallying  bool      // it is there
	lastLook  time.Time
	looks     int
	savedIn   int    // the look that last stored evidence
	stirred   uint64 // rises with whatever looks may act on, but time and traffic
	lastView  time.Time
	readAt    time.Time // when it was last seen that somebody reads Views
	pictures  pictures
	unshown   bool // the view is older than the state
	leading   bool
	seen      map[string]int64     // service -> revision of its state
	raisedAt  map[string]time.Time // service -> when its state last changed here
	reports   map[string]lastReport
	shelf     shelf
	rates     map[versionID]*rate
	toMeasure []versionID // the rest of a round through all versions
	measured  time.Time
	roundAt   time.Time    // when the present round of measurements began
	totals    stats.Totals // scratch
	pruned    time.Time
	auditSeq  uint64
	postman   *postman
	questions map[string]*question // by key; of the leader
	hookNames map[string]bool      // that countHook has seen
	asking    int                  // calls of hooks under way
	frost     freezes
}

// New returns a Controller that has not begun.
func New(o Options) *Controller {
	if o.AckTimeout <= 0 {
		o.AckTimeout = 10 * time.Second
	}
	if o.Resolve == nil {
		o.Resolve = lookUp
	}
	c := &Controller{
		opts: o, log: o.Log, clock: time.Now, forms: forms{written: 1, settles: formSettles},
		keyTurn: keyTurn{settles: max(leastSettle, o.BlindAfter)},
		inbox:   make(chan func()), stopped: make(chan struct{}),
		mirror: newMirror(), pictures: newPictures(), built: &compile.Built{}, refused: map[string]string{}, known: map[string]bool{},
		trials: map[string]*trial{}, silent: map[string]bool{}, opening: map[string]bool{}, kills: map[string]Kill{}, cuts: map[string]map[string]rollout.Cut{},
		journaling: map[string]int{}, turns: map[string]turn{}, failing: map[health.Target]int{},
		seen: map[string]int64{}, raisedAt: map[string]time.Time{},
		reports: map[string]lastReport{}, rates: map[versionID]*rate{}, postman: newPostman(), questions: map[string]*question{}, hookNames: map[string]bool{},
		names: newNames(), outliers: outliers{of: map[*upstream.Endpoint]health.Outlier{}}, slow: slowStart{since: map[*upstream.Endpoint]time.Time{}},
	}
	c.prober = health.NewProber(func(r health.Report) { c.post(func() { c.probed(r) }) })
	c.calls = call.NewClient(nil)
	c.view.Store(&View{Node: o.Node})
	return c
}

// View returns the newest picture of the state, at most a second old. It is never
// nil and must not be changed.
func (c *Controller) View() *View {
	if !c.read.Load() {
		c.read.Store(true)
	}
	return c.view.Load()
}

// Subscribe returns a channel of events and the function that ends it. Buffer
// is how many events may wait; beyond that they are dropped and counted.
func (c *Controller) Subscribe(buffer int) (<-chan Event, func()) { return c.hub.subscribe(buffer) }

// RecentEvents returns the last events of this process, at most 256, the oldest
// first.
func (c *Controller) RecentEvents() []Event { return c.hub.recent() }

// Loaded reports whether a first state, from etcd or from disk, is served, with
// the keys that sticky services need.
func (c *Controller) Loaded() bool { return c.view.Load().Store.Source != "" }

// Run follows the store until ctx ends. The node's journalled cuts and kills are in
// force before the first table is published. Run returns when every worker has
// ended and the evidence is saved.
func (c *Controller) Run(ctx context.Context) error {
	workCtx, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	c.workCtx = workCtx
	c.restoreCuts()
	c.restoreKills()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	updates := c.opts.Store.Updates()
	for {
		select {
		case <-ctx.Done():
			c.stop(stopWork)
			return nil
		case u, ok := <-updates:
			if !ok {
				updates = nil
				continue
			}
			c.update(u, c.clock())
		case f := <-c.inbox:
			f()
		case <-ticker.C:
			c.look(c.clock())
		}
	}
}

// stop ends what Run began: what is under way is awaited for a moment, and the
// evidence is saved, so that the next process goes on from here.
func (c *Controller) stop(stopWork context.CancelFunc) {
	close(c.stopped)
	for id, t := range c.trials {
		if t.ended.IsZero() {
			c.save(t, c.clock())
		} else if len(c.cuts[id]) == 0 {
			c.forget(id)
		}
	}
	timer := time.AfterFunc(2*time.Second, stopWork)
	defer timer.Stop()
	c.prober.Close()
	c.workers.Wait()
	c.calls.Close()
}

// post runs f on the Controller's goroutine, unless the Controller has ended.
func (c *Controller) post(f func()) { _ = c.postUntil(context.Background(), f) }

// postUntil is post for who does not wait beyond ctx. A nil error means that f
// runs.
func (c *Controller) postUntil(ctx context.Context, f func()) error {
	stir := func() {
		c.stirred++
		f()
	}
	select {
	case c.inbox <- stir:
		return nil
	case <-c.stopped:
		return refuse(Unavailable, "ask another node", "this node is stopping")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work runs f in a worker and what it returns, if anything, on the
// Controller's goroutine. It is called on the Controller's goroutine.
func (c *Controller) work(f func(ctx context.Context) func()) {
	c.workers.Go(func() {
		if after := f(c.workCtx); after != nil {
			c.post(after)
		}
	})
}
