package proxy

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/weirproxy/weir/proxy/route"
)

func edits(t testing.TB, set, add map[string]string, remove ...string) *route.Edits {
	t.Helper()
	e, err := route.NewEdits(set, add, remove)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEdit_RequestHeadIsChangedOnItsWayUp(t *testing.T) {
	heads := make(chan string, 1)
	u := newUpstream(t, func(c *upConn) {
		for head := c.request(); head != ""; head = c.request() {
			heads <- head
			c.write(hello)
		}
	})
	w := newWorld(t, nil, u)
	w.publish(&route.Route{Service: w.service, Request: edits(t,
		map[string]string{"X-Env": "prod", "User-Agent": "weir for ${client}"},
		map[string]string{"X-Tag": "${service}/${version} at ${endpoint} for ${host}"},
		"x-debug")})
	c := w.dial()
	c.send("GET / HTTP/1.1\r\nHost: shop.test\r\nx-env: forged\r\nuser-agent: old\r\nX-DEBUG: 1\r\nX-Tag: theirs\r\n\r\n")
	c.answer("GET")
	head := <-heads
	for _, want := range []string{
		"\r\nX-Env: prod\r\n", "\r\nUser-Agent: weir for 127.0.0.1\r\n", "\r\nX-Tag: theirs\r\n",
		"\r\nX-Tag: shop/a at " + u.ln.Addr().String() + " for shop.test\r\n",
	} {
		if strings.Count(head, want) != 1 {
			t.Errorf("want %q once in\n%s", want, head)
		}
	}
	for _, gone := range []string{"forged", "old", "DEBUG"} {
		if strings.Contains(head, gone) {
			t.Errorf("%q was not taken out of\n%s", gone, head)
		}
	}
}

func TestEdit_ResponseHeadIsChangedOnItsWayDown(t *testing.T) {
	u := answering(t, "HTTP/1.1 200 OK\r\nServer: secret/1.0\r\nX-Frame-Options: ALLOW\r\nSet-Cookie: a=1\r\nContent-Length: 2\r\n\r\nhi")
	w := newWorld(t, nil, u)
	w.publish(&route.Route{Service: w.service, Response: edits(t,
		map[string]string{"X-Frame-Options": "DENY"}, map[string]string{"Set-Cookie": "b=2", "X-Version": "${version}"}, "server")})
	c := w.dial()
	c.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
	resp, body := c.answer("GET")
	if h := resp.Header; h.Get("Server") != "" || len(h["X-Frame-Options"]) != 1 || h.Get("X-Frame-Options") != "DENY" ||
		strings.Join(h["Set-Cookie"], ",") != "a=1,b=2" || h.Get("X-Version") != "a" || body != "hi" {
		t.Errorf("got %v %q", resp.Header, body)
	}
}

// What the route says of caches in place of the endpoint is all that counts.
func TestEdit_CookieGoesWithAnAnswerThatIsPrivateByEdit(t *testing.T) {
	for value, want := range map[string]bool{"private, no-cache": true, "s-maxage=60": false} {
		shared := answering(t, "HTTP/1.1 200 OK\r\nCache-Control: public\r\nContent-Length: 2\r\n\r\nhi")
		w := newWorld(t, func(s *route.Service, _ *Options) { stickyByCookie(t, s) }, shared)
		w.publish(&route.Route{Service: w.service, Response: edits(t, map[string]string{"cache-control": value}, nil)})
		c := w.dial()
		c.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
		if resp, _ := c.answer("GET"); (len(resp.Cookies()) == 1) != want || resp.Header.Get("Cache-Control") != value {
			t.Errorf("Cache-Control: %s: %v", value, resp.Header)
		}
	}
}

// A cookie must never get into an answer that caches share, whoever lets them.
func TestEdit_SharedByEditKeepsTheCookieBack(t *testing.T) {
	for value, want := range map[string]bool{"public, max-age=60": false, "max-age=60": true} {
		w := newWorld(t, func(s *route.Service, _ *Options) { stickyByCookie(t, s) }, answering(t, hello))
		w.publish(&route.Route{Service: w.service, Response: edits(t, map[string]string{"Cache-Control": value}, nil)})
		c := w.dial()
		c.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
		if resp, _ := c.answer("GET"); (len(resp.Cookies()) == 1) != want {
			t.Errorf("Cache-Control: %s: cookies %v", value, resp.Cookies())
		}
	}
}

func TestEdit_OwnAnswersCarryWhatIsPutInButTheirContent(t *testing.T) {
	w := newWorld(t, nil, newUpstream(t, func(c *upConn) { c.reset() }))
	w.publish(&route.Route{Service: w.service, Response: edits(t,
		map[string]string{"Strict-Transport-Security": "max-age=60", "Content-Type": "text/html"}, nil)})
	c := w.dial()
	c.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
	resp, _ := c.answer("GET")
	if resp.StatusCode != 502 || resp.Header.Get("Strict-Transport-Security") != "max-age=60" || len(resp.Header["Content-Type"]) != 1 ||
		!strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain") {
		t.Errorf("got %d %v", resp.StatusCode, resp.Header)
	}
}

