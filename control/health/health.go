// Package health probes endpoints and reports what it finds. It decides only
// whether an endpoint is up; what follows from that is the Controller's.
package health

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/weirproxy/weir/configs"
)

// maxAnswer bounds what a probe reads of an answer, so that a hostile or
// broken endpoint costs no memory.
const maxAnswer = 64 << 10

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

// Prober runs one loop for each target and hands every Report to the function
// it was made with, one at a time for each target, from the target's own
// goroutine. A target starts as up.
type Prober struct {
	report func(Report)
	client *http.Client

	mu struct {
		sync.Mutex
		loops map[Target]loop
	}
	wg sync.WaitGroup
}

type loop struct {
	config configs.Health
	cancel context.CancelFunc
}

// NewProber returns a Prober without targets. Close it to end its loops.
func NewProber(report func(Report)) *Prober {
	p := &Prober{
		report: report,
		client: &http.Client{
			Transport: &http.Transport{
				DisableKeepAlives:      true, // a probe tests the connect too
				DialContext:            (&net.Dialer{}).DialContext,
				MaxResponseHeaderBytes: maxAnswer,
			},
			// A redirect is an answer, not an order to look elsewhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	p.mu.loops = make(map[Target]loop)
	return p
}

// Set makes targets the ones that are probed. Loops of targets that stay with
// the same configuration go on undisturbed.
func (p *Prober) Set(targets map[Target]configs.Health) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for t, l := range p.mu.loops {
		if c, ok := targets[t]; !ok || !equal(c, l.config) {
			l.cancel()
			delete(p.mu.loops, t)
		}
	}
	for t, c := range targets {
		if _, ok := p.mu.loops[t]; ok {
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		p.mu.loops[t] = loop{config: c, cancel: cancel}
		p.wg.Go(func() { p.run(ctx, t, c) })
	}
}

// Close ends all loops and waits for them.
func (p *Prober) Close() {
	p.Set(nil)
	p.wg.Wait()
	p.client.CloseIdleConnections()
}

func (p *Prober) run(ctx context.Context, t Target, c configs.Health) {
	s := state{up: true}
	// The first probe comes at once, so that a dead candidate never gets users;
	// later ones are spread so that many endpoints are not probed in step.
	for {
		reason := p.probe(ctx, t, c)
		if ctx.Err() != nil {
			return
		}
		up, changed := s.observe(reason == "", c)
		p.report(Report{Target: t, Up: up, Changed: changed, Failures: s.failures, Reason: reason})
		wait := c.Interval.Std()
		wait += time.Duration(rand.Int64N(int64(wait)/10 + 1))
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// probe returns why the endpoint failed, or nothing.
func (p *Prober) probe(ctx context.Context, t Target, c configs.Health) string {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout.Std())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+t.Address+c.Path, nil)
	if err != nil {
		return err.Error()
	}
	req.Header.Set("User-Agent", "weir-health")
	if c.Host != "" {
		req.Host = c.Host
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer)
	good := resp.StatusCode/100 == 2
	if len(c.Status) > 0 {
		good = slices.Contains(c.Status, resp.StatusCode)
	}
	if !good {
		return fmt.Sprintf("answered %s", resp.Status)
	}
	return ""
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

func equal(a, b configs.Health) bool {
	return a.Path == b.Path && a.Interval == b.Interval && a.Timeout == b.Timeout && a.Fall == b.Fall &&
		a.Rise == b.Rise && a.Host == b.Host && slices.Equal(a.Status, b.Status)
}
