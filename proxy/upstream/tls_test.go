package upstream

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// encrypted is a listener with TLS whose certificate is for 127.0.0.1 and
// example.com, the connections it got, and the file of its authority.
func encrypted(t *testing.T, config *tls.Config) (address string, conns chan *tls.Conn, ca string) {
	t.Helper()
	s := httptest.NewTLSServer(nil) // for its certificate
	s.Close()
	if config == nil {
		config = new(tls.Config)
	}
	config.Certificates = s.TLS.Certificates
	ca = filepath.Join(t.TempDir(), "ca.pem")
	writePEM(t, ca, s.Certificate().Raw)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns = make(chan *tls.Conn, 100)
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				close(conns)
				return
			}
			c := tls.Server(nc, config)
			if c.Handshake() != nil {
				_ = nc.Close()
				continue
			}
			conns <- c
		}
	}()
	t.Cleanup(func() {
		ln.Close()
		for c := range conns {
			c.NetConn().Close()
		}
	})
	return ln.Addr().String(), conns, ca
}

func writePEM(t *testing.T, file string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLink_DialsOnlyWhomItKnows(t *testing.T) {
	address, _, ca := encrypted(t, nil)
	g := NewRegistry(Options{})
	f := func(link Link, want string) {
		t.Helper()
		nc, err := link.Dial(t.Context(), address)
		if err == nil {
			nc.Close()
		}
		if err != nil && (want == "" || !strings.Contains(err.Error(), want)) || err == nil && want != "" {
			t.Errorf("%+v: got %v, want %q", link, err, want)
		}
	}
	known := g.TLS(TLSFiles{CA: ca})
	f(Link{}, "")
	f(Link{TLS: known, Name: "example.com"}, "")
	f(Link{TLS: known, Name: "127.0.0.1"}, "")
	f(Link{TLS: known, Name: "other.test"}, "other.test")
	f(Link{TLS: g.TLS(TLSFiles{}), Name: "example.com"}, "unknown authority")
	f(Link{TLS: g.TLS(TLSFiles{Insecure: true}), Name: "other.test"}, "")
	f(Link{TLS: known, Name: "example.com", H2: true}, "HTTP/2")
	f(Link{TLS: g.TLS(TLSFiles{CA: ca + ".gone"}), Name: "example.com"}, "cannot read TLS file")
	f(Link{TLS: g.TLS(TLSFiles{CA: os.Args[0]}), Name: "example.com"}, "no certificate in PEM")
	f(Link{TLS: g.TLS(TLSFiles{Cert: ca, Key: ca}), Name: "example.com"}, "cannot use certificate")
	if g.TLS(TLSFiles{CA: ca}) != known {
		t.Error("equal files are read twice")
	}
}

func TestTLS_FilesAreReadAgainAndBrokenOnesLeaveTheOldInUse(t *testing.T) {
	_, _, ca := encrypted(t, nil)
	x := NewTLS(TLSFiles{CA: ca})
	now := time.Now()
	get := func(after time.Duration) *tls.Config {
		t.Helper()
		now = now.Add(after)
		config, err := x.base(now)
		if err != nil {
			t.Fatal(err)
		}
		return config
	}
	first := get(0)
	if err := os.WriteFile(ca, []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	if get(lookEvery-1) != first || x.Err() != nil {
		t.Error("the files are looked at too often")
	}
	if get(1) != first || x.Err() == nil {
		t.Errorf("a broken file is used, or not told: %v", x.Err())
	}
	_, _, other := encrypted(t, nil)
	content, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ca, append(content, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	if get(lookEvery) == first || x.Err() != nil {
		t.Errorf("a new file is not used: %v", x.Err())
	}
}

func TestTLS_FilesThatComeLateAreUsed(t *testing.T) {
	_, _, ca := encrypted(t, nil)
	late := ca + ".late"
	x := NewTLS(TLSFiles{CA: late})
	now := time.Now()
	if _, err := x.base(now); err == nil {
		t.Fatal("files that are not there are used")
	}
	if err := os.Rename(ca, late); err != nil {
		t.Fatal(err)
	}
	if _, err := x.base(now.Add(lookEvery)); err != nil {
		t.Fatal(err)
	}
}

// TestConn_AliveSeesWhatWasDecryptedToo: bytes behind an answer, in one record
// with it, show in no socket.
func TestConn_AliveSeesWhatWasDecryptedToo(t *testing.T) {
	address, conns, ca := encrypted(t, nil)
	g := NewRegistry(Options{})
	defer g.Close()
	e := g.Get(Identity{Service: "s", Version: "v", Address: address, Link: Link{TLS: g.TLS(TLSFiles{CA: ca}), Name: "example.com"}})
	f := func(what string, want bool, do func(c *tls.Conn)) {
		t.Helper()
		c := acquire(t, e)
		defer func() { c.Close() }()
		server := <-conns
		defer server.NetConn().Close()
		_, _ = io.WriteString(c, "ask")
		ask := make([]byte, 3)
		if _, err := io.ReadFull(server, ask); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(server, "answer")
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.ReadFull(c.Reader, make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
		c.Release()
		if c = acquire(t, e); !c.Reused {
			t.Fatalf("%s: another connection", what)
		}
		do(server)
		for range 2000 { // what was done takes a moment to arrive
			if c.Alive() == want {
				break
			}
			time.Sleep(time.Millisecond)
		}
		if got := c.Alive(); got != want {
			t.Errorf("%s: alive %v, want %v", what, got, want)
		}
		if want {
			_, _ = io.WriteString(c, "ask")
			if _, err := io.ReadFull(server, ask); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	f("silent", true, func(*tls.Conn) {})
	f("ended", false, func(c *tls.Conn) { c.Close() })
	f("gone", false, func(c *tls.Conn) { c.NetConn().Close() })
	f("speaking", false, func(c *tls.Conn) { _, _ = io.WriteString(c, "x") })

	c := acquire(t, e)
	defer c.Close()
	server := <-conns
	_, _ = io.WriteString(server, "answer and more")
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(c.Conn, make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	if c.Alive() {
		t.Error("bytes that were decrypted with the answer are not seen")
	}
}

func TestEndpoint_IsAnotherOneOverAnotherLink(t *testing.T) {
	g := NewRegistry(Options{})
	defer g.Close()
	plain := g.Endpoint("s", "v", "127.0.0.1:1")
	secure := g.Get(Identity{Service: "s", Version: "v", Address: "127.0.0.1:1", Link: Link{TLS: g.TLS(TLSFiles{}), Name: "a"}})
	if plain == secure || plain.Scheme() != "http" || secure.Scheme() != "https" {
		t.Error("connections with and without TLS are mixed")
	}
	g.Retain(func(e *Endpoint) bool { return e == plain })
	if len(g.tls) != 0 {
		t.Error("a TLS that nobody uses is kept")
	}
}

func TestLink_HandshakeIsBounded(t *testing.T) {
	ln, _ := accepting(t) // accepts and says nothing
	g := NewRegistry(Options{ConnectTimeout: 50 * time.Millisecond})
	defer g.Close()
	e := g.Get(Identity{Service: "s", Version: "v", Address: ln.Addr().String(), Link: Link{TLS: g.TLS(TLSFiles{}), Name: "a"}})
	done := make(chan error, 1)
	go func() {
		_, err := e.Acquire(0)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil {
			t.Error("there is a connection without a handshake")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the handshake is waited for")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := e.Link.Dial(ctx, e.Address); err == nil {
		t.Error("a dial outlives its context")
	}
}
