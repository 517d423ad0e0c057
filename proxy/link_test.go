package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// secure makes the first endpoint of the world one with TLS.
func (w *world) secure(files upstream.TLSFiles, name, address string, h2 bool) *upstream.Endpoint {
	link := upstream.Link{TLS: w.registry.TLS(files), Name: name, H2: h2}
	e := w.registry.Get(upstream.Identity{Service: "shop", Version: "a", Address: address, Link: link})
	w.service.Versions[0].Pool = upstream.NewPool([]*upstream.Endpoint{e}, upstream.Policy{})
	return e
}

// serveTLS serves h with a certificate for shop.internal, and asks clients for
// theirs.
func serveTLS(t *testing.T, a *authority, h http.Handler, h2 bool) (address string) {
	t.Helper()
	pair := a.pair("endpoint", "shop.internal")
	cert, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	authorities := x509.NewCertPool()
	authorities.AddCert(a.cert)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{cert}, ClientCAs: authorities, ClientAuth: tls.VerifyClientCertIfGiven,
	}, Protocols: new(http.Protocols), ErrorLog: nil}
	s.Protocols.SetHTTP1(!h2)
	s.Protocols.SetHTTP2(h2)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.ServeTLS(ln, "", "")
	}()
	t.Cleanup(func() {
		s.Close()
		<-done
	})
	return ln.Addr().String()
}

// reflecting answers with what it saw.
var reflecting = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	rw.Header().Set("X-Seen", strings.Join([]string{r.Proto, r.TLS.ServerName, r.Host}, " "))
	if certs := r.TLS.PeerCertificates; len(certs) > 0 {
		rw.Header().Set("X-Peer", certs[0].Subject.CommonName)
	}
	_, _ = rw.Write(body)
})

func TestLink_RequestsPassByTLSInBothProtocols(t *testing.T) {
	a := newAuthority(t)
	own := a.pair("weir", "weir.edge")
	files := upstream.TLSFiles{CA: a.dir + "/ca.pem", Cert: own.Cert, Key: own.Key}
	f := func(h2 bool, proto string) {
		t.Helper()
		address := serveTLS(t, a, reflecting, h2)
		w := newWorld(t, func(s *route.Service, _ *Options) {
			if h2 {
				s.Protocol = route.H2
			}
		}, answering(t, hello))
		e := w.secure(files, "shop.internal", address, h2)
		c := w.dial()
		for range 3 {
			c.send("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody")
			resp, body := c.answer("POST")
			if resp.StatusCode != 200 || body != "body" || resp.Header.Get("X-Seen") != proto+" shop.internal h" || resp.Header.Get("X-Peer") != "weir.edge" {
				t.Errorf("%s: %d, %q, seen %q by %q", proto, resp.StatusCode, body, resp.Header.Get("X-Seen"), resp.Header.Get("X-Peer"))
			}
		}
		large := strings.Repeat("x", 1<<20)
		c.send("POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1048576\r\n\r\n" + large)
		if _, body := c.answer("POST"); body != large {
			t.Errorf("%s: %d bytes came back", proto, len(body))
		}
		if n := e.Connections(); !h2 && n != 1 {
			t.Errorf("%s: %d connections, want one that is used again", proto, n)
		}
		if totals := w.totals(0); totals.Errors() != 0 || totals.Ended() != 4 {
			t.Errorf("%s: %d errors of %d", proto, totals.Errors(), totals.Ended())
		}
	}
	f(false, "HTTP/1.1")
	f(true, "HTTP/2.0")
}

func TestLink_AStrangersCertificateIsNoConnection(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	for _, h2 := range []bool{false, true} {
		address := serveTLS(t, a, reflecting, h2)
		w := newWorld(t, func(s *route.Service, _ *Options) {
			if h2 {
				s.Protocol = route.H2
			}
		}, answering(t, hello))
		w.secure(upstream.TLSFiles{CA: stranger.dir + "/ca.pem"}, "shop.internal", address, h2)
		fFails(t, w, get, 502, stats.Connect)
	}
}
