package upstream

import (
	"sync"
	"time"
)

// maxOpening is how many connections to one endpoint are opened at one time.
const maxOpening = 16

// Warm opens connections until the endpoint has n, and keeps them idle for its
// next requests, for Options.MaxIdle. It ends at the first error, and opens none
// that it would have to begin after limit. It does nothing for HTTP/2, which
// needs one connection, and opens it with the first request.
func (e *Endpoint) Warm(n int, limit time.Duration) (opened int, err error) {
	need := n - e.Connections()
	if e.Link.H2 || need <= 0 {
		return 0, nil
	}
	deadline := time.Now().Add(limit)
	w := warming{endpoint: e, need: need}
	var opening sync.WaitGroup
	for range min(need, maxOpening) {
		opening.Go(func() { w.open(deadline) })
	}
	opening.Wait()
	for _, c := range w.held {
		c.Release()
	}
	return w.opened, w.err
}

// warming is one Warm under way. All connections are held until the last one is
// open: those that were idle would be acquired again instead of new ones.
type warming struct {
	endpoint *Endpoint

	mu     sync.Mutex
	need   int // connections that nobody opens yet
	opened int
	held   []*Conn
	err    error
}

// open opens connections, one after the other, as long as some are needed.
func (w *warming) open(deadline time.Time) {
	for w.take() {
		left := time.Until(deadline)
		if left <= 0 {
			return
		}
		c, err := w.endpoint.Acquire(min(left, w.endpoint.connectTimeout))
		w.mu.Lock()
		switch {
		case err != nil:
			w.err = err
		case c.Reused:
			w.held = append(w.held, c)
			w.need++ // it was there before
		default:
			w.held = append(w.held, c)
			w.opened++
		}
		w.mu.Unlock()
	}
}

// take reserves one of the connections that are needed.
func (w *warming) take() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.need == 0 || w.err != nil {
		return false
	}
	w.need--
	return true
}
