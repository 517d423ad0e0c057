package main

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/VictoriaMetrics/metrics"

	"github.com/weirproxy/weir/control/exposition"
	"github.com/weirproxy/weir/proxy"
)

// writeMetrics writes the whole page of this node.
func (n *node) writeMetrics(w io.Writer) {
	n.controller.WriteMetrics(w)
	var p exposition.Page
	n.writeEdge(&p)
	n.observers.writeMetrics(&p)
	writeExpiries(&p, n.tls)
	p.Gauge("weir_ready", "1 if /readyz says that the node takes traffic.").Add(exposition.Flag(n.ready() == nil))
	p.Gauge("weir_build_info", "1, with what runs here.").Add(1, "version", version(), "goversion", runtime.Version())
	_, _ = p.WriteTo(w) // the reader went away if this fails
	writeProcess(w)
}

// writeEdge writes what clients do that reaches no version.
func (n *node) writeEdge(p *exposition.Page) {
	rejections := p.Counter("weir_client_rejections_total", "Requests and connections refused before a version was chosen, by reason.")
	n.handler.Rejections(func(reason proxy.Rejection, requests uint64) {
		rejections.Add(float64(requests), "reason", reason.String())
	})
	p.Counter("weir_stale_retries_total", "Requests sent again because their endpoint had closed the connection that was kept.").Add(float64(n.handler.StaleRetries()))
	p.Counter("weir_panics_total", "Requests that ended in a defect of weir.").Add(float64(n.handler.Panics()))
	p.Gauge("weir_client_connections", "Open client connections.").Add(float64(n.server.Connections()))
	p.Gauge("weir_tunnels_open", "Upgraded connections, WebSockets say.").Add(float64(n.handler.Tunnels()))
}

// writeExpiries writes when certificates end. Listeners may share one.
func writeExpiries(p *exposition.Page, all []*proxy.TLS) {
	f := p.Gauge("weir_certificate_expires_timestamp_seconds", "When the certificate of a file that is in use ends, since 1970.")
	written := map[string]bool{}
	for _, t := range all {
		for _, e := range t.Expiries() {
			if !written[e.File] {
				written[e.File] = true
				f.Add(float64(e.At.Unix()), "file", e.File)
			}
		}
	}
}

// writeProcess writes the metrics of the process and of Go's runtime.
func writeProcess(w io.Writer) {
	metrics.ExposeMetadata(true)
	var text bytes.Buffer
	metrics.WriteProcessMetrics(&text)
	metrics.WriteFDMetrics(&text)
	fmt.Fprint(w, helped(text.String()))
}

// helped gives families a description, which the library has none of, and calls
// counters what their names say they are.
func helped(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "# HELP ") && len(fields) == 3:
			fmt.Fprintf(&b, "# HELP %s %s\n", fields[2], helpOf(fields[2]))
		case strings.HasPrefix(line, "# TYPE ") && strings.HasSuffix(fields[2], "_total"):
			fmt.Fprintf(&b, "# TYPE %s counter\n", fields[2])
		default:
			b.WriteString(line)
		}
	}
	return b.String()
}

func helpOf(name string) string {
	words := strings.ReplaceAll(name, "_", " ")
	if rest, ok := strings.CutPrefix(words, "go "); ok {
		return "Of Go's runtime: " + rest + "."
	}
	return "Of the process, as the system counts it: " + strings.TrimPrefix(words, "process ") + "."
}
