package proxy

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// Draining reports whether Drain has begun. Readiness should be red then.
func (s *Server) Draining() bool { return s.handler.draining.Load() }

// Drain ends the server without losing a request: for DrainWindow it goes on
// accepting while every answer closes its connection; then it stops accepting,
// without dropping what the kernel has accepted; then it waits up to
// DrainGrace for the open connections. Idle ones keep the chance to get one
// more answer until then. When ctx ends, the present step does.
//
// It returns an error if requests had to be cut off. Call it once.
func (s *Server) Drain(ctx context.Context) error {
	s.handler.draining.Store(true)
	s.leave()
	pause(ctx, s.options.DrainWindow)

	s.mu.Lock()
	for l := range s.listeners {
		l.end()
	}
	s.mu.Unlock()

	grace, cancel := context.WithTimeout(ctx, max(s.options.DrainGrace, 0))
	defer cancel()
	s.waitFor(grace, func() bool { return s.deaf() })
	var streams sync.WaitGroup
	streams.Go(func() { s.h2.drain(grace) })
	s.waitFor(grace, func() bool { return s.ended() })
	cancel()
	streams.Wait()

	s.closeIdle()
	// A connection whose request arrived just now was left open; it is quick or cut off.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 100*time.Millisecond)
	defer cancel()
	s.waitFor(last, func() bool { return s.ended() })
	cut := s.Connections()
	s.Close()
	if cut > 0 {
		return fmt.Errorf("cannot drain %d connections within the grace period: cut off", cut)
	}
	return nil
}

// HandOver says that another process accepts from the socket of ln too. Drain
// then leaves it to that process at once, with all connections in its queue.
func (s *Server) HandOver(ln net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listeners {
		if l.Listener == ln {
			l.handed = true
		}
	}
}

// leave closes the listeners that were handed over.
func (s *Server) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listeners {
		if l.handed {
			l.leave()
		}
	}
}

// deaf reports whether no listener is left.
func (s *Server) deaf() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.listeners) == 0
}

// ended reports whether no listener and no connection is left.
func (s *Server) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.listeners) == 0 && len(s.conns) == 0
}

// closeIdle closes the connections on which nothing has been received since
// their last answer.
func (s *Server) closeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		// In this order: see readNow.
		if !c.unread() && !c.active.Load() {
			c.kill()
		}
	}
}

func (s *Server) waitFor(ctx context.Context, done func() bool) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
