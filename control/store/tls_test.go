package store

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// guarded is an entry with TLS to an etcd; it shows a certificate for
// example.com and 127.0.0.1, and asks for one.
type guarded struct {
	addr   string
	server *httptest.Server // never started again; it has the certificate

	mu    sync.Mutex
	conns []net.Conn
	peers int // connections that showed a certificate
}

func guard(t *testing.T, e *etcdProcess) *guarded {
	t.Helper()
	g := &guarded{server: httptest.NewTLSServer(nil)}
	g.server.Close()
	config := &tls.Config{Certificates: g.server.TLS.Certificates, NextProtos: []string{"h2"}, ClientAuth: tls.RequireAnyClientCert}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	g.addr = ln.Addr().String()
	var running sync.WaitGroup
	running.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() { g.pass(nc.(*tls.Conn), strings.TrimPrefix(e.endpoint(), "unix://")) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		g.cutOff()
		running.Wait()
	})
	return g
}

// pass carries one connection to etcd and back.
func (g *guarded) pass(c *tls.Conn, socket string) {
	defer c.NetConn().Close()
	if c.Handshake() != nil {
		return
	}
	etcd, err := net.Dial("unix", socket)
	if err != nil {
		return
	}
	defer etcd.Close()
	g.mu.Lock()
	g.conns = append(g.conns, c.NetConn())
	g.peers += len(c.ConnectionState().PeerCertificates)
	g.mu.Unlock()
	go func() {
		_, _ = io.Copy(etcd, c)
		_ = etcd.Close()
	}()
	_, _ = io.Copy(c, etcd)
}

// cutOff ends the connections there are.
func (g *guarded) cutOff() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.conns {
		_ = c.Close()
	}
	g.conns = nil
}

func TestExternal_ByTLSWithFilesThatChange(t *testing.T) {
	e := startEtcd(t)
	g := guard(t, e)
	roots := x509.NewCertPool()
	roots.AddCert(g.server.Certificate())
	good := &tls.Config{RootCAs: roots, Certificates: g.server.TLS.Certificates}
	stranger := &tls.Config{RootCAs: x509.NewCertPool(), Certificates: g.server.TLS.Certificates}
	var config atomic.Pointer[tls.Config]
	config.Store(good)
	var names sync.Map
	options := e.options("edge-1")
	options.External = &External{Endpoints: []string{"https://" + g.addr}, TLS: func(name string) (*tls.Config, error) {
		names.Store(name, true)
		c := config.Load().Clone()
		c.ServerName, c.NextProtos = name, []string{"h2"}
		return c, nil
	}}
	n := openNode(t, options).run()
	n.put("services/a", "1")
	n.awaitKey("services/a", "1")

	config.Store(stranger)
	g.cutOff()
	n.await("etcd is no more trusted", func() bool { return !n.Status().Connected })
	if _, err := n.Commit(t.Context(), Txn{Then: []Op{Put("services/a", []byte("2"))}}); err == nil {
		t.Error("it writes to an etcd that nobody known has signed")
	}
	config.Store(good)
	n.await("etcd is trusted again", func() bool { return n.Status().Connected })
	n.put("services/a", "3")
	n.awaitKey("services/a", "3")

	g.mu.Lock()
	defer g.mu.Unlock()
	var asked []string
	names.Range(func(name, _ any) bool {
		asked = append(asked, name.(string))
		return true
	})
	if g.peers == 0 || !slices.Equal(asked, []string{"127.0.0.1"}) {
		t.Errorf("%d certificates were shown, to %q", g.peers, asked)
	}
}
