package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/exposition"
	"github.com/weirproxy/weir/proxy"
	"github.com/weirproxy/weir/proxy/access"
	"github.com/weirproxy/weir/proxy/trace"
)

// observers are what hears of every request: the access log and the spans.
// Either may be nil.
type observers struct {
	access *access.Log
	spans  *trace.Exporter
}

// newObservers opens what the node file asks for.
func newObservers(config *configs.Node, log *zap.Logger) (o observers, err error) {
	if form := config.Log.Access; form != "" && form != "off" {
		formats := map[string]access.Format{"json": access.JSON, "common": access.Common, "combined": access.Combined}
		o.access, err = access.New(access.Options{
			Format: formats[form], Query: config.Log.AccessQuery, File: config.Log.AccessFile,
		}, log)
		if err != nil {
			return o, err
		}
	}
	if t := config.Trace; t != nil && t.OTLP != "" {
		o.spans = trace.NewExporter(trace.Options{URL: t.OTLP, Service: t.Service, Node: config.Name, Version: version()}, log)
	}
	return o, nil
}

// apply puts them into the options of the data plane.
func (o *observers) apply(config *configs.Node, to *proxy.Options) {
	to.Access = o.access
	if id := config.RequestID; id != nil {
		to.RequestID = proxy.RequestID{Header: id.Header, Return: id.Return}
	}
	if t := config.Trace; t != nil {
		to.Trace = proxy.Trace{Begin: true, Sample: uint64(*t.Sample), Spans: o.spans}
	}
}

// observe runs them until the function that it returns is called. SIGHUP opens
// the access log's file anew.
func (n *node) observe(failed chan<- error) (stop func()) {
	var stops []func()
	if log := n.observers.access; log != nil {
		stops = append(stops, n.spawn(failed, "access log", log.Run))
	}
	if n.config.Log.AccessFile != "" {
		stops = append(stops, n.spawn(failed, "SIGHUP", n.reopen))
	}
	if spans := n.observers.spans; spans != nil {
		stops = append(stops, n.spawn(failed, "spans", spans.Run))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

func (n *node) reopen(ctx context.Context) error {
	hups := make(chan os.Signal, 1)
	signal.Notify(hups, syscall.SIGHUP)
	defer signal.Stop(hups)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hups:
			n.observers.access.Reopen()
		}
	}
}

// writeMetrics writes what was lost.
func (o *observers) writeMetrics(p *exposition.Page) {
	lines := p.Counter("weir_access_log_dropped_total", "Lines of the access log that were not written.")
	if o.access != nil {
		lines.Add(float64(o.access.Dropped()))
	}
	spans := p.Counter("weir_spans_total", "Spans, by what became of them: sent or dropped.")
	if o.spans != nil {
		spans.Add(float64(o.spans.Sent()), "result", "sent")
		spans.Add(float64(o.spans.Dropped()), "result", "dropped")
	}
}
