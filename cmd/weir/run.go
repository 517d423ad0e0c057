package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/api/dashboard"
)

// stops end what runs and wait for it. Each may be called again; nil: it never
// ran.
type stops struct {
	store, controller, beat, api, status, flags func()
}

// run serves until ctx ends, then drains: clients first, then the control API,
// then the state, so that a release is watched to the last request.
func (n *node) run(ctx context.Context) error {
	started := time.Now()
	defer n.close()
	failed := make(chan error, 16+len(n.listeners)) // everybody reports once
	upgrades := make(chan os.Signal, 1)
	if n.lasting {
		notifyUpgrade(upgrades)
		defer signal.Stop(upgrades)
	}
	stopTLS := n.watchTLS(failed)
	stopObservers := n.observe(failed)
	n.steer(failed)
	if n.elder == nil {
		n.answer(failed)
	}
	err := n.load(ctx, failed)
	if err == nil {
		err = n.apply(ctx)
	}
	if err == nil {
		n.serve(failed)
		err = n.succeed(failed)
	}
	if err == nil {
		n.log.Info("weir is ready", zap.String("node", n.config.Name), zap.Strings("clients", addresses(n.listeners)),
			zap.String("control", n.control.Addr().String()), zap.Duration("took", time.Since(started)))
		err = n.await(ctx, failed, upgrades)
	}
	if n.serving.Load() {
		n.drain()
	}
	n.stopStatus()
	n.stopSteering()
	stopTLS()
	stopObservers()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

// await returns when the node is to end: it was told to, a part of it failed, or
// another process has taken over.
func (n *node) await(ctx context.Context, failed chan error, upgrades <-chan os.Signal) error {
	for {
		select {
		case <-ctx.Done():
			tellSystemd(systemdStopping)
			return nil
		case err := <-failed:
			n.log.Error("stopping", zap.Error(err))
			tellSystemd(systemdStopping)
			return err
		case <-upgrades:
			if n.upgrade(ctx, failed) {
				return nil
			}
		}
	}
}

// succeed tells whoever waits for it that the node serves. Until then the
// process that it takes over from answered for the health of both.
func (n *node) succeed(failed chan<- error) error {
	if n.elder == nil {
		tellSystemd(systemdReady)
		return nil
	}
	n.answer(failed)
	err := n.elder.say(message{Say: sayReady, Taken: n.names})
	_ = n.elder.conn.Close()
	return err
}

// steer runs the state and the Controller.
func (n *node) steer(failed chan<- error) {
	n.stops.store = n.spawn(failed, "store", n.store.Run)
	n.stops.controller = n.spawn(failed, "controller", n.controller.Run)
	n.store.Lead()
	within, view := watchdog(), n.controller.View
	n.stops.beat = n.spawn(failed, "watchdog", func(ctx context.Context) error { return beat(ctx, within, view) })
}

// answer serves the control API and the status.
func (n *node) answer(failed chan<- error) {
	control, status := n.control, n.status
	handler := api.New(n.apiOptions())
	dashboard.Mount(handler)
	n.stops.api = n.spawn(failed, "control API", func(ctx context.Context) error { return api.Serve(ctx, control, handler) })
	if status != nil {
		handler := api.NewStatus(n.apiOptions())
		n.stops.status = n.spawn(failed, "status", func(ctx context.Context) error { return api.Serve(ctx, status, handler) })
	}
	n.answerFlags(failed)
}

// stopSteering ends what steer began, and the control API, which needs it.
func (n *node) stopSteering() {
	for _, stop := range []func(){n.stops.api, n.stops.beat, n.stops.controller, n.stops.store} {
		if stop != nil {
			stop()
		}
	}
}

// stopStatus ends the listeners that answer beside the control API.
func (n *node) stopStatus() {
	for _, stop := range []func(){n.stops.status, n.stops.flags} {
		if stop != nil {
			stop()
		}
	}
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
