package trace

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// export sends n spans to a collector that answers as status says, and waits
// for the end of Run.
func export(t *testing.T, o Options, n int, status func(try int64) int) (e *Exporter, got int) {
	t.Helper()
	var tries atomic.Int64
	var mu sync.Mutex
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		code := status(tries.Add(1))
		body, _ := io.ReadAll(r.Body)
		d := new(tracepb.TracesData)
		if err := proto.Unmarshal(body, d); err != nil {
			t.Error(err)
		}
		if code == http.StatusOK {
			mu.Lock()
			got += len(d.ResourceSpans[0].ScopeSpans[0].Spans)
			mu.Unlock()
		}
		w.WriteHeader(code)
	}))
	defer collector.Close()
	o.URL, o.Every = collector.URL, time.Millisecond
	e = NewExporter(o, zap.NewNop())
	for range n {
		e.Offer(&Span{Start: time.Now(), End: time.Now(), Method: "GET"})
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = e.Run(ctx) })
	for deadline := time.Now().Add(20 * time.Second); e.Sent()+e.Dropped() < uint64(n) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	cancel()
	running.Wait()
	mu.Lock()
	defer mu.Unlock()
	return e, got
}

func TestExporter_EverySpanIsSentOrCounted(t *testing.T) {
	good := func(int64) int { return http.StatusOK }
	for name, tc := range map[string]struct {
		queue, spans int
		status       func(int64) int
		want         int
	}{
		"one batch":        {0, 10, good, 10},
		"several batches":  {0, 3*batch - 1, good, 3*batch - 1},
		"queue is full":    {100, 150, good, 100},
		"refused for good": {0, 10, func(int64) int { return http.StatusBadRequest }, 0},
		"busy once": {0, 10, func(try int64) int {
			if try == 1 {
				return http.StatusServiceUnavailable
			}
			return http.StatusOK
		}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			e, got := export(t, Options{Queue: tc.queue}, tc.spans, tc.status)
			if got != tc.want || e.Sent() != uint64(tc.want) || e.Sent()+e.Dropped() != uint64(tc.spans) {
				t.Errorf("%d arrived, %d sent, %d dropped of %d; want %d", got, e.Sent(), e.Dropped(), tc.spans, tc.want)
			}
		})
	}
}
