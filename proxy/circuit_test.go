package proxy

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// repool gives a version of the world a policy. The first is stable.
func (w *world) repool(version int, policy upstream.Policy) *upstream.Pool {
	v := w.service.Versions[version]
	v.Pool = upstream.NewPool(v.Pool.Endpoints(), policy)
	return v.Pool
}

// TestCircuit_AtItsLimitIsTheVersionsErrorAndNobodyHelps: if stable took what a
// candidate has no room for, a candidate that is too slow would look good.
func TestCircuit_AtItsLimitIsTheVersionsErrorAndNobodyHelps(t *testing.T) {
	held, release := make(chan struct{}), make(chan struct{})
	slow := newUpstream(t, func(c *upConn) {
		for c.request() != "" {
			held <- struct{}{}
			<-release
			c.write(hello)
		}
	})
	w := newWorld(t, func(s *route.Service, _ *Options) {
		s.Rollout, s.Mixed = "r1", true
		labels := make(route.Labels, route.Buckets)
		for i := range labels {
			labels[i] = 1
		}
		s.Split = route.NewSplit(labels, 2)
	}, answering(t, hello), slow)
	w.repool(1, upstream.Policy{Requests: 1})
	first := w.dial()
	first.send(get)
	<-held
	second := w.dial()
	second.send(get)
	resp, _ := second.answer("GET")
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("X-Weir-Reason") != stats.Exhausted.String() {
		t.Errorf("beyond the limit: %d, reason %q", resp.StatusCode, resp.Header.Get("X-Weir-Reason"))
	}
	release <- struct{}{}
	first.expect(hello)
	if totals := w.totals(1); totals.Reasons[stats.Exhausted] != 1 || totals.Ended() != 2 || totals.Lanes[stats.Split] != 2 {
		t.Errorf("the candidate's reasons %v, lanes %v", totals.Reasons, totals.Lanes)
	}
	if totals := w.totals(0); totals.Begun() != 0 {
		t.Errorf("stable got %d requests", totals.Begun())
	}
}

func TestCircuit_NobodyUpIsTriedAllTheSame(t *testing.T) {
	w := newWorld(t, func(s *route.Service, _ *Options) { s.Rollout = "r1" }, answering(t, hello), answering(t, hello))
	pool := w.repool(0, upstream.Policy{LastResort: true})
	pool.Endpoints()[0].SetUp(false)
	c := w.dial()
	c.send(get)
	c.expect(hello)
	if totals := w.totals(0); totals.Lanes[stats.Split] != 1 || totals.Errors() != 0 {
		t.Errorf("lanes %v, errors %d", totals.Lanes, totals.Errors())
	}
	if totals := w.totals(1); totals.Begun() != 0 {
		t.Error("the other version got a request beyond its weight")
	}
}

func TestCredit_GatewayFailuresInARowAndNothingElseMakeSuspect(t *testing.T) {
	var answer atomic.Pointer[string]
	u := newUpstream(t, func(c *upConn) {
		for c.request() != "" {
			if *answer.Load() == "" {
				return
			}
			c.write(*answer.Load())
		}
	})
	w := newWorld(t, nil, u)
	pool := w.repool(0, upstream.Policy{Failures: 3})
	f := func(want bool, answers ...string) {
		t.Helper()
		for i := range answers {
			answer.Store(&answers[i])
			c := w.dial()
			c.send(get)
			c.answer("GET")
			c.Close()
			w.totals(0)
		}
		if _, suspect := pool.Endpoints()[0].Suspect(); suspect != want {
			t.Errorf("after %q: suspect %v", answers, suspect)
		}
		pool.Good(pool.Endpoints()[0])
	}
	status := func(line string) string { return "HTTP/1.1 " + line + "\r\nContent-Length: 0\r\n\r\n" }
	f(true, status("502 a"), status("503 b"), status("504 c"))
	f(true, "", "", "")
	f(true, "junk\r\n\r\n", "", status("503 b"))
	f(false, "", "", status("200 OK"), "")
	f(false, status("500 own"), status("500 own"), status("500 own"))
	f(false, status("404 own"), status("429 own"), status("501 own"))
	u.close()
	f(true, hello, hello, hello) // refused now
}

func TestCredit_OfACallIsWhatItsEndSays(t *testing.T) {
	f := func(method string, want bool) {
		t.Helper()
		w := newWorld(t, h2cService, newCalls(t, echo))
		pool := w.repool(0, upstream.Policy{Failures: 3})
		conn := w.dialGRPC()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for range 3 {
			_, _ = call(ctx, conn, method, "hello")
		}
		w.totals(0)
		if _, suspect := pool.Endpoints()[0].Suspect(); suspect != want {
			t.Errorf("after three calls that end with %s: suspect %v", method, suspect)
		}
	}
	f(codes.Unavailable.String(), true)
	f(codes.DeadlineExceeded.String(), true)
	f(codes.Internal.String(), false)
	f(codes.OK.String(), false)
}
