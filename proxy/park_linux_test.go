package proxy

import (
	"context"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
)

// parkedWorld has one client whose connection is parked.
func parkedWorld(t *testing.T, keepAlive time.Duration) (*world, *client) {
	t.Helper()
	w := newWorld(t, func(_ *route.Service, o *Options) { o.KeepAlive = keepAlive }, answering(t, hello))
	c := w.dial()
	c.send(get)
	c.expect(hello)
	waitUntil(t, "the connection is parked", func() bool { return w.parked() == 1 })
	return w, c
}

func (w *world) parked() int {
	p := &w.server.parker
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns)
}

func TestParker_NextRequestIsServedAndParkedAgain(t *testing.T) {
	t.Parallel()
	w, c := parkedWorld(t, time.Minute)
	c.send(get + get)
	c.expect(hello)
	c.expect(hello)
	if n := w.parked(); n != 0 {
		t.Errorf("%d connections are parked while in use", n)
	}
	waitUntil(t, "the connection is parked again", func() bool { return w.parked() == 1 })
	c.Close()
	waitUntil(t, "the connection of a client that left is gone", func() bool { return w.server.Connections() == 0 && w.parked() == 0 })
}

func TestParker_KeepAliveEnds(t *testing.T) {
	t.Parallel()
	w, c := parkedWorld(t, 1500*time.Millisecond)
	c.expectEnd()
	waitUntil(t, "the connection is gone", func() bool { return w.server.Connections() == 0 && w.parked() == 0 })
}

func TestParker_DrainEndsWhatIsParked(t *testing.T) {
	t.Parallel()
	w, c := parkedWorld(t, time.Minute)
	w.server.options.DrainGrace = 10 * time.Millisecond
	if err := w.server.Drain(context.Background()); err != nil {
		t.Error(err)
	}
	c.expectEnd()
	if n := w.server.Connections() + int64(w.parked()); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}

func TestParker_ParksNothingAfterItsEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil, answering(t, hello))
	c := w.dial()
	c.send(get)
	c.expect(hello)
	w.server.Close()
	c.expectEnd()
	waitUntil(t, "the connection is gone", func() bool { return w.server.Connections() == 0 })
}

func TestParker_CrowdsWaitLessLong(t *testing.T) {
	for connections, want := range map[int64]time.Duration{
		0: time.Second, 1: time.Second, 256: time.Second, 512: 500 * time.Millisecond,
		2560: 100 * time.Millisecond, 12_800: 20 * time.Millisecond, 1_000_000: 20 * time.Millisecond,
	} {
		if got := parkAfter(connections); got != want {
			t.Errorf("%d connections: %v, want %v", connections, got, want)
		}
	}
}
