package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/compile"
	"github.com/weirproxy/weir/control/hook"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// node is one running weir. Make it with newNode, run it once with run.
type node struct {
	config  *configs.Node
	log     *zap.Logger
	logs    logs // log with what is known of it
	started time.Time

	tables     atomic.Pointer[route.Table]
	endpoints  *upstream.Registry
	recorders  *stats.Registry
	store      *store.Store
	sender     *notify.Sender
	hooks      *hook.Caller
	controller *control.Controller
	server     *proxy.Server
	handler    *proxy.Handler
	observers  observers

	serving   atomic.Bool
	accepting sync.WaitGroup // one a listener of clients

	listeners []net.Listener // of clients
	entries   []proxy.Entry  // how the connections of each begin
	tls       []*proxy.TLS   // in use anywhere; their files are watched
	bare      net.Listener   // of the control API, under its TLS
	control   net.Listener
	status    net.Listener // nil: none
	flags     net.Listener // for applications that ask for flags; nil: none
	clients   *api.Clients // who may; nil: everybody
	tokens    *api.Tokens  // nil: none are asked for

	controlTLS *proxy.TLS // nil: plaintext
	flagsTLS   *proxy.TLS // nil: plaintext
	names      []string   // of sockets, for a process that takes over
	kept       []bool     // those that systemd has too
	lasting    bool       // SIGUSR2 hands over
	elder      *peer      // the process that is taken over from; nil: none

	stops // of what runs
}

// newNode opens everything that can be refused: addresses, tokens, the state.
// Nothing runs yet. Close it if run is not called. The error is that of ctx if it
// ended meanwhile.
func newNode(ctx context.Context, config *configs.Node, log *zap.Logger) (*node, error) {
	return newHeir(ctx, config, logs{Logger: log}, nil)
}

// newHeir is newNode with what the process was started with, and for one that
// its own binary can take over from. The process that it takes over from itself
// lets go of the state when all else is open. in may be nil.
func newHeir(ctx context.Context, config *configs.Node, log logs, in *inherited) (_ *node, err error) {
	n := &node{config: config, log: log.Logger, logs: log, started: time.Now(), recorders: stats.NewRegistry(), lasting: in != nil}
	if in == nil {
		in = &inherited{}
	}
	n.elder = in.elder
	if config.Name == "" {
		return nil, errors.New("this node has no name, and the name of its host cannot be one; write `name: edge-1` in the node file")
	}
	defer func() {
		if err == nil {
			return
		}
		n.close()
		if ctx.Err() != nil {
			err = ctx.Err() // what could not be opened was not waited for
		}
	}()
	if config.Control.Tokens != "" {
		if n.tokens, err = api.LoadTokens(config.Control.Tokens); err != nil {
			return nil, err
		}
	}
	if err := n.loadClients(); err != nil {
		return nil, err
	}
	if err := api.CheckAddress(config.Control.Address, n.tokens); err != nil {
		return nil, err
	}
	if err := n.listen(ctx, in); err != nil {
		return nil, err
	}
	if err := n.encrypt(); err != nil {
		return nil, err
	}
	n.endpoints = upstream.NewRegistry(upstream.Options{})
	if n.observers, err = newObservers(config, n.log); err != nil {
		return nil, err
	}
	options := proxyOptions(config)
	n.observers.apply(config, &options)
	if options.Pages, err = compile.Pages(config.Errors); err != nil {
		return nil, fmt.Errorf("cannot use the error pages: %w", err)
	}
	n.handler = proxy.NewHandler(&n.tables, options, n.log)
	n.server = proxy.NewServer(n.handler, options, n.log)
	n.sender = notify.NewSender(notify.SenderOptions{
		Place: placeOf(config), Node: config.Name, Secrets: config.Secrets, PublicURL: config.Control.PublicURL,
	})
	n.hooks = hook.New(hook.Options{Node: config.Name, Secrets: config.Secrets})
	if _, err := storeOptions(config); err != nil {
		return nil, err
	}
	if n.elder != nil {
		if err := n.elder.say(message{Say: sayPrepared}); err != nil {
			return nil, err
		}
		if _, err := n.elder.expect(sayGo, preparing); err != nil {
			return nil, err
		}
	}
	if err := n.openState(ctx); err != nil {
		return nil, err
	}
	return n, ctx.Err()
}

// openState opens what only one process at a time can have open.
func (n *node) openState(ctx context.Context) (err error) {
	state, err := storeOptions(n.config)
	if err != nil {
		return err
	}
	// An etcd that was given up while it starts would go on in its folder; its
	// start is bounded.
	if n.store, err = store.Open(context.WithoutCancel(ctx), state, n.log); err != nil {
		return err
	}
	n.controller = control.New(control.Options{
		Node: n.config.Name, Boot: rand.Text()[:8], Version: version(), Now: n.handler.Now, Tables: &n.tables,
		Endpoints: n.endpoints, Recorders: n.recorders, Store: n.store, Log: n.log,
		Secrets: n.config.Secrets, Deliver: n.sender.Send, CheckNotifier: n.sender.Check, AskHook: n.hooks.Ask,
		AckTimeout: n.config.Fleet.AckTimeout.Std(), BlindAfter: n.config.BlindAfter(),
	})
	return nil
}

