package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weirproxy/weir/control/rollout"
)

// console is a terminal that remembers all that was written to it.
type console struct {
	near, far *os.File // what a person sees, what the program has
	reading   sync.WaitGroup

	mu   sync.Mutex
	text strings.Builder
}

func newConsole(t *testing.T, width, height int) *console {
	t.Helper()
	near, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(near.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	far, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(height), Col: uint16(width)}); err != nil {
		t.Fatal(err)
	}
	c := &console{near: near, far: far}
	c.reading.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, err := near.Read(buf)
			c.mu.Lock()
			c.text.Write(buf[:n])
			c.mu.Unlock()
			if err != nil { // the last program closed it
				return
			}
		}
	})
	t.Cleanup(func() { _ = near.Close() })
	return c
}

func (c *console) seen() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// await waits until a text is on the terminal.
func (c *console) await(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(c.seen(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("%q is not on the terminal:\n%q", text, c.seen())
			return
		}
	}
}

// run runs weir on the terminal, and returns what was written when it ended.
func (c *console) run(ctx context.Context, args ...string) (code int, text string) {
	code = run(ctx, args, c.far, c.far, c.far)
	_ = c.far.Close()
	c.reading.Wait()
	return code, c.seen()
}

func TestWatch_DrawsOnATerminalAndGivesItBack(t *testing.T) {
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	node, server := newRestless(t)
	c := newConsole(t, 90, 30)
	go func() {
		c.await(t, "Ctrl-C ends this view")
		node.mode.Store("down")
		c.await(t, "trying again: cannot reach")
		node.mode.Store("up")
		node.end(rollout.RolledBack)
	}()
	code, text := c.run(t.Context(), "rollout", "watch", "shop-1", "--control", server.URL)
	if code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	if strings.Count(text, openScreen) != 1 || strings.Count(text, closeScreen) != 1 || strings.Count(text, "\x1b[1mshop-1") < 2 {
		t.Errorf("the terminal got %q", text)
	}
	after := text[strings.Index(text, closeScreen)+len(closeScreen):]
	for _, want := range []string{"rolled_back", "EVENTS", "ended rolled_back, not succeeded", "weir rollout why shop-1"} {
		if !strings.Contains(after, want) {
			t.Errorf("%q does not stay on the terminal: %q", want, after)
		}
	}
	if strings.Contains(after, "Ctrl-C") {
		t.Errorf("a finished watch still offers its end: %q", after)
	}
}

func TestWatch_InterruptedGivesTheTerminalBack(t *testing.T) {
	t.Setenv("TERM", "xterm")
	_, server := newRestless(t)
	c := newConsole(t, 90, 30)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { c.await(t, "Ctrl-C ends this view"); cancel() }()
	code, text := c.run(ctx, "rollout", "watch", "shop-1", "--control", server.URL)
	if code != exitFailed || strings.Count(text, closeScreen) != 1 || !strings.Contains(text, "the rollout goes on") {
		t.Errorf("exit code %d, %q", code, text)
	}
}

func TestTerminal_DumbAndColourlessOnesAreRespected(t *testing.T) {
	node, server := newRestless(t)
	node.end(rollout.Succeeded)
	f := func(term, noColor string, want, not string) {
		t.Helper()
		t.Setenv("TERM", term)
		t.Setenv("NO_COLOR", noColor)
		c := newConsole(t, 90, 30)
		code, text := c.run(t.Context(), "rollout", "watch", "shop-1", "--control", server.URL)
		if code != exitDone || !strings.Contains(text, want) || strings.Contains(text, not) {
			t.Errorf("TERM=%s NO_COLOR=%s: exit code %d, %q", term, noColor, code, text)
		}
	}
	f("xterm", "1", openScreen, "\x1b[1m")
	f("xterm", "", "\x1b[1m", "2026-01-05T14:02:10Z")
	f("dumb", "", "2026-01-05T14:02:10Z", "\x1b")
}

func TestTop_IsLiveAndTakesKeys(t *testing.T) {
	leavesNothing(t)
	t.Setenv("TERM", "xterm")
	node, server := newRestless(t)
	c := newConsole(t, 90, 30)
	go func() {
		c.await(t, "by requests")
		_, _ = c.near.WriteString("9")
		c.await(t, "by p99")
		node.mode.Store("down")
		c.await(t, "trying again")
		node.mode.Store("up")
		_, _ = c.near.WriteString("/sh\r")
		c.await(t, "filter: sh")
		_, _ = c.near.WriteString("q")
	}()
	code, text := c.run(t.Context(), "top", "--every", "200ms", "--control", server.URL)
	if code != exitDone || strings.Count(text, closeScreen) != 1 {
		t.Errorf("exit code %d, %q", code, text)
	}
	_ = c.near.Close()
	server.Close()
}
