package proxy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
)

func TestServer_CloseDoesNotWaitForRequestsBeingServed(t *testing.T) {
	end, large := make(chan struct{}), strings.Repeat("x", 8<<20)
	u := newUpstream(t, func(c *upConn) {
		if strings.HasPrefix(c.request(), "GET /large ") {
			c.write(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(large), large))
		}
		<-end // never answers
	})
	w := newWorld(t, func(s *route.Service, _ *Options) { s.Timeout, s.IdleTimeout = time.Minute, time.Minute }, u)
	defer close(end)
	waiting, full := w.dial(), w.dial()
	waiting.send(get)
	full.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n") // and takes nothing of the answer
	waitUntil(t, "both requests are in flight", func() bool { return w.service.Versions[0].Pool.Endpoints()[0].InFlight() == 2 })
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		w.server.Close()
	}()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Fatal("Close waits for the requests")
	}
	waiting.expectEnd()
	waitUntil(t, "the connections end", func() bool { return w.server.Connections() == 0 })
}

// TestServer_RequestsThatComeDuringAnotherAreNotLost sends what follows, whole or
// in pieces, while a request is served in the very read that brought it.
func TestServer_RequestsThatComeDuringAnotherAreNotLost(t *testing.T) {
	arrived, answer := make(chan struct{}), make(chan struct{})
	u := newUpstream(t, func(c *upConn) {
		for c.request() != "" {
			arrived <- struct{}{}
			<-answer
			c.write(hello)
		}
	})
	w := newWorld(t, func(s *route.Service, _ *Options) { s.Timeout = 20 * time.Second }, u)
	const body = "POST /path HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 2\r\n\r\nhi"
	for _, next := range []struct{ during, after string }{
		{get, ""}, {get[:9], get[9:]}, {get, get}, {body, get}, {get + get, ""},
		{get + body[:20], body[20:]}, {body[:len(body)-1], body[len(body)-1:]}, {"\r\n" + get, "\r\n" + get},
	} {
		c := w.dial()
		c.send(get)
		<-arrived
		c.send(next.during)
		answer <- struct{}{}
		c.expect(hello)
		if next.after != "" {
			c.send(next.after)
		}
		for range strings.Count(next.during+next.after, "HTTP/1.1") {
			<-arrived
			answer <- struct{}{}
			c.expect(hello)
		}
		c.Close()
	}
}
