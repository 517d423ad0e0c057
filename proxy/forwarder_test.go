package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/access"
	"github.com/weirproxy/weir/proxy/route"
)

// forwarder is what the corpus is tried on, with the upstream behind it.
type forwarder struct {
	addr     string
	upstream *recorderUpstream
	log      *syncBuffer // nil: it keeps no log
	repeats  bool        // it may ask again for a good answer
	settle   func()      // waits until nothing is in flight
	idle     func() bool // weir has read and answered what it got; nil: that cannot be told
}

// recorderUpstream reads strictly and remembers.
type recorderUpstream struct {
	early bool // answers before it reads the body

	mu    sync.Mutex
	round int // of take
	seen  []message
	bad   []string
}

func (r *recorderUpstream) serve(c *upConn) {
	for {
		answered, round, at := false, 0, 0
		m, err := strictRequest(c.br, func(m *message) {
			r.mu.Lock()
			round, at = r.round, len(r.seen)
			r.seen = append(r.seen, *m)
			r.mu.Unlock()
			if answered = r.early; answered {
				c.write(okAnswer(m))
			}
		})
		if r.note(round, at, m, err); err != nil {
			c.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			return
		}
		if !answered {
			c.write(okAnswer(m))
		}
	}
}

// note completes what was noted at the head of m.
func (r *recorderUpstream) note(round, at int, m *message, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if bad, ok := err.(malformed); ok {
		r.bad = append(r.bad, bad.what)
	}
	if m != nil && round == r.round && at < len(r.seen) && r.seen[at].start == m.start {
		r.seen[at] = *m
	}
}

// complete is the number of whole requests since take.
func (r *recorderUpstream) complete() (n int) {
	if r == nil {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.seen {
		if r.seen[i].complete {
			n++
		}
	}
	return n
}

func okAnswer(m *message) string {
	body := "ok " + m.start[1]
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(body))
	if m.start[0] == "HEAD" {
		return head
	}
	return head + body
}

func (r *recorderUpstream) take() (seen []message, bad []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen, bad = r.seen, r.bad
	r.seen, r.bad = nil, nil
	r.round++
	return seen, bad
}

// result is what a client got.
type result struct {
	answers []message
	status  []int
	closed  bool
	wrong   string // the answers are not well-formed
}

// try sends a request in two parts, if split is inside it, and reads until the
// end, or until an answer is complete and nothing more comes.
func (f *forwarder) try(raw []byte, split int, mustClose bool) (r result, err error) {
	nc, err := net.Dial("tcp", f.addr)
	if err != nil {
		return r, err
	}
	defer nc.Close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		if _, err := nc.Write(raw[:split]); err != nil || split == len(raw) {
			return
		}
		time.Sleep(time.Millisecond)
		_, _ = nc.Write(raw[split:])
	}()
	method, _, _ := strings.Cut(string(raw), " ")
	var got []byte
	buf := make([]byte, 64<<10)
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		_ = nc.SetReadDeadline(time.Now().Add(80 * time.Millisecond))
		n, err := nc.Read(buf)
		got = append(got, buf[:n]...)
		if r.closed = err != nil && !isTimeout(err); r.closed {
			break
		}
		if err != nil && !mustClose && (f.idle == nil || f.idle()) {
			if n := len(readAnswers(got, method).answers); n > 0 && n >= f.upstream.complete() {
				break
			}
		}
	}
	closed := r.closed
	r = readAnswers(got, method)
	r.closed = closed
	nc.Close()
	<-sent
	return r, nil
}

// readAnswers reads what a client got. All answers are taken for ones to the
// same method.
func readAnswers(got []byte, method string) (r result) {
	br := bufio.NewReader(bytes.NewReader(got))
	for {
		if _, err := br.Peek(1); err != nil {
			return r
		}
		m, err := strictAnswer(br, method)
		if err != nil {
			if bad, ok := err.(malformed); ok {
				r.wrong = bad.what
			}
			return r
		}
		if status := int(m.start[1][0]-'0')*100 + int(m.start[1][1]-'0')*10 + int(m.start[1][2]-'0'); status >= 200 {
			r.answers, r.status = append(r.answers, *m), append(r.status, status)
		}
	}
}

// newForwarder is weir in front of a strict upstream.
func newForwarder(t *testing.T, early bool) *forwarder {
	r := &recorderUpstream{early: early}
	f := &forwarder{upstream: r, log: new(syncBuffer)}
	log := newAccessLog(t, access.Options{Output: f.log})
	w := newWorld(t, func(s *route.Service, o *Options) {
		o.Access = log
		o.HeadTimeout, o.BodyTimeout = time.Second, time.Second
	}, newUpstream(t, r.serve))
	f.addr = w.addr
	f.idle = func() bool {
		w.server.mu.Lock()
		defer w.server.mu.Unlock()
		for c := range w.server.conns {
			if c.unread() || c.active.Load() {
				return false
			}
		}
		return true
	}
	f.settle = func() {
		for range 500 {
			if w.server.Connections() == 0 && w.service.Versions[0].Pool.Endpoints()[0].InFlight() == 0 {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	return f
}
