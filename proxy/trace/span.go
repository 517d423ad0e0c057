// Package trace sends spans to a collector, by OTLP over HTTP. Spans that it
// cannot take or send are dropped and counted: no request ever waits for it.
package trace

import (
	"net/http"
	"strings"
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

// Span is what weir did for one request.
type Span struct {
	Trace  [16]byte
	ID     [8]byte
	Parent [8]byte // zero: the trace begins here

	Start, End time.Time
	Upstream   time.Duration // from dispatch to the final head; 0: there was none

	Method, Host, Path string
	Client, RequestID  string
	TLS                bool

	Service, Version, Lane, Endpoint string

	Status int    // 0: the client left before it got one
	Reason string // why it failed; empty: it did not
}

// maxText bounds one value of a client's.
const maxText = 512

// proto is the span by the semantic conventions for HTTP servers.
func (s *Span) proto() *tracepb.Span {
	p := &tracepb.Span{
		TraceId: s.Trace[:], SpanId: s.ID[:], Kind: tracepb.Span_SPAN_KIND_SERVER,
		Name: s.name(), StartTimeUnixNano: uint64(s.Start.UnixNano()), EndTimeUnixNano: uint64(s.End.UnixNano()),
	}
	if s.Parent != [8]byte{} {
		p.ParentSpanId = s.Parent[:]
	}
	if s.Status >= 500 {
		p.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: s.Reason}
	}
	scheme := "http"
	if s.TLS {
		scheme = "https"
	}
	for _, a := range [][2]string{
		{"http.request.method", s.Method}, {"url.scheme", scheme}, {"url.path", s.Path}, {"server.address", s.Host},
		{"client.address", s.Client}, {"error.type", s.Reason}, {"weir.request_id", s.RequestID},
		{"weir.service", s.Service}, {"weir.version", s.Version}, {"weir.lane", s.Lane}, {"weir.endpoint", s.Endpoint},
	} {
		if a[1] != "" {
			p.Attributes = append(p.Attributes, text(a[0], a[1]))
		}
	}
	if s.Status != 0 {
		p.Attributes = append(p.Attributes, &commonpb.KeyValue{Key: "http.response.status_code",
			Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: int64(s.Status)}}})
	}
	if s.Upstream > 0 {
		p.Attributes = append(p.Attributes, &commonpb.KeyValue{Key: "weir.upstream_seconds",
			Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: s.Upstream.Seconds()}}})
	}
	return p
}

// name has few values, as names of spans must.
func (s *Span) name() string {
	method := "HTTP"
	switch s.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		method = s.Method
	}
	return strings.TrimSpace(method + " " + s.Service)
}

func text(key, value string) *commonpb.KeyValue {
	if len(value) > maxText {
		value = value[:maxText]
	}
	// Protobuf takes only UTF-8, and one bad value would cost the whole batch.
	value = strings.ToValidUTF8(value, "\ufffd")
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}

func request(spans []*Span, service, node, version string) *tracepb.TracesData {
	list := make([]*tracepb.Span, len(spans))
	for i, s := range spans {
		list[i] = s.proto()
	}
	return &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: &resourcepb.Resource{Attributes: []*commonpb.KeyValue{
			text("service.name", service), text("service.instance.id", node), text("service.version", version),
		}},
		ScopeSpans: []*tracepb.ScopeSpans{{Scope: &commonpb.InstrumentationScope{Name: "github.com/weirproxy/weir"}, Spans: list}},
	}}}
}
