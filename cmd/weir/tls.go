package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/proxy"
	"github.com/weirproxy/weir/proxy/upstream"
)

// encrypt reads the TLS files of all listeners.
func (n *node) encrypt() error {
	for i, l := range n.config.Listen {
		e := proxy.Entry{ProxyProtocol: l.ProxyProtocol, H2C: l.H2C, Kept: n.kept[i]}
		if l.TLS != nil {
			files := proxy.TLSFiles{ClientCA: l.TLS.ClientCA}
			for _, c := range l.TLS.Certificates {
				files.KeyPairs = append(files.KeyPairs, keyPair(c))
			}
			var err error
			if e.TLS, err = n.loadTLS(files); err != nil {
				return fmt.Errorf("cannot listen with TLS on %q (listen[%d].tls): %w", l.Address, i, err)
			}
		}
		n.entries = append(n.entries, e)
	}
	if err := n.encryptFlags(); err != nil {
		return fmt.Errorf("cannot serve flags with TLS (flags.tls): %w", err)
	}
	c := n.config.Control.TLS
	if c == nil {
		return nil
	}
	// Its streams of events need no HTTP/2.
	t, err := n.loadTLS(proxy.TLSFiles{
		KeyPairs: []proxy.KeyPair{{Cert: c.Cert, Key: c.Key}}, ClientCA: c.ClientCA, ClientOptional: true, Protocols: []string{"http/1.1"},
	})
	if err != nil {
		return fmt.Errorf("cannot serve the control API with TLS (control.tls): %w", err)
	}
	n.controlTLS = t
	n.listenControl(n.bare)
	return nil
}

func (n *node) loadTLS(files proxy.TLSFiles) (*proxy.TLS, error) {
	t, err := proxy.LoadTLS(files)
	if err == nil {
		n.tls = append(n.tls, t)
	}
	return t, err
}

func keyPair(c configs.Certificate) proxy.KeyPair { return proxy.KeyPair{Cert: c.Cert, Key: c.Key} }

// watchTLS uses new TLS files when they change, until the function that it
// returns is called.
func (n *node) watchTLS(failed chan<- error) (stop func()) {
	var stops []func()
	for _, t := range n.tls {
		stops = append(stops, n.spawn(failed, "TLS files", func(ctx context.Context) error {
			t.Watch(ctx, 0, n.log)
			return nil
		}))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// etcdTLS is what connections to etcd are opened with. Nil: etcd has no TLS.
func etcdTLS(e *configs.Etcd) func(name string) (*tls.Config, error) {
	if !strings.HasPrefix(e.Endpoints[0], "https://") {
		return nil
	}
	files := upstream.TLSFiles{}
	if e.TLS != nil {
		files = upstream.TLSFiles{CA: e.TLS.CA, Cert: e.TLS.Cert, Key: e.TLS.Key}
	}
	t := upstream.NewTLS(files)
	return func(name string) (*tls.Config, error) { return t.Config(name, "h2") }
}
