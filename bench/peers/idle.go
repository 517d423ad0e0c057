package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"time"
)

// idle opens connections to all proxies, leaves them alone and divides what the
// memory of each has grown by. It returns how many bars were missed.
func (b *bench) idle(s scenario, proxies []*proxy) (missed int, err error) {
	holders := make([]*holder, len(proxies))
	defer func() {
		for _, h := range holders {
			if h != nil {
				h.cmd.Process.Kill()
				_ = h.cmd.Wait() // killed, or ended long ago
			}
		}
	}()
	time.Sleep(3 * time.Second) // a start has memory of its own, not all at once
	before := make([]int64, len(proxies))
	for i, p := range proxies {
		before[i] = p.resident()
		if holders[i], err = b.hold(&s, p); err != nil {
			return 0, fmt.Errorf("%s: %w", p.name, err)
		}
		progress("%s %s: %d connections are open", s.name, p.name, s.connections)
	}
	select {
	case <-time.After(b.options.idle):
	case <-b.world.ctx.Done():
		return 0, b.world.ctx.Err()
	}
	b.result.Printf("  %-24s %10s %12s %12s %12s\n", "after "+b.options.idle.String(), "KB each", "RSS before", "RSS after", "still open")
	each := make([]float64, len(proxies))
	for i, p := range proxies {
		after := p.resident()
		each[i] = float64(after-before[i]) / float64(s.connections)
		alive, err := holders[i].end()
		if err != nil {
			return 0, fmt.Errorf("%s: %w", p.name, err)
		}
		b.result.Printf("  %-24s %10.2f %9.1f MB %9.1f MB %12d\n", p.name, each[i]/1024, mega(before[i]), mega(after), alive)
	}
	for _, bar := range s.bars {
		text, ok := verdict(fmt.Sprintf("bar: KB of a connection of %s ≤ %.1f: %.2f", proxies[0].name, bar.limit/1024, each[0]/1024), each[0] <= bar.limit)
		b.result.Printf("  %s\n", text)
		if !ok {
			missed++
		}
	}
	b.result.Printf("\n")
	return missed, nil
}

// holder is a client that keeps connections open until its input ends.
type holder struct {
	cmd   *exec.Cmd
	input io.Closer
	lines *bufio.Scanner
}

// hold returns once all connections are open and answered.
func (b *bench) hold(s *scenario, p *proxy) (*holder, error) {
	t := s.target(p)
	h := &holder{cmd: pinned(context.Background(), loadCore, b.world.path("client"), "hold",
		"-address", t.address, "-host", t.host, "-path", s.path, "-connections", strconv.Itoa(s.connections), "-tls="+strconv.FormatBool(s.tls))}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if h.input, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	h.cmd.Stderr = h.cmd.Stdout
	h.lines = bufio.NewScanner(out)
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	_, err = h.read()
	return h, err
}

// end lets the connections go and returns how many of them still worked.
func (h *holder) end() (alive int, err error) {
	if err := h.input.Close(); err != nil {
		return 0, err
	}
	return h.read()
}

func (h *holder) read() (connections int, err error) {
	if !h.lines.Scan() {
		return 0, errors.Join(errors.New("the client reported nothing"), h.lines.Err())
	}
	var found struct {
		Connections int `json:"connections"`
	}
	if err := json.Unmarshal(h.lines.Bytes(), &found); err != nil {
		return 0, fmt.Errorf("the client reported %q", h.lines.Text())
	}
	return found.Connections, nil
}

func mega(bytes int64) float64 { return float64(bytes) / (1 << 20) }
