package proxy

import (
	"context"
	"crypto/tls"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

// shakeHands returns the state of a new TLS connection, and the connection
// after one exchange on it.
func shakeHands(t *testing.T, addr string, config *tls.Config) (tls.ConnectionState, *tls.Conn, error) {
	t.Helper()
	nc, err := tls.Dial("tcp", addr, config)
	if err != nil {
		return tls.ConnectionState{}, nil, err
	}
	t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(5 * time.Second))
	err = speak(nc)
	return nc.ConnectionState(), nc, err
}

func speak(nc *tls.Conn) error {
	if _, err := nc.Write([]byte("GET / HTTP/1.1\r\nHost: a.example.com\r\n\r\n")); err != nil {
		return err
	}
	var b [4096]byte
	total := 0
	for !strings.HasSuffix(string(b[:total]), "hello") {
		n, err := nc.Read(b[total:])
		if err != nil {
			return err
		}
		total += n
	}
	return nil
}

func TestTLS_ShowsTheCertificateOfTheName(t *testing.T) {
	a := newAuthority(t)
	certs, err := LoadTLS(TLSFiles{KeyPairs: []KeyPair{a.pair("one", "a.example.com"), a.pair("two", "b.example.com", "*.shop.example.com")}})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil, answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	addr := w.enter(Entry{TLS: certs})
	f := func(name, subject string) {
		t.Helper()
		config := a.client(name)
		config.InsecureSkipVerify = name == "" || subject != "" && name == "other.example.com"
		state, _, err := shakeHands(t, addr, config)
		if err != nil || state.PeerCertificates[0].Subject.CommonName != subject || state.NegotiatedProtocol != "" {
			t.Errorf("%q: got %v (%v), want %s", name, state.PeerCertificates, err, subject)
		}
	}

	f("a.example.com", "a.example.com")
	f("b.example.com", "b.example.com")
	f("eu.shop.example.com", "b.example.com")
	f("other.example.com", "a.example.com")
	f("", "a.example.com")
}

func TestTLS_RefusesWhatIsOldAndWhoIsUnknown(t *testing.T) {
	a := newAuthority(t)
	files := TLSFiles{KeyPairs: []KeyPair{a.pair("edge", "a.example.com")}, ClientCA: a.dir + "/ca.pem"}
	certs, err := LoadTLS(files)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil, answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	addr := w.enter(Entry{TLS: certs})
	f := func(change func(c *tls.Config), good bool) {
		t.Helper()
		config := a.client("a.example.com")
		pair := a.pair("client", "client.example.com")
		cert, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{cert}
		change(config)
		if _, _, err = shakeHands(t, addr, config); (err == nil) != good {
			t.Errorf("got %v, want good %v", err, good)
		}
	}

	f(func(*tls.Config) {}, true)
	f(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, true)
	f(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11; c.MinVersion = tls.VersionTLS10 }, false)
	f(func(c *tls.Config) {
		c.MaxVersion = tls.VersionTLS12
		c.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
	}, false)
	f(func(c *tls.Config) { c.Certificates = nil }, false)
	other := newAuthority(t).pair("client", "client.example.com")
	foreign, _ := tls.LoadX509KeyPair(other.Cert, other.Key)
	f(func(c *tls.Config) {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &foreign, nil }
	}, false)
	waitUntil(t, "the failed handshakes are counted", func() bool { return w.handler.rejections[BadHandshake].Load() == 4 })
}

