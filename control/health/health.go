// Package health probes endpoints and reports what it finds. It decides only
// whether an endpoint is up; what follows from that is the Controller's.
package health

import (
	"context"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/proxy/upstream"
)

// Target is one endpoint to probe. Targets are compared by value.
type Target struct {
	Service, Version, Address string
}

// Report is the outcome of one probe.
type Report struct {
	Target

	Up       bool   // after this probe, with Fall and Rise applied
	Changed  bool   // Up is different from before
	Failures int    // consecutive failures, 0 after a success
	Reason   string // why the last probe failed; empty after a success
}

// Probe is how a target is probed.
type Probe struct {
	configs.Health
	Link upstream.Link // how connections to it are made
	Name string        // the Host that it is asked for, where Health has none; empty: its address
}

// Prober runs one loop for each target and hands every Report to the function
// it was made with, one at a time for each target, from the target's own
// goroutine. A target starts as up.
type Prober struct {
	report func(Report)

	mu struct {
		sync.Mutex
		loops map[Target]*loop
	}
	wg sync.WaitGroup
}

// loop probes one target.
type loop struct {
	target  Target
	probe   atomic.Pointer[Probe]
	changed chan struct{} // one that waits is enough
	cancel  context.CancelFunc
}

// NewProber returns a Prober without targets. Close it to end its loops.
func NewProber(report func(Report)) *Prober {
	p := &Prober{report: report}
	p.mu.loops = make(map[Target]*loop)
	return p
}

// Set makes targets the ones that are probed. One that stays keeps what is known
// of it; if it is probed in another way now, it is at once.
func (p *Prober) Set(targets map[Target]Probe) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for t, l := range p.mu.loops {
		if _, ok := targets[t]; !ok {
			l.cancel()
			delete(p.mu.loops, t)
		}
	}
	for t, probe := range targets {
		if l, ok := p.mu.loops[t]; ok {
			if !equal(probe, *l.probe.Load()) {
				l.probe.Store(&probe)
				select {
				case l.changed <- struct{}{}:
				default:
				}
			}
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		l := &loop{target: t, changed: make(chan struct{}, 1), cancel: cancel}
		l.probe.Store(&probe)
		p.mu.loops[t] = l
		p.wg.Go(func() { p.run(ctx, l) })
	}
}

// Close ends all loops and waits for them.
func (p *Prober) Close() {
	p.Set(nil)
	p.wg.Wait()
}

func (p *Prober) run(ctx context.Context, l *loop) {
	s := state{up: true}
	// The first probe comes at once, so that a dead candidate never gets users;
	// later ones are spread so that many endpoints are not probed in step.
	for {
		probe := l.probe.Load()
		reason := probe.ask(ctx, l.target)
		if ctx.Err() != nil {
			return
		}
		up, changed := s.observe(reason == "", probe.Health)
		p.report(Report{Target: l.target, Up: up, Changed: changed, Failures: s.failures, Reason: reason})
		wait := probe.Interval.Std()
		wait += time.Duration(rand.Int64N(int64(wait)/10 + 1))
		select {
		case <-ctx.Done():
			return
		case <-l.changed:
		case <-time.After(wait):
		}
	}
}

// state applies Fall and Rise to a row of probes.
type state struct {
	up        bool
	failures  int // consecutive
	successes int // consecutive
}

func (s *state) observe(ok bool, c configs.Health) (up, changed bool) {
	if ok {
		s.successes++
		s.failures = 0
	} else {
		s.failures++
		s.successes = 0
	}
	was := s.up
	switch {
	case s.up && s.failures >= c.Fall:
		s.up = false
	case !s.up && s.successes >= c.Rise:
		s.up = true
	}
	return s.up, s.up != was
}

func equal(a, b Probe) bool {
	statuses, links := slices.Equal(a.Status, b.Status), a.Link == b.Link
	a.Status, b.Status = nil, nil
	a.Link, b.Link = upstream.Link{}, upstream.Link{}
	return statuses && links && reflect.DeepEqual(a, b)
}
