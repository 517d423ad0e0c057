//go:build unix

package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

// pair is both sides of a connection.
func pair(t *testing.T) (near, far *net.TCPConn, raw syscall.RawConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	near, far = c.(*net.TCPConn), s.(*net.TCPConn)
	if raw, err = near.SyscallConn(); err != nil {
		t.Fatal(err)
	}
	return near, far, raw
}

// eventually asks until something arrived.
func eventually(t *testing.T, raw syscall.RawConn, what string, ok func(fd uintptr) bool) {
	t.Helper()
	for began, done := time.Now(), false; !done; time.Sleep(time.Millisecond) {
		if err := raw.Control(func(fd uintptr) { done = ok(fd) }); err != nil {
			t.Fatal(err)
		}
		if !done && time.Since(began) > 10*time.Second {
			t.Fatalf("never %s", what)
		}
	}
}

func TestSocket_TellsNothingBytesAndTheEndApart(t *testing.T) {
	_, far, raw := pair(t)
	buf := make([]byte, 8)
	_ = raw.Control(func(fd uintptr) {
		if n, again, err := Read(fd, buf); n != 0 || !again || err != nil {
			t.Errorf("nothing is there, and Read says %d, %v, %v", n, again, err)
		}
		if !Quiet(fd) || Pending(fd) || Ended(fd) {
			t.Error("a silent socket is not seen as one")
		}
	})
	_, _ = io.WriteString(far, "hello")
	eventually(t, raw, "pending", Pending)
	_ = raw.Control(func(fd uintptr) {
		if Quiet(fd) || Ended(fd) {
			t.Error("bytes are not seen")
		}
		if n, again, err := Read(fd, buf); string(buf[:n]) != "hello" || again || err != nil {
			t.Errorf("Read says %q, %v, %v", buf[:n], again, err)
		}
	})
	_ = far.CloseWrite()
	eventually(t, raw, "ended", func(fd uintptr) bool { return !Quiet(fd) })
	_ = raw.Control(func(fd uintptr) {
		if n, again, err := Read(fd, buf); n != 0 || again || err != io.EOF {
			t.Errorf("at the end Read says %d, %v, %v", n, again, err)
		}
		if Pending(fd) {
			t.Error("the end passes for bytes")
		}
	})
}

func TestSocket_WriteStopsWhenFull(t *testing.T) {
	near, far, raw := pair(t)
	if err := errors.Join(near.SetWriteBuffer(4<<10), far.SetReadBuffer(4<<10)); err != nil {
		t.Fatal(err)
	}
	all := bytes.Repeat([]byte("0123456789"), 100<<10)
	sent := 0
	_ = raw.Control(func(fd uintptr) {
		n, err := Write(fd, all)
		if n == len(all) || err != nil {
			t.Errorf("%d bytes were taken, %v", n, err)
		}
		sent = n
	})
	if err := near.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(far); !bytes.Equal(got, all[:sent]) || err != nil {
		t.Errorf("%d bytes arrived of %d, %v", len(got), sent, err)
	}
	_ = raw.Control(func(fd uintptr) {
		if _, err := Write(fd, all[:1]); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("a write after the end says %v", err)
		}
	})
}
