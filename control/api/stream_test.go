package api

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// A reader whose token was removed, or whose session is over, is not told on.
func TestStream_EndsWithTheRightToRead(t *testing.T) {
	var asked atomic.Int64
	ended := make(chan error, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := stream{w: w, control: http.NewResponseController(w), beat: time.Millisecond, allowed: func() bool { return asked.Add(1) < 3 }}
		ended <- s.run(r.Context(), &eventFilter{}, nil)
	}))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil || asked.Load() != 3 {
			t.Fatalf("asked %d times: %v", asked.Load(), err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("the stream goes on")
	}
}
