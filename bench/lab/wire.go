package lab

import (
	"fmt"
	"io"
	"net"
	"sync"
)

// Wire is a TCP connection between two processes that can be cut: what goes
// through it passes unchanged until then. Close it.
type Wire struct {
	Address string // where to connect instead of at the target

	target string
	ln     net.Listener
	done   sync.WaitGroup

	mu    sync.Mutex
	cut   bool
	deaf  chan struct{} // closed when answers pass again; nil: they do
	conns map[net.Conn]bool
}

// Wire begins to pass connections on to a target.
func (l *Lab) Wire(target string) (*Wire, error) {
	address, err := l.Address()
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot lay a wire to %q: %w", target, err)
	}
	w := &Wire{Address: address, target: target, ln: ln, conns: map[net.Conn]bool{}}
	w.done.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return // closed
			}
			w.done.Go(func() { w.pass(c) })
		}
	})
	return w, nil
}

// Cut ends all connections and lets no new one through.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	w.hear()
	for c := range w.conns {
		_ = c.Close() // its copies end
	}
}

// Mend lets connections through again.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}

// Deafen holds back what the target answers, and nothing else: whoever asks is
// heard and does not know it.
func (w *Wire) Deafen() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.deaf == nil {
		w.deaf = make(chan struct{})
	}
}

// Hear lets the answers pass again, the ones that were held back first.
func (w *Wire) Hear() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hear()
}

func (w *Wire) hear() {
	if w.deaf != nil {
		close(w.deaf)
		w.deaf = nil
	}
}

// answers is the way back of a connection.
type answers struct {
	wire *Wire
	to   net.Conn
}

func (a answers) Write(p []byte) (int, error) {
	a.wire.mu.Lock()
	deaf := a.wire.deaf
	a.wire.mu.Unlock()
	if deaf != nil {
		<-deaf
	}
	return a.to.Write(p)
}

// Close ends all connections and waits until they are done.
func (w *Wire) Close() {
	_ = w.ln.Close()
	w.Cut()
	w.done.Wait()
}

// hold keeps a connection to be cut; false if the wire is cut already.
func (w *Wire) hold(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.cut {
		w.conns[c] = true
	}
	return !w.cut
}

func (w *Wire) drop(c net.Conn) {
	w.mu.Lock()
	delete(w.conns, c)
	w.mu.Unlock()
	_ = c.Close() // it may be closed already
}

func (w *Wire) pass(near net.Conn) {
	defer w.drop(near)
	if !w.hold(near) {
		return
	}
	far, err := net.Dial("tcp", w.target)
	if err != nil {
		return
	}
	defer w.drop(far)
	if !w.hold(far) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(answers{w, near}, far) // ends with either side
		_ = near.Close()
	})
	_, _ = io.Copy(far, near)
	_ = far.Close()
	back.Wait()
}
