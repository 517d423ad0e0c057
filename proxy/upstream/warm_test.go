package upstream

import (
	"testing"
	"time"
)

func TestEndpoint_WarmOpensWhatIsMissing(t *testing.T) {
	address, conns, ca := encrypted(t, nil)
	g := NewRegistry(Options{MaxIdle: time.Minute})
	defer g.Close()
	e := g.Get(Identity{Service: "s", Version: "v", Address: address, Link: Link{TLS: g.TLS(TLSFiles{CA: ca}), Name: "example.com"}})
	idle, busy := acquire(t, e), acquire(t, e)
	idle.Release()
	f := func(n, opened, connections int) {
		t.Helper()
		if got, err := e.Warm(n, 10*time.Second); err != nil || got != opened || e.Connections() != connections {
			t.Errorf("to %d: opened %d (%v) to %d, want %d to %d", n, got, err, e.Connections(), opened, connections)
		}
	}
	f(1, 0, 2)
	f(40, 38, 40)
	f(40, 0, 40)
	busy.Close()
	for range 40 {
		(<-conns).NetConn().Close()
	}
	// What was opened is used before anything else is.
	if c := acquire(t, e); !c.Reused {
		t.Error("a warm connection is not used")
	} else {
		c.Close()
	}
}

func TestEndpoint_WarmEndsInTimeAndWithTheFirstError(t *testing.T) {
	ln, _ := accepting(t) // says nothing in the handshake
	g := NewRegistry(Options{})
	defer g.Close()
	e := g.Get(Identity{Service: "s", Version: "v", Address: ln.Addr().String(), Link: Link{TLS: g.TLS(TLSFiles{}), Name: "a"}})
	done := make(chan error, 1)
	go func() {
		_, err := e.Warm(100, 50*time.Millisecond)
		done <- err
	}()
	select {
	case err := <-done:
		if err == nil || e.Connections() != 0 {
			t.Errorf("%v, %d connections", err, e.Connections())
		}
	case <-time.After(15 * time.Second):
		t.Fatal("it does not end")
	}
	ln.Close()
	if opened, err := g.Endpoint("s", "v", ln.Addr().String()).Warm(100, time.Minute); opened != 0 || err == nil {
		t.Errorf("refused: %d opened, %v", opened, err)
	}
	h2 := g.Get(Identity{Service: "s", Version: "v", Address: ln.Addr().String(), Link: Link{H2: true}})
	if _, err := h2.Warm(1, time.Minute); err != nil {
		t.Errorf("HTTP/2: %v", err)
	}
}
