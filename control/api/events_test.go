package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/api/apitest"
	"github.com/weirproxy/weir/control/rollout"
)

// serve runs the bench's handler on a loopback port. stop ends it and waits.
func (b *bench) serve() (base string, stop func()) {
	b.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- api.Serve(ctx, l, b.handler) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("Serve: %v", err)
		}
	}
	b.t.Cleanup(stop)
	return "http://" + l.Addr().String(), stop
}

// stream is a reader of events.
type stream struct {
	t     *testing.T
	lines *bufio.Reader
	body  interface{ Close() error }
}

func (b *bench) follow(base, query string, headers ...string) *stream {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	b.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, "GET", base+"/v1/events"+query, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = resp.Body.Close() })
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != 200 || ct != "text/event-stream" {
		b.t.Fatalf("%d %q", resp.StatusCode, ct)
	}
	return &stream{b.t, bufio.NewReader(resp.Body), resp.Body}
}

// next is the next message that has data: its fields by name.
func (s *stream) next() map[string]string {
	s.t.Helper()
	m := map[string]string{}
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			s.t.Fatalf("the stream ended: %v", err)
		}
		line = strings.TrimSuffix(line, "\n")
		if line == "" {
			if m["data"] != "" {
				return m
			}
			m = map[string]string{}
			continue
		}
		if name, value, ok := strings.Cut(line, ": "); ok && name != "" {
			m[name] = value
		}
	}
}

func TestEvents_AreDeliveredWithIDsAndFiltered(t *testing.T) {
	b := newBench(t)
	base, _ := b.serve()
	all, cart := b.follow(base, ""), b.follow(base, "?service=cart")

	v := apitest.Broken().Verdict
	b.control.Publish(control.Event{Kind: "rollout", Service: "shop", Rollout: "shop-7", Phase: rollout.RolledBack, Text: "put back", Verdict: v})
	b.control.Publish(control.Event{Kind: "service", Service: "cart", Text: "applied"})

	m := all.next()
	var e api.Event
	if err := json.Unmarshal([]byte(m["data"]), &e); err != nil {
		t.Fatal(err)
	}
	if m["id"] != "1" || m["event"] != "rollout" || e.Seq != 1 || e.Phase != rollout.RolledBack || e.Decision == nil || e.Decision.Verdict != analysis.Fail {
		t.Fatalf("%v: %+v", m, e)
	}
	if m := all.next(); m["id"] != "2" {
		t.Fatalf("%v", m)
	}
	if m := cart.next(); m["id"] != "2" || m["event"] != "service" {
		t.Fatalf("the filter let through %v", m)
	}
}

func TestEvents_AReaderThatComesBackIsToldToReadAnew(t *testing.T) {
	b := newBench(t)
	base, _ := b.serve()
	if m := b.follow(base, "", "Last-Event-ID: 41").next(); m["event"] != "missed" || !strings.Contains(m["data"], "41") {
		t.Fatalf("%v", m)
	}
	if m := b.follow(base, "", `Last-Event-ID: "}x`).next(); !json.Valid([]byte(m["data"])) {
		t.Fatalf("%v", m)
	}
}

func TestEvents_LossIsToldWhateverTheFilter(t *testing.T) {
	b := newBench(t)
	base, _ := b.serve()
	s := b.follow(base, "?service=cart")
	b.control.Publish(control.Event{Kind: "service", Service: "shop", Lost: 3})
	if m := s.next(); !strings.Contains(m["data"], `"lost":3`) {
		t.Fatalf("%v", m)
	}
}

func TestEvents_SubscriptionsEndWithTheirReaders(t *testing.T) {
	b := newBench(t)
	base, _ := b.serve()
	s := b.follow(base, "")
	if n := b.control.Subscribers(); n != 1 {
		t.Fatalf("%d subscribers", n)
	}
	_ = s.body.Close()
	for deadline := time.Now().Add(5 * time.Second); b.control.Subscribers() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the subscription outlives its reader")
		}
	}
}

func TestServe_EndsWithReadersOpen(t *testing.T) {
	b := newBench(t)
	base, stop := b.serve()
	b.follow(base, "")
	begin := time.Now()
	stop()
	if took := time.Since(begin); took > 3*time.Second {
		t.Fatalf("a reader of events held the end up for %s", took)
	}
	if n := b.control.Subscribers(); n != 0 {
		t.Fatalf("%d subscribers are left", n)
	}
}

func TestServe_RefusesALargeHead(t *testing.T) {
	b := newBench(t)
	base, _ := b.serve()
	r, _ := http.NewRequest("GET", base+"/v1/nodes", nil)
	r.Header.Set("X-Large", strings.Repeat("x", 64<<10))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Fatalf("%d", resp.StatusCode)
	}
}