// listen takes the sockets that the process was started with, and opens the rest.
func (n *node) listen(ctx context.Context, in *inherited) error {
	open := func(name, address string, open func() (net.Listener, error)) (net.Listener, error) {
		s, ok := in.take(name, address)
		if !ok {
			var err error
			if s.ln, err = open(); err != nil {
				return nil, err
			}
		}
		n.names, n.kept = append(n.names, name), append(n.kept, s.kept)
		return s.ln, nil
	}
	plain := func(what, address string) func() (net.Listener, error) {
		return func() (net.Listener, error) {
			l, err := net.Listen("tcp", address)
			if err != nil {
				return nil, fmt.Errorf("cannot listen on %s address %q: %w", what, address, err)
			}
			return l, nil
		}
	}
	for _, l := range n.config.Listen {
		ln, err := open(clientsName(l), l.Address, func() (net.Listener, error) { return proxy.Listen(ctx, l.Address) })
		if err != nil {
			return err
		}
		n.listeners = append(n.listeners, ln)
	}
	address := n.config.Control.Address
	ln, err := open(controlName(n.config), address, plain("control", address))
	if err != nil {
		return err
	}
	n.listenControl(ln)
	if n.config.Status != nil {
		address = n.config.Status.Address
		if n.status, err = open(statusName(n.config), address, plain("status", address)); err != nil {
			return err
		}
	}
	if n.config.Flags != nil {
		address = n.config.Flags.Address
		if n.flags, err = open(flagsName(n.config), address, plain("flags", address)); err != nil {
			return err
		}
	}
	return in.done()
}

// listenControl serves the control API on ln from now on.
func (n *node) listenControl(ln net.Listener) {
	n.bare, n.control = ln, ln
	if n.controlTLS != nil {
		n.control = tls.NewListener(ln, n.controlTLS.Config())
	}
}

// sockets are all listening sockets, in the order of names.
func (n *node) sockets() []net.Listener {
	all := append(n.listeners[:len(n.listeners):len(n.listeners)], n.bare)
	if n.status != nil {
		all = append(all, n.status)
	}
	if n.flags != nil {
		all = append(all, n.flags)
	}
	return all
}

func clientsName(l configs.Listen) string { return "clients " + l.Address }
func controlName(c *configs.Node) string  { return "control " + c.Control.Address }
func statusName(c *configs.Node) string   { return "status " + c.Status.Address }

// close lets go of what newNode opened.
func (n *node) close() {
	for _, l := range n.listeners {
		_ = l.Close()
	}
	if n.control != nil {
		_ = n.control.Close()
	}
	if n.status != nil {
		_ = n.status.Close()
	}
	if n.flags != nil {
		_ = n.flags.Close()
	}
	if n.store != nil {
		if err := n.store.Close(); err != nil {
			n.log.Warn("state not closed in order", zap.Error(err))
		}
	}
	if n.sender != nil {
		n.sender.Close()
	}
	if n.hooks != nil {
		n.hooks.Close()
	}
	if n.endpoints != nil {
		n.endpoints.Close()
	}
}

func (n *node) ready() error {
	switch {
	case n.server.Draining():
		return errors.New("draining")
	case !n.controller.Loaded():
		return errors.New("the state is not loaded yet")
	case !n.serving.Load():
		return errors.New("clients are not accepted yet")
	}
	return nil
}

func proxyOptions(config *configs.Node) proxy.Options {
	l := &config.Limits
	return proxy.Options{
		HeadTimeout: l.HeadTimeout.Std(), BodyTimeout: l.BodyTimeout.Std(), KeepAlive: l.KeepAlive.Std(),
		MaxHead: l.HeadBytes, MaxFields: l.Fields, MaxBody: l.BodyBytes,
		MaxConnections: l.Connections, MaxPerClient: l.PerClient, MinRate: l.MinRate,
		MaxFrames: l.HTTP2.Frames, FramesCalm: l.HTTP2.Calm.Std(),
		HandshakeTimeout: l.HandshakeTimeout.Std(), TunnelIdle: l.Tunnel.Idle.Std(), MaxTunnel: l.Tunnel.Total.Std(),
		TrustedProxies: config.TrustedPrefixes(), DrainWindow: config.Drain.Window.Std(), DrainGrace: config.Drain.Grace.Std(),
	}
}

// storeOptions says where the state is. Files for etcd that do not fit are an
// error now, rather than an etcd that cannot be reached.
func storeOptions(config *configs.Node) (store.Options, error) {
	o := store.Options{Node: config.Name, Cache: config.State.Cache}
	if e := config.State.Etcd; e != nil {
		o.External = &store.External{Endpoints: e.Endpoints, TLS: etcdTLS(e)}
		if o.External.TLS != nil {
			if _, err := o.External.TLS(""); err != nil {
				return o, fmt.Errorf("cannot use etcd by TLS (state.etcd.tls): %w", err)
			}
		}
		o.Prefix = e.Prefix
		o.Dir = strings.TrimSuffix(config.State.Cache, filepath.Ext(config.State.Cache)) + ".d"
		return o, nil
	}
	o.Embedded = &store.Embedded{Dir: config.State.Embedded.Dir}
	o.Cache = ""
	return o, nil
}

// placeOf is how messages say where they come from: the last part of the fleet's
// prefix in etcd, unless that is the default.
func placeOf(config *configs.Node) string {
	if config.State.Etcd == nil {
		return ""
	}
	place := path.Base(strings.Trim(config.State.Etcd.Prefix, "/"))
	if place == "." || place == path.Base(store.DefaultPrefix) {
		return ""
	}
	return place
}

func addresses(listeners []net.Listener) []string {
	out := make([]string, len(listeners))
	for i, l := range listeners {
		out[i] = l.Addr().String()
	}
	return out
}
