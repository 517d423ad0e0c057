package proxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// uploading begins a POST of 1 MB and sends a little of it.
func (w *world) uploading() *client {
	c := w.dial()
	c.send("POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 100))
	return c
}

func TestUploads_SlowOnesLeaveRoomForEverybody(t *testing.T) {
	const limit = 20
	w := newWorld(t, func(_ *route.Service, o *Options) { o.MinRate, o.MinRateGrace = -1, 50*time.Millisecond }, newUpstream(t, func(c *upConn) {
		for c.request() != "" {
			c.write(hello)
		}
	}))
	pool := w.repool(0, upstream.Policy{Connections: 40, Pending: 40, Uploads: limit})
	endpoint := pool.Endpoints()[0]
	slow := make([]*client, 200)
	for i := range slow {
		slow[i] = w.uploading()
		if i < limit {
			waitUntil(t, "the slow upload is under way", func() bool { return endpoint.InFlight() == int64(i+1) })
		}
	}
	reader := w.dial()
	for range 100 {
		reader.send(get)
		reader.expect(hello)
	}
	body := strings.Repeat("y", 200_000)
	waitUntil(t, "an ordinary upload finds a place", func() bool {
		good := w.dial()
		defer good.Close()
		good.send(fmt.Sprintf("POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		resp, _ := good.answer("POST")
		return resp.StatusCode == http.StatusOK
	})
	waitUntil(t, "no more than the limit are left", func() bool { return endpoint.InFlight() <= limit })
	for _, c := range slow {
		c.Close()
	}
	// Whoever came when all places were taken by others as young was refused,
	// whoever was slow for longer timed out.
	totals := w.totals(0)
	if n := totals.Reasons[stats.Exhausted] + w.handler.rejections[BodyTimeout].Load(); n < uint64(len(slow)-limit) {
		t.Errorf("%d of the slow uploads ended, of whom all but %d had to", n, limit)
	}
	if n := w.handler.rejections[BodyTimeout].Load(); n == 0 {
		t.Error("none gave way")
	}
}

func TestUploads_OneThatGivesWayIsToldAndIsNoFailure(t *testing.T) {
	begun := make(chan struct{}, 2)
	w := newWorld(t, func(_ *route.Service, o *Options) { o.MinRate, o.MinRateGrace = -1, time.Millisecond }, newUpstream(t, func(c *upConn) {
		c.head()
		begun <- struct{}{}
		_, _ = io.Copy(io.Discard, c.br)
	}))
	w.repool(0, upstream.Policy{Uploads: 1})
	first := w.uploading()
	<-begun
	time.Sleep(50 * time.Millisecond) // its 100 bytes are slow now
	second := w.uploading()
	if resp, _ := first.answer("POST"); resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("the first got %d", resp.StatusCode)
	}
	first.expectEnd()
	<-begun
	second.Close()
	if totals := w.totals(0); totals.Errors() != 0 {
		t.Errorf("the version is charged with %d errors", totals.Errors())
	}
}
