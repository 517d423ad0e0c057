package main

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/proxy"
	"github.com/weirproxy/weir/proxy/ofrep"
)

func flagsName(c *configs.Node) string { return "flags " + c.Flags.Address }

// loadClients reads who may ask for flags.
func (n *node) loadClients() error {
	if n.config.Flags == nil || n.config.Flags.Tokens == "" {
		return nil
	}
	tokens, err := api.LoadTokens(n.config.Flags.Tokens)
	if err != nil {
		return err
	}
	n.clients = api.NewClients(tokens, n.log)
	return nil
}

// answerFlags serves flags to applications. Requests under way are finished when
// it is stopped.
func (n *node) answerFlags(failed chan<- error) {
	if n.flags == nil {
		return
	}
	var ln net.Listener = n.flags
	if n.flagsTLS != nil {
		ln = tls.NewListener(ln, n.flagsTLS.Config())
	}
	options := ofrep.Options{Tables: &n.tables, Origins: n.config.Flags.Origins}
	if n.clients != nil {
		options.Authorize = n.clients.Authorize
	}
	handler := ofrep.NewHandler(options)
	n.stops.flags = n.spawn(failed, "flags", func(ctx context.Context) error { return api.Serve(ctx, ln, handler) })
}

// encryptFlags reads the TLS files of the flags' listener.
func (n *node) encryptFlags() (err error) {
	if n.config.Flags == nil || n.config.Flags.TLS == nil {
		return nil
	}
	n.flagsTLS, err = n.loadTLS(proxy.TLSFiles{KeyPairs: []proxy.KeyPair{keyPair(*n.config.Flags.TLS)}, Protocols: []string{"http/1.1"}})
	return err
}
