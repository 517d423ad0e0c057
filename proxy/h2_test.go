package proxy

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs the certificates of a test.
type authority struct {
	t    testing.TB
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	n    int64
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), n: 1}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a.key = key
	a.cert, _ = x509.ParseCertificate(der)
	a.write("ca.pem", "CERTIFICATE", der)
	return a
}

func (a *authority) write(name, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	// As a deployment does it: the file is whole whenever it is there.
	if err := os.WriteFile(path+".new", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// pair writes a certificate for the names, and its key, into files called file.
func (a *authority) pair(file string, names ...string) KeyPair {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.n++
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(a.n), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return KeyPair{Cert: a.write(file+".crt", "CERTIFICATE", der), Key: a.write(file+".key", "PRIVATE KEY", private)}
}

// client is what a client of the authority's servers begins with.
func (a *authority) client(name string, protocols ...string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool, ServerName: name, NextProtos: protocols}
}

// enter serves a further listener of the world and returns its address.
func (w *world) enter(e Entry) string {
	w.t.Helper()
	ln, err := Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- w.server.ServeEntry(ln, e) }()
	w.t.Cleanup(func() {
		w.server.Close()
		if err := <-served; err != nil {
			w.t.Errorf("Serve: %v", err)
		}
	})
	return ln.Addr().String()
}

// h2client is a client with HTTP/2 on plaintext, or on TLS if config is set.
func h2client(t testing.TB, addr string, config *tls.Config) *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(config != nil)
	protocols.SetUnencryptedHTTP2(config == nil)
	transport := &http.Transport{
		Protocols: protocols, TLSClientConfig: config, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

func fetch(t testing.TB, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestH2_RequestsTakeTheRoadOfHTTP1(t *testing.T) {
	f := func(tlsOn bool) {
		t.Helper()
		heads := make(chan string, 10)
		u := newUpstream(t, func(c *upConn) {
			for {
				request := c.request()
				if request == "" {
					return
				}
				heads <- request
				c.write("HTTP/1.1 200 OK\r\nX-One: 1\r\nX-One: 2\r\nContent-Length: 5\r\n\r\nhello")
			}
		})
		w := newWorld(t, nil, u)
		entry, scheme := Entry{H2C: true}, "http"
		var config *tls.Config
		if tlsOn {
			a := newAuthority(t)
			certs, err := LoadTLS(TLSFiles{KeyPairs: []KeyPair{a.pair("edge", "shop.example.com")}})
			if err != nil {
				t.Fatal(err)
			}
			entry, scheme, config = Entry{TLS: certs}, "https", a.client("shop.example.com", "h2")
		}
		c := h2client(t, w.enter(entry), config)
		resp, body := fetch(t, c, scheme+"://shop.example.com/a%2Fb?q=1")
		if resp.ProtoMajor != 2 || resp.StatusCode != 200 || body != "hello" || len(resp.Header["X-One"]) != 2 || resp.ContentLength != 5 {
			t.Errorf("answer %v %q", resp, body)
		}
		head := <-heads
		for _, want := range []string{"GET /a%2Fb?q=1 HTTP/1.1\r\nHost: shop.example.com\r\n", "X-Forwarded-For: 127.0.0.1\r\n", "X-Forwarded-Proto: " + scheme + "\r\n"} {
			if !strings.Contains(head, want) {
				t.Errorf("no %q in %q", want, head)
			}
		}
		resp, err := c.Post(scheme+"://shop.example.com/", "text/plain", io.MultiReader(strings.NewReader("of unknown "), strings.NewReader("length")))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if head := <-heads; !strings.HasSuffix(head, "of unknown length") || !strings.Contains(head, "Transfer-Encoding: chunked\r\n") {
			t.Errorf("request %q", head)
		}
		if totals := w.totals(0); totals.Codes[200] != 2 {
			t.Errorf("recorded %d", totals.Codes[200])
		}
	}

	f(false)
	f(true)
}

func TestH2_PlaintextListenerStillSpeaksHTTP1(t *testing.T) {
	w := newWorld(t, nil, answering(t, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	w.addr = w.enter(Entry{H2C: true})
	c := w.dial()
	// Up to the fourth byte this could be HTTP/2.
	for _, piece := range []string{"P", "R", "OPFIND / HTTP/1.1\r\nHo", "st: shop\r\n\r\n"} {
		c.send(piece)
		time.Sleep(5 * time.Millisecond)
	}
	if resp, body := c.answer("PROPFIND"); resp.StatusCode != 200 || body != "hello" {
		t.Errorf("%d %q", resp.StatusCode, body)
	}
}
