package upstream

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// asked returns a connection and its other side. It is reused if so wanted.
func asked(t *testing.T, reused bool) (*Conn, net.Conn) {
	t.Helper()
	ln, conns := accepting(t)
	g := NewRegistry(Options{})
	t.Cleanup(g.Close)
	e := g.Endpoint("s", "v", ln.Addr().String())
	c := acquire(t, e)
	if reused {
		c.Release()
		c = acquire(t, e)
	}
	t.Cleanup(func() { c.Close() })
	nc := <-conns
	t.Cleanup(func() { nc.Close() })
	return c, nc
}

// awaitAlive waits until what was done has arrived.
func awaitAlive(t *testing.T, c *Conn, want bool) {
	t.Helper()
	for began := time.Now(); c.Alive() != want; time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("the connection never became alive=%v", want)
		}
	}
}

func TestConn_AskSendsWithTheRead(t *testing.T) {
	for _, reused := range []bool{false, true} {
		c, nc := asked(t, reused)
		for range 3 {
			if !c.Ask([]byte("question")) {
				t.Fatal("refused")
			}
			go func() {
				got := make([]byte, len("question"))
				_, _ = io.ReadFull(nc, got)
				_, _ = nc.Write(bytes.ToUpper(got))
			}()
			if got, err := c.Reader.Peek(len("question")); string(got) != "QUESTION" || err != nil || c.Stale() {
				t.Fatalf("reused %v: %q, %v, stale %v", reused, got, err, c.Stale())
			}
			_, _ = c.Reader.Discard(len("question"))
		}
	}
}

func TestConn_AskSendsNothingOnAStaleConnection(t *testing.T) {
	for name, spoil := range map[string]func(nc *net.TCPConn){
		"half closed": func(nc *net.TCPConn) { nc.CloseWrite() },
		"speaking":    func(nc *net.TCPConn) { _, _ = io.WriteString(nc, "HTTP/1.1 200 OK\r\n\r\n") },
	} {
		c, nc := asked(t, true)
		spoil(nc.(*net.TCPConn))
		awaitAlive(t, c, false)
		c.Ask([]byte("question"))
		if got, err := c.Reader.Peek(1); len(got) > 0 || err == nil || !c.Stale() {
			t.Errorf("%s: %q, %v, stale %v", name, got, err, c.Stale())
		}
		c.Close()
		if sent, _ := io.ReadAll(nc); len(sent) > 0 {
			t.Errorf("%s: %q was sent", name, sent)
		}
	}
}

func TestConn_AskGoesOnAfterAFullSocket(t *testing.T) {
	c, nc := asked(t, true)
	if err := errors.Join(c.Conn.(*net.TCPConn).SetWriteBuffer(4<<10), nc.(*net.TCPConn).SetReadBuffer(4<<10)); err != nil {
		t.Fatal(err)
	}
	question := bytes.Repeat([]byte("0123456789abcde\n"), 4<<10)
	c.Ask(question)
	_ = c.SetDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Reader.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("nobody reads, and the error is %v", err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	got := make([]byte, len(question))
	go func() {
		_, _ = io.ReadFull(nc, got)
		_, _ = io.WriteString(nc, "answer")
	}()
	if answer, err := c.Reader.Peek(len("answer")); string(answer) != "answer" || err != nil {
		t.Fatalf("%q, %v", answer, err)
	}
	if !bytes.Equal(got, question) {
		t.Error("not every byte came once and in order")
	}
}

func TestConn_AskReadsAnAnswerThoughTheRequestCannotBeSent(t *testing.T) {
	c, nc := asked(t, false)
	_, _ = io.WriteString(nc, "too busy")
	awaitAlive(t, c, false)
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	c.Ask([]byte("question"))
	if answer, err := c.Reader.Peek(len("too busy")); string(answer) != "too busy" || err != nil {
		t.Fatalf("%q, %v", answer, err)
	}
	_, _ = c.Reader.Discard(len("too busy"))
	c.Ask([]byte("question"))
	if _, err := c.Reader.Peek(1); !errors.Is(err, syscall.EPIPE) || !c.Unsent() {
		t.Errorf("with no answer either: %v, unsent %v", err, c.Unsent())
	}
}

func TestConn_AskRefusesWhatIsNotSmall(t *testing.T) {
	c, _ := asked(t, true)
	if c.Ask(nil) || c.Ask(make([]byte, 65<<10)) {
		t.Error("taken")
	}
}
