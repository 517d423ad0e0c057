package trace

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

// Options say where spans go.
type Options struct {
	// URL takes them, with its path: http://127.0.0.1:4318/v1/traces.
	URL string

	// Service, Node and Version describe the sender.
	Service, Node, Version string

	// Queue is how many spans may wait; those beyond are dropped. 0 means 2048
	// (OpenTelemetry's default).
	Queue int

	// Every is the longest time that a span waits for a batch. 0 means 5 s
	// (OpenTelemetry's default).
	Every time.Duration
}

// Exporter sends spans in batches. Offer may be called by any number of
// goroutines; Run sends.
type Exporter struct {
	options Options
	log     *zap.Logger
	client  *http.Client
	queue   chan *Span

	sent, dropped atomic.Uint64
	down          bool // the last batch was lost; Run's alone
}

const (
	batch = 512 // spans sent at once at most (OpenTelemetry's default)
	// sending bounds one try, and tries how many a batch gets.
	sending  = 5 * time.Second
	tries    = 3
	farewell = 2 * time.Second
)

// NewExporter returns an Exporter. It sends nothing until Run.
func NewExporter(o Options, log *zap.Logger) *Exporter {
	if o.Queue <= 0 {
		o.Queue = 2048
	}
	if o.Every <= 0 {
		o.Every = 5 * time.Second
	}
	return &Exporter{options: o, log: log, client: &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConns: 1, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: sending,
	}}, queue: make(chan *Span, o.Queue)}
}

// Offer queues the span, or drops it if the queue is full. The span is the
// exporter's from then on.
func (e *Exporter) Offer(s *Span) {
	select {
	case e.queue <- s:
	default:
		e.dropped.Add(1)
	}
}

// Sent is the number of spans that a collector took.
func (e *Exporter) Sent() uint64 { return e.sent.Load() }

// Dropped is the number of spans that were not sent.
func (e *Exporter) Dropped() uint64 { return e.dropped.Load() }

// Run sends until ctx ends, and then what is queued, within two seconds. Call
// it once.
func (e *Exporter) Run(ctx context.Context) error {
	defer e.client.CloseIdleConnections()
	tick := time.NewTicker(e.options.Every)
	defer tick.Stop()
	var spans []*Span
	for {
		select {
		case s := <-e.queue:
			if spans = append(spans, s); len(spans) < batch {
				continue
			}
		case <-tick.C:
		case <-ctx.Done():
			e.finish(spans)
			return nil
		}
		e.send(ctx, spans)
		clear(spans)
		spans = spans[:0]
	}
}

// finish sends what is left, while there is time.
func (e *Exporter) finish(spans []*Span) {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	for {
		select {
		case s := <-e.queue:
			if spans = append(spans, s); len(spans) < batch {
				continue
			}
		default:
			e.send(ctx, spans)
			return
		}
		e.send(ctx, spans)
		spans = spans[:0]
	}
}

// send sends a batch, again if the collector asks for that, and drops it if
// that is of no use. It logs the first loss of a row, and its end.
func (e *Exporter) send(ctx context.Context, spans []*Span) {
	if len(spans) == 0 {
		return
	}
	body, err := proto.Marshal(request(spans, e.options.Service, e.options.Node, e.options.Version))
	again := err == nil
	for try := 1; again; try++ {
		if again, err = e.post(ctx, body); err == nil || try == tries {
			break
		}
		select {
		case <-ctx.Done():
			again = false
		case <-time.After(time.Duration(try) * time.Second):
		}
	}
	if err == nil {
		e.sent.Add(uint64(len(spans)))
		if e.down {
			e.log.Info("spans are sent again")
		}
	} else {
		e.dropped.Add(uint64(len(spans)))
		if !e.down {
			e.log.Warn("spans cannot be sent", zap.Error(err))
		}
	}
	e.down = err != nil
}

// post tries once. again says that another try may help (section "Failures" of
// OTLP/HTTP).
func (e *Exporter) post(ctx context.Context, body []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, sending)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.options.URL, bytes.NewReader(body))
	if err != nil {
		return false, fmt.Errorf("cannot send spans to %q: %w", e.options.URL, err)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := e.client.Do(req)
	if err != nil {
		return true, fmt.Errorf("cannot send spans: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		again = true
	}
	if resp.StatusCode/100 != 2 {
		return again, fmt.Errorf("cannot send spans to %q: it answered %s", e.options.URL, resp.Status)
	}
	return false, nil
}
