package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/upstream"
)

// hostileUpstream gives one hostile answer on its first connection after arm,
// and good ones on all others.
type hostileUpstream struct {
	next   atomic.Pointer[trial]
	reused atomic.Int64 // requests on the connection of a hostile answer, after it
	kept   atomic.Int64 // hostile answers on a connection that had carried others
	given  atomic.Int64 // hostile answers in all
}

func (h *hostileUpstream) serve(c *upConn) {
	hostile := false
	for before := 0; ; before++ {
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
		h.given.Add(1)
		h.kept.Add(int64(min(before, 1)))
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
	case f.repeats && first == 200 && (method == "HEAD" || string(r.answers[0].body) == "ok /c/"+tr.c.ID):
		// Another attempt brought a good answer.
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

// answerMode is how hostile answers reach the forwarder.
type answerMode struct {
	name    string
	kept    bool // on a connection that has carried other requests, not on a new one
	repeats bool // with retries
}

// newAnswerTrial is weir in front of a hostile upstream. before is to be called
// before each trial.
func newAnswerTrial(t *testing.T, mode answerMode, limit time.Duration) (h *hostileUpstream, f *forwarder, before func()) {
	h = new(hostileUpstream)
	w := newWorld(t, func(s *route.Service, _ *Options) {
		s.Timeout, s.IdleTimeout = limit, limit
		if mode.repeats {
			s.Versions[0].Budget = new(upstream.Budget)
			s.SetReplays(route.Retry{Attempts: 2, Connect: true, Reset: true, Status: route.Statuses(500, 502, 503)}, false, nil)
		}
	}, newUpstream(t, h.serve))
	endpoint := w.service.Versions[0].Pool.Endpoints()[0]
	f = &forwarder{addr: w.addr, repeats: mode.repeats, settle: func() {
		for range 5000 {
			if endpoint.InFlight() == 0 {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}}
	if mode.kept {
		return h, f, func() { _ = f.checkVictims("before") } // what it gets is looked at after the trial
	}
	return h, f, endpoint.CloseIdle
}

func TestCorpus_HostileAnswersReachNobodyElse(t *testing.T) {
	all := trials(loadCorpus(t, "testdata/upstream.json"))
	// Silent endpoints are waited for this long. Others may be slow on a machine
	// that is busy with other tests, but not in a run of the corpus alone.
	limit := 3 * time.Second
	if os.Getenv("WEIR_CORPUS") == "full" {
		limit = 700 * time.Millisecond
	}
	for _, mode := range []answerMode{{name: "new connection"}, {name: "kept connection", kept: true}, {name: "kept connection, retries", kept: true, repeats: true}} {
		t.Run(mode.name, func(t *testing.T) {
			next := make(chan trial)
			var kept, given atomic.Int64
			var wg sync.WaitGroup
			for range 16 {
				h, f, before := newAnswerTrial(t, mode, limit)
				wg.Go(func() {
					for tr := range next {
						before()
						if wrong := f.checkAnswer(h, tr); len(wrong) > 0 {
							t.Errorf("%s split at %d: %s", tr.c.ID, tr.split, strings.Join(wrong, "; "))
						}
					}
					kept.Add(h.kept.Load())
					given.Add(h.given.Load())
				})
			}
			for _, tr := range all {
				next <- tr
			}
			close(next)
			wg.Wait()
			t.Logf("%d trials, %d on kept connections", len(all), kept.Load())
			if given.Load() != int64(len(all)) || !mode.kept && kept.Load() > 0 || mode.kept && kept.Load() < given.Load()/2 {
				t.Errorf("%d of %d hostile answers were given, %d on kept connections", given.Load(), len(all), kept.Load())
			}
		})
	}
}

// TestCorpus_FindsAForwarderThatBelievesAnswers is the positive control: a
// forwarder that believes the first Content-Length, and keeps its connection.
func TestCorpus_FindsAForwarderThatBelievesAnswers(t *testing.T) {
	h := new(hostileUpstream)
	b := &believer{addr: newUpstream(t, h.serve).ln.Addr().String()}
	t.Cleanup(b.close)
	f := &forwarder{addr: newUpstream(t, b.serve).ln.Addr().String(), settle: func() {}}
	tried, found, poisoned := 0, 0, 0
	for _, tr := range framingTrials(t) {
		tried++
		wrong := strings.Join(f.checkAnswer(h, tr), "; ")
		if wrong != "" {
			found++
		}
		if strings.Contains(wrong, "victim") {
			poisoned++
		}
		b.close() // each trial by itself
	}
	t.Logf("%d of %d found, victims in %d", found, tried, poisoned)
	if found < tried/2 || poisoned == 0 {
		t.Errorf("a broken forwarder fails in %d of %d cases, and gives others' bytes in %d", found, tried, poisoned)
	}
}

// framingTrials are the whole cases on framing that do not make the control wait.
func framingTrials(t *testing.T) (all []trial) {
	for _, tr := range trials(loadCorpus(t, "testdata/upstream.json")) {
		if tr.c.Class == "framing" && tr.split > 300 && tr.c.Want == "reject" {
			all = append(all, tr)
		}
	}
	return all
}

// believer is a forwarder with one connection to its upstream, for all clients.
type believer struct {
	addr string
	mu   sync.Mutex
	up   *upConn // nil: none
}

func (b *believer) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.up != nil {
		b.up.Close()
		b.up = nil
	}
}

func (b *believer) serve(c *upConn) {
	if head := c.head(); head != "" && !b.relay(c, head) {
		b.close()
	}
}

// relay passes the head on and one answer back, of as many bytes as its first
// Content-Length says.
func (b *believer) relay(c *upConn, head string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.up == nil {
		nc, err := net.Dial("tcp", b.addr)
		if err != nil {
			return false
		}
		b.up = &upConn{Conn: nc, br: bufio.NewReader(nc)}
	}
	_ = b.up.SetDeadline(time.Now().Add(5 * time.Second))
	b.up.write(head)
	answer := b.up.head()
	length := 0
	if _, after, ok := strings.Cut(answer, "Content-Length: "); ok {
		_, _ = fmt.Sscan(after, &length)
	}
	body := make([]byte, min(max(length, 0), 1<<20))
	n, err := io.ReadFull(b.up.br, body)
	c.write(answer + string(body[:n]))
	return answer != "" && err == nil
}