func TestTLS_NewFilesAreUsedWithoutLosingConnectionsOrSessions(t *testing.T) {
	a := newAuthority(t)
	certs, err := LoadTLS(TLSFiles{KeyPairs: []KeyPair{a.pair("edge", "a.example.com")}})
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.InfoLevel)
	ctx, cancel := context.WithCancel(context.Background())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		certs.Watch(ctx, time.Millisecond, zap.New(core))
	}()
	defer func() { cancel(); <-watched }()
	w := newWorld(t, nil, answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	addr := w.enter(Entry{TLS: certs})
	config := a.client("a.example.com")
	config.ClientSessionCache = tls.NewLRUClientSessionCache(4)
	serial := func() (string, *tls.Conn, bool) {
		t.Helper()
		state, nc, err := shakeHands(t, addr, config)
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].SerialNumber.String(), nc, state.DidResume
	}

	before, old, _ := serial()
	if _, _, resumed := serial(); !resumed {
		t.Error("the session did not resume")
	}

	// A broken file is told once and changes nothing.
	good, err := os.ReadFile(a.dir + "/edge.key")
	if err != nil {
		t.Fatal(err)
	}
	a.write("edge.key", "PRIVATE KEY", []byte("broken"))
	waitUntil(t, "the broken file is logged", func() bool { return logs.FilterLevelExact(zap.ErrorLevel).Len() > 0 })
	time.Sleep(20 * time.Millisecond)
	if n := logs.FilterLevelExact(zap.ErrorLevel).Len(); n != 1 {
		t.Errorf("logged %d times", n)
	}
	if now, _, _ := serial(); now != before {
		t.Errorf("a broken file changed the certificate from %s to %s", before, now)
	}
	if err := os.WriteFile(a.dir+"/edge.key", good, 0o600); err != nil {
		t.Fatal(err)
	}

	a.pair("edge", "a.example.com")
	waitUntil(t, "the new files are logged", func() bool { return logs.FilterMessageSnippet("changed").Len() > 0 })
	if _, _, resumed := serial(); !resumed {
		t.Error("the session did not outlive the change")
	}
	config.ClientSessionCache = nil
	if now, _, _ := serial(); now == before {
		t.Error("the new certificate is not shown")
	}
	if err := speak(old); err != nil {
		t.Errorf("the connection from before: %v", err)
	}
	// The key that was broken and mended, and the new pair in two steps at most.
	time.Sleep(20 * time.Millisecond)
	if n := logs.FilterMessageSnippet("changed").Len(); n > 3 {
		t.Errorf("%d changes were logged", n)
	}
}

func TestTLS_FilesThatDoNotFitAreNamed(t *testing.T) {
	a := newAuthority(t)
	one, two := a.pair("one", "a.example.com"), a.pair("two", "b.example.com")
	f := func(files TLSFiles, want string) {
		t.Helper()
		if _, err := LoadTLS(files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}

	f(TLSFiles{}, "without a certificate")
	f(TLSFiles{KeyPairs: []KeyPair{{Cert: a.dir + "/none.crt", Key: one.Key}}}, "none.crt")
	f(TLSFiles{KeyPairs: []KeyPair{{Cert: one.Cert, Key: two.Key}}}, `two.key"`)
	f(TLSFiles{KeyPairs: []KeyPair{one}, ClientCA: one.Key}, `one.key"`)
}

func TestTLS_SlowHandshakeIsBounded(t *testing.T) {
	a := newAuthority(t)
	certs, err := LoadTLS(TLSFiles{KeyPairs: []KeyPair{a.pair("edge", "a.example.com")}})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil, answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	w.server.options.HandshakeTimeout = 50 * time.Millisecond
	w.addr = w.enter(Entry{TLS: certs})
	c := w.dial()
	c.send("\x16\x03\x01")
	start := time.Now()
	c.expectEnd()
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("held for %v", took)
	}
	waitUntil(t, "the failed handshake is counted", func() bool { return w.handler.rejections[BadHandshake].Load() == 1 })
}

func TestEntry_ProxyHeaderNamesTheClient(t *testing.T) {
	f := func(trusted bool, start, want string) {
		t.Helper()
		u := newUpstream(t, func(c *upConn) {
			for {
				request := c.request()
				if request == "" {
					return
				}
				c.write("HTTP/1.1 200 OK\r\nX-Saw: " + forwardedFor(request) + "\r\nContent-Length: 5\r\n\r\nhello")
			}
		})
		w := newWorld(t, nil, u)
		if trusted {
			w.server.options.TrustedProxies = prefixes("127.0.0.0/8")
			w.handler.options.TrustedProxies = prefixes("127.0.0.0/8")
		}
		w.addr = w.enter(Entry{ProxyProtocol: true})
		c := w.dial()
		c.send(start + "GET / HTTP/1.1\r\nHost: shop\r\nX-Forwarded-For: 198.51.100.99\r\n\r\n")
		if want == "" {
			c.expectEnd()
			return
		}
		resp, _ := c.answer("GET")
		if got := resp.Header.Get("X-Saw"); got != want && resp.Status != want {
			t.Errorf("%q: got %s, %q, want %q", start, resp.Status, got, want)
		}
	}

	f(true, "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", "192.0.2.1")
	f(true, "PROXY UNKNOWN\r\n", "198.51.100.99, 127.0.0.1")
	f(true, "", "") // a header is due
	f(false, "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", "505 HTTP Version Not Supported")
	f(false, "", "127.0.0.1")
}

func forwardedFor(request string) string {
	_, after, _ := strings.Cut(request, "X-Forwarded-For: ")
	value, _, _ := strings.Cut(after, "\r\n")
	return value
}

func prefixes(networks ...string) (out []netip.Prefix) {
	for _, n := range networks {
		out = append(out, netip.MustParsePrefix(n))
	}
	return out
}
