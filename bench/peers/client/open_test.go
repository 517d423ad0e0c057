package main

import (
	"net"
	"strings"
	"testing"
	"time"
)

// answering returns a connection whose other side takes one request and sends
// parts of an answer, one write each.
func answering(t *testing.T, parts ...string) net.Conn {
	t.Helper()
	here, there := net.Pipe()
	t.Cleanup(func() { here.Close() })
	go func() {
		defer there.Close()
		if _, err := there.Read(make([]byte, 1024)); err != nil {
			return
		}
		for _, part := range parts {
			if _, err := there.Write([]byte(part)); err != nil {
				return
			}
		}
	}()
	return here
}

func TestExchange_ReadsTheWholeAnswerOrFails(t *testing.T) {
	f := func(says string, parts ...string) {
		t.Helper()
		err := exchange(answering(t, parts...), []byte("GET"), make([]byte, 100))
		if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%q: %v, want %q", parts, err, says)
		}
	}
	f("", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
	f("", "HTTP/1.1 200 OK\r\ncontent-len", "gth: 2\r\n\r", "\nh", "i")
	f("EOF", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh")
	f("no Content-Length", "HTTP/1.1 200 OK\r\nX-A: 2\r\n\r\nhi")
	f("502", "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
	f("does not fit", "HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n", strings.Repeat("x", 200))
}

func TestAsk_SlowAnswerDelaysWhatWasDueMeanwhile(t *testing.T) {
	const pause, gap = 60 * time.Millisecond, 10 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		for first := true; ; first = false {
			if _, err := c.Read(make([]byte, 1024)); err != nil {
				return
			}
			if first {
				time.Sleep(pause)
			}
			if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")); err != nil {
				return
			}
		}
	}()
	o := options{address: l.Addr().String(), host: "a.test", path: "/", connections: 1, duration: 3 * gap}
	latencies, err := ask(o, 0, time.Now(), gap)
	if err != nil || len(latencies) != 3 {
		t.Fatalf("%d answers, %v; want 3", len(latencies), err)
	}
	// The second was due while the first was still unanswered.
	if latencies[0] < pause || latencies[1] < pause-gap {
		t.Errorf("latencies %v; the first two count the pause of %s from when they were due", latencies, pause)
	}
}
