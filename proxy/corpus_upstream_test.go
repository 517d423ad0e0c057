package proxy

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
)

// hostileUpstream gives one hostile answer on its first connection after arm,
// and good ones on all others.
type hostileUpstream struct {
	next   atomic.Pointer[trial]
	reused atomic.Int64 // requests on the connection of a hostile answer, after it
}

func (h *hostileUpstream) serve(c *upConn) {
	hostile := false
	for {
		m, err := strictRequest(c.br, func(*message) {})
		if err != nil {
			return
		}
		tr := h.next.Load()
		if tr == nil || m.start[1] != "/c/"+tr.c.ID || !h.next.CompareAndSwap(tr, nil) {
			if hostile {
				h.reused.Add(1)
			}
			c.write(okAnswer(m))
			continue
		}
		hostile = true
		answer := unbase64(tr.c.Raw)
		split := min(tr.split, len(answer))
		c.write(string(answer[:split]))
		if split < len(answer) {
			time.Sleep(time.Millisecond)
			c.write(string(answer[split:]))
		}
		if tr.c.Ends {
			return
		}
	}
}

// checkAnswer returns what is wrong with what clients get of a hostile answer.
func (f *forwarder) checkAnswer(h *hostileUpstream, tr trial) (wrong []string) {
	failf := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	method := tr.c.Method
	if method == "" {
		method = "GET"
	}
	h.next.Store(&tr)
	h.reused.Store(0)
	raw := []byte(method + " /c/" + tr.c.ID + " HTTP/1.1\r\nHost: edge.test\r\n\r\n")
	r, err := f.try(raw, len(raw), false)
	if err != nil {
		return []string{err.Error()}
	}
	first := 0
	if len(r.status) > 0 {
		first = r.status[0]
	}
	switch {
	case r.wrong != "":
		failf("the client got %s", r.wrong)
	case len(r.status) > 1:
		failf("%d answers", len(r.status))
	case first == 0 && !r.closed:
		failf("hang")
	case first == 0 && tr.c.Want == "forward":
		failf("cut off")
	case first == 0:
		// The message is visibly not whole.
	case len(tr.c.Status) > 0 && !slices.Contains(tr.c.Status, first), len(tr.c.Status) == 0 && first != 200:
		failf("status %d", first)
	case first == 200 && tr.c.Gets != nil && !bytes.Equal(r.answers[0].body, unbase64(*tr.c.Gets)):
		failf("body %.40q", r.answers[0].body)
	}
	f.settle()
	wrong = append(wrong, f.checkVictims(tr.c.ID)...)
	if h.reused.Load() > 0 && !tr.c.Reuse {
		failf("the connection was used again")
	}
	return wrong
}

func TestCorpus_HostileAnswersReachNobodyElse(t *testing.T) {
	all := trials(loadCorpus(t, "testdata/upstream.json"))
	next := make(chan trial)
	var wg sync.WaitGroup
	for range 16 {
		h := new(hostileUpstream)
		w := newWorld(t, func(s *route.Service, _ *Options) {
			s.Timeout, s.IdleTimeout = 700*time.Millisecond, 700*time.Millisecond
		}, newUpstream(t, h.serve))
		f := &forwarder{addr: w.addr, settle: func() {
			for range 500 {
				if w.service.Versions[0].Pool.Endpoints()[0].InFlight() == 0 {
					return
				}
				time.Sleep(time.Millisecond)
			}
		}}
		wg.Add(1)
		go func() {
			defer wg.Done()
			for tr := range next {
				if wrong := f.checkAnswer(h, tr); len(wrong) > 0 {
					t.Errorf("%s split at %d: %s", tr.c.ID, tr.split, strings.Join(wrong, "; "))
				}
			}
		}()
	}
	for _, tr := range all {
		next <- tr
	}
	close(next)
	wg.Wait()
	t.Logf("%d trials", len(all))
}
