package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

func attacks(o options) []attack {
	// Connections are opened at about 10 000 a second.
	swing := time.Second + time.Duration(o.slow)*100*time.Microsecond
	all := []attack{{name: "slow clients", swing: swing, run: func(ctx context.Context, address string) (int, error) { return slow(ctx, address, o.slow) }}}
	for _, f := range []struct {
		name  string
		frame func(f *flood, i uint32) error
	}{
		{"rapid resets", (*flood).reset},
		{"CONTINUATION", (*flood).continuation},
		{"SETTINGS", func(f *flood, i uint32) error {
			return f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 65535 + i%2})
		}},
		{"PING", func(f *flood, i uint32) error { return f.WritePing(false, [8]byte{byte(i)}) }},
	} {
		all = append(all, attack{name: f.name, grows: true, swing: 100 * time.Millisecond, run: func(ctx context.Context, address string) (int, error) {
			return flooding(ctx, address, o.frames, o.phase, f.frame)
		}})
	}
	return all
}

// slow keeps n slow clients connected until ctx ends: a third each sends a head
// byte by byte, sends a body just fast enough, and asks without ever reading.
// The bodies are such as weir receives whole before an endpoint hears of them:
// longer ones hold a connection to an endpoint each, up to its limit.
// It returns how many were connected at the end.
func slow(ctx context.Context, address string, n int) (int, error) {
	var running sync.WaitGroup
	var open atomic.Int64
	for i := range n {
		running.Go(func() {
			for ctx.Err() == nil {
				trickle(ctx, address, i, &open)
			}
		})
		if i%50 == 0 {
			time.Sleep(5 * time.Millisecond) // the queue of the listener is not what is measured
		}
	}
	<-ctx.Done()
	count := int(open.Load())
	running.Wait()
	return count, nil
}

// trickle is one connection of one slow client.
func trickle(ctx context.Context, address string, i int, open *atomic.Int64) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		pause(ctx, 100*time.Millisecond)
		return
	}
	defer nc.Close()
	open.Add(1)
	defer open.Add(-1)
	const head = "GET /slow HTTP/1.1\r\nHost: shop.example.com\r\nX-Patience: "
	send := func(b []byte) bool {
		_ = nc.SetWriteDeadline(time.Now().Add(time.Second))
		_, err := nc.Write(b)
		return err == nil && pause(ctx, time.Second)
	}
	switch i % 3 {
	case 0:
		for at := 0; send([]byte{(head + "aaaaaaaaaaaa")[at%(len(head)+12)]}); at++ {
		}
	case 1:
		if _, err := io.WriteString(nc, "POST /slow HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 60000\r\n\r\n"); err != nil {
			return
		}
		for send(make([]byte, 300)) {
		}
	case 2:
		// Seldom enough that these requests are no load of their own.
		for send([]byte(head+"1\r\n\r\n")) && pause(ctx, 9*time.Second) {
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// flood is a connection of HTTP/2 made of frames.
type flood struct {
	*http2.Framer
	nc     net.Conn
	block  bytes.Buffer
	fields *hpack.Encoder
	read   sync.WaitGroup
}

func openFlood(ctx context.Context, address string) (*flood, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to %q: %w", address, err)
	}
	f := &flood{Framer: http2.NewFramer(nc, nc), nc: nc}
	f.fields = hpack.NewEncoder(&f.block)
	f.read.Go(func() { _, _ = io.Copy(io.Discard, nc) })
	_ = nc.SetWriteDeadline(time.Now().Add(time.Minute))
	if _, err = io.WriteString(nc, http2.ClientPreface); err == nil {
		err = f.WriteSettings()
	}
	if err != nil {
		f.close()
		return nil, fmt.Errorf("cannot begin HTTP/2: %w", err)
	}
	return f, nil
}

func (f *flood) close() {
	_ = f.nc.Close()
	f.read.Wait()
}

func (f *flood) head(i uint32, end bool) error {
	f.block.Reset()
	for _, h := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "shop.example.com"}} {
		_ = f.fields.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]})
	}
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: f.block.Bytes(), EndHeaders: end, EndStream: end})
}

func (f *flood) reset(i uint32) error {
	if err := f.head(i, true); err != nil {
		return err
	}
	return f.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
}

func (f *flood) continuation(i uint32) error {
	if i == 0 {
		return f.head(0, false)
	}
	return f.WriteContinuation(1, false, bytes.Repeat([]byte("\x00\x01a\x01b"), 1000))
}

// flooding sends frames evenly over the time, on a new connection whenever weir
// has ended the last. It returns how many were written.
func flooding(ctx context.Context, address string, frames int, over time.Duration, frame func(f *flood, i uint32) error) (int, error) {
	began, sent := time.Now(), 0
	for sent < frames && ctx.Err() == nil {
		f, err := openFlood(ctx, address)
		if err != nil {
			if ctx.Err() != nil {
				return sent, nil
			}
			return sent, err
		}
		for i := uint32(0); sent < frames && ctx.Err() == nil; i++ {
			if frame(f, i) != nil {
				break
			}
			sent++
			if ahead := time.Duration(float64(over)*float64(sent)/float64(frames)) - time.Since(began); ahead > 10*time.Millisecond {
				time.Sleep(ahead)
			}
		}
		f.close()
	}
	return sent, nil
}