func TestPages_BodyOfServiceThenNodeThenText(t *testing.T) {
	pages := func(p map[string]route.Page) *route.Pages {
		made, err := route.NewPages(p)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	w := newWorld(t, func(s *route.Service, o *Options) {
		s.Pages = pages(map[string]route.Page{"502": {ContentType: "text/html", Body: []byte("<p>shop is resting</p>")}})
		o.Pages = pages(map[string]route.Page{"4xx": {ContentType: "application/json", Body: []byte(`{"error":1}`)}})
	}, newUpstream(t, func(c *upConn) { c.reset() }))
	for _, tc := range []struct{ request, status, kind, body string }{
		{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "502", "text/html", "<p>shop is resting</p>"},
		{"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "502", "text/html", ""},
		{"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", "400", "application/json", `{"error":1}`},
		{"GET\r\n\r\n", "400", "application/json", `{"error":1}`},
		{"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505", "text/plain", "weir: HTTP Version Not Supported (version)\n"},
	} {
		c := w.dial()
		c.send(tc.request)
		method, _, _ := strings.Cut(tc.request, " ")
		resp, body := c.answer(method)
		if !strings.HasPrefix(resp.Status, tc.status) || !strings.HasPrefix(resp.Header.Get("Content-Type"), tc.kind) || body != tc.body {
			t.Errorf("%q: got %s %s %q", tc.request, resp.Status, resp.Header.Get("Content-Type"), body)
		}
		if resp.Header.Get("X-Weir-Reason") == "" {
			t.Errorf("%q: the reason is missing", tc.request)
		}
	}
}

func TestRedirect_PlaintextIsSentToTLS(t *testing.T) {
	for _, tc := range []struct{ name, port, request, status, to string }{
		{"get", "443", "GET /a%20b?c=d HTTP/1.1\r\nHost: shop.test:8080\r\n\r\n", "301", "https://shop.test/a%20b?c=d"},
		{"other port", "8443", "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n", "301", "https://shop.test:8443/"},
		{"address", "443", "HEAD / HTTP/1.1\r\nHost: [::1]\r\n\r\n", "301", "https://[::1]/"},
		{"address and port", "443", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", "301", "https://[::1]/"},
		{"post", "443", "POST /buy HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\n\r\n", "308", "https://shop.test/buy"},
		{"post with a body", "443", "POST /buy HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 3\r\n\r\nabc", "308", "https://shop.test/buy"},
		{"options", "443", "OPTIONS * HTTP/1.1\r\nHost: shop.test\r\n\r\n", "308", "https://shop.test/"},
		{"a stranger's word", "443", "GET / HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-Proto: https\r\n\r\n", "301", "https://shop.test/"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			u := answering(t, hello)
			w := newWorld(t, nil, u)
			w.publish(&route.Route{Service: w.service, HTTPS: tc.port})
			c := w.dial()
			c.send(tc.request)
			method, _, _ := strings.Cut(tc.request, " ")
			resp, _ := c.answer(method)
			if !strings.HasPrefix(resp.Status, tc.status) || resp.Header.Get("Location") != tc.to {
				t.Errorf("got %s to %q", resp.Status, resp.Header.Get("Location"))
			}
			if u.conns.Load() != 0 {
				t.Error("the request went to an endpoint")
			}
		})
	}
}

func TestRedirect_WhatCameByTLSIsServed(t *testing.T) {
	w := newWorld(t, func(_ *route.Service, o *Options) {
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}, answering(t, hello))
	w.publish(&route.Route{Service: w.service, HTTPS: "443"})
	c := w.dial()
	c.send("GET / HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-Proto: HTTPS, http\r\n\r\n")
	if resp, _ := c.answer("GET"); resp.StatusCode != 200 {
		t.Errorf("got %s, although a trusted proxy took it by TLS", resp.Status)
	}
	c.send("GET / HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-Proto: http\r\n\r\n")
	if resp, _ := c.answer("GET"); resp.StatusCode != 301 {
		t.Errorf("got %s, although a trusted proxy took it without TLS", resp.Status)
	}
}
