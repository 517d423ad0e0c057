package proxy

import (
	"testing"

	"github.com/weirproxy/weir/proxy/stats"
)

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

func TestForward_PassesRequestAndAnswerOnByteForByte(t *testing.T) {
	seen := make(chan string, 1)
	u := newUpstream(t, func(c *upConn) {
		for {
			r := c.request()
			if r == "" {
				return
			}
			seen <- r
			c.write("HTTP/1.1 200 Fine\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nx-lower: 1\r\nX-UPPER: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: a=2\r\nContent-Length: 5\r\nServer: s\r\n\r\nhello")
		}
	})
	w := newWorld(t, nil, u)
	c := w.dial()
	for range 3 {
		c.send("POST /a%2Fb//c?x=%41&y HTTP/1.1\r\nhOST: Shop.Test\r\nX-b: 1\r\nx-A: 2\r\nX-b: 3\r\nContent-Length: 3\r\n\r\nabc")
		c.expect("HTTP/1.1 200 Fine\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nx-lower: 1\r\nX-UPPER: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: a=2\r\nServer: s\r\nContent-Length: 5\r\n\r\nhello")
		want := "POST /a%2Fb//c?x=%41&y HTTP/1.1\r\nHost: Shop.Test\r\nX-b: 1\r\nx-A: 2\r\nX-b: 3\r\n" +
			"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: Shop.Test\r\nX-Forwarded-Port: " + port(w.addr) +
			"\r\nContent-Length: 3\r\n\r\nabc"
		if got := <-seen; got != want {
			t.Fatalf("upstream saw %q, want %q", got, want)
		}
	}
	if n := u.conns.Load(); n != 1 {
		t.Errorf("upstream connections %d, want 1", n)
	}
	if totals := w.totals(0); totals.Codes[200] != 3 || totals.Lanes[stats.Split] != 3 {
		t.Errorf("totals %+v", totals)
	}
}
