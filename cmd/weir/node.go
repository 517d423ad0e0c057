package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
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
	config *configs.Node
	log    *zap.Logger

	tables     atomic.Pointer[route.Table]
	endpoints  *upstream.Registry
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
	control   net.Listener
	status    net.Listener // nil: none
	tokens    *api.Tokens  // nil: none are asked for
}

// newNode opens everything that can be refused: addresses, tokens, the state.
// Nothing runs yet. Close it if run is not called. The error is that of ctx if it
// ended meanwhile.
func newNode(ctx context.Context, config *configs.Node, log *zap.Logger) (_ *node, err error) {
	n := &node{config: config, log: log}
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
	if err := api.CheckAddress(config.Control.Address, n.tokens); err != nil {
		return nil, err
	}
	if err := n.listen(ctx); err != nil {
		return nil, err
	}
	if err := n.encrypt(); err != nil {
		return nil, err
	}
	n.endpoints = upstream.NewRegistry(upstream.Options{})
	if n.observers, err = newObservers(config, log); err != nil {
		return nil, err
	}
	options := proxyOptions(config)
	n.observers.apply(config, &options)
	if options.Pages, err = compile.Pages(config.Errors); err != nil {
		return nil, fmt.Errorf("cannot use the error pages: %w", err)
	}
	n.handler = proxy.NewHandler(&n.tables, options, log)
	n.server = proxy.NewServer(n.handler, options, log)
	// An etcd that was given up while it starts would go on in its folder; its
	// start is bounded.
	state, err := storeOptions(config)
	if err != nil {
		return nil, err
	}
	if n.store, err = store.Open(context.WithoutCancel(ctx), state, log); err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	n.sender = notify.NewSender(notify.SenderOptions{
		Place: placeOf(config), Node: config.Name, Secrets: config.Secrets,
	})
	n.hooks = hook.New(hook.Options{Node: config.Name, Secrets: config.Secrets})
	n.controller = control.New(control.Options{
		Node: config.Name, Boot: rand.Text()[:8], Version: version(), Now: n.handler.Now, Tables: &n.tables,
		Endpoints: n.endpoints, Recorders: stats.NewRegistry(), Store: n.store, Log: log,
		Deliver: n.sender.Send, CheckNotifier: n.sender.Check, AskHook: n.hooks.Ask,
	})
	return n, nil
}

func (n *node) listen(ctx context.Context) error {
	open := func(what, address string) (net.Listener, error) {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("cannot listen on %s address %q: %w", what, address, err)
		}
		return l, nil
	}
	for _, l := range n.config.Listen {
		ln, err := proxy.Listen(ctx, l.Address)
		if err != nil {
			return err
		}
		n.listeners = append(n.listeners, ln)
	}
	var err error
	if n.control, err = open("control", n.config.Control.Address); err != nil {
		return err
	}
	if n.config.Status != nil {
		n.status, err = open("status", n.config.Status.Address)
	}
	return err
}

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

// run serves until ctx ends, then drains: clients first, then the control API,
// then the state, so that a release is watched to the last request.
func (n *node) run(ctx context.Context) error {
	started := time.Now()
	defer n.close()
	failed := make(chan error, 8+len(n.listeners)) // everybody reports once
	stopStore := n.spawn(failed, "store", n.store.Run)
	stopController := n.spawn(failed, "controller", n.controller.Run)
	stopTLS := n.watchTLS(failed)
	stopObservers := n.observe(failed)
	stopAPI := n.spawn(failed, "control API", func(ctx context.Context) error {
		return api.Serve(ctx, n.control, api.New(n.apiOptions()))
	})
	stopStatus := func() {}
	if n.status != nil {
		stopStatus = n.spawn(failed, "status", func(ctx context.Context) error {
			return api.Serve(ctx, n.status, api.NewStatus(n.apiOptions()))
		})
	}
	n.store.Lead()
	err := n.load(ctx, failed)
	if err == nil {
		err = n.apply(ctx)
	}
	if err == nil {
		n.serve(failed)
		n.log.Info("weir is ready", zap.String("node", n.config.Name), zap.Strings("clients", addresses(n.listeners)),
			zap.String("control", n.control.Addr().String()), zap.Duration("took", time.Since(started)))
		select {
		case <-ctx.Done():
		case err = <-failed:
			n.log.Error("stopping", zap.Error(err))
		}
		n.drain()
	}
	stopStatus()
	stopAPI()
	stopTLS()
	stopObservers()
	stopController()
	stopStore()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

// spawn runs f until the function that it returns is called, which waits for f
// to end. An error of f is reported once.
func (n *node) spawn(failed chan<- error, what string, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			failed <- fmt.Errorf("%s ended: %w", what, err)
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

// load waits for the first state.
func (n *node) load(ctx context.Context, failed <-chan error) error {
	for !n.controller.Loaded() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-failed:
			return err
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// serve lets clients in.
func (n *node) serve(failed chan<- error) {
	for i, l := range n.listeners {
		n.accepting.Go(func() {
			err := n.server.ServeEntry(l, n.entries[i])
			if err != nil || !n.server.Draining() {
				failed <- fmt.Errorf("clients of %s are accepted no more: %w", l.Addr(), cmp.Or(err, net.ErrClosed))
			}
		})
	}
	n.serving.Store(true)
}

func (n *node) drain() {
	started := time.Now()
	n.log.Info("draining", zap.Int64("connections", n.server.Connections()))
	if err := n.server.Drain(context.Background()); err != nil {
		n.log.Warn("drained with loss", zap.Error(err))
	}
	n.accepting.Wait()
	n.log.Info("drained", zap.Duration("took", time.Since(started)))
}

func (n *node) apiOptions() api.Options {
	return api.Options{
		Control: n.controller, Metrics: n.writeMetrics, Ready: n.ready, Tokens: n.tokens, Version: version(), Log: n.log,
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

func (n *node) writeMetrics(w io.Writer) {
	n.controller.WriteMetrics(w)
	fmt.Fprint(w, "# HELP weir_client_rejections_total requests refused before a version was chosen\n# TYPE weir_client_rejections_total counter\n")
	n.handler.Rejections(func(reason proxy.Rejection, requests uint64) {
		fmt.Fprintf(w, "weir_client_rejections_total{reason=%q} %d\n", reason, requests)
	})
	fmt.Fprintf(w, "# HELP weir_client_connections open client connections\n# TYPE weir_client_connections gauge\nweir_client_connections %d\n", n.server.Connections())
	fmt.Fprintf(w, "# HELP weir_tunnels_open upgraded connections, WebSockets say\n# TYPE weir_tunnels_open gauge\nweir_tunnels_open %d\n", n.handler.Tunnels())
	n.observers.writeMetrics(w)
	metrics.WriteProcessMetrics(w)
}

func proxyOptions(config *configs.Node) proxy.Options {
	l := &config.Limits
	return proxy.Options{
		HeadTimeout: l.HeadTimeout.Std(), BodyTimeout: l.BodyTimeout.Std(), KeepAlive: l.KeepAlive.Std(),
		MaxHead: l.HeadBytes, MaxFields: l.Fields, MaxBody: l.BodyBytes,
		MaxConnections: l.Connections, MaxPerClient: l.PerClient, MinRate: l.MinRate,
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
