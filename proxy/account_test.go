package proxy

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/weirproxy/weir/proxy/access"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/trace"
)

// newAccessLog runs an access log until the end of the test.
func newAccessLog(t testing.TB, o access.Options) *access.Log {
	t.Helper()
	o.Every = time.Millisecond
	log, err := access.New(o, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = log.Run(ctx) })
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return log
}

// lines waits for n lines and returns them decoded.
func (s *syncBuffer) lines(t testing.TB, n int) (out []map[string]any) {
	t.Helper()
	var lines []string
	waitUntil(t, "the lines are written", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		lines = strings.SplitAfter(s.b.String(), "\n")
		return len(lines) > n
	})
	for _, line := range lines[:len(lines)-1] {
		entry := map[string]any{}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		out = append(out, entry)
	}
	return out
}

func TestAccount_OneObjectPerRequestWithWhatBecameOfIt(t *testing.T) {
	var out syncBuffer
	log := newAccessLog(t, access.Options{Output: &out, Query: true})
	w := newWorld(t, func(_ *route.Service, o *Options) { o.Access = log }, answering(t, hello))
	w.exchange("GET /a?\"\\u000a HTTP/1.1\r\nHost: h\r\nReferer: there\r\nConnection: close\r\n\r\n")
	out.lines(t, 1)
	w.exchange("GET /\x01 HTTP/1.1\r\nHost: h\r\n\r\n")
	out.lines(t, 2)
	w.exchange("GET / HTTP/1.1\r\nHost: h\r\nUser-Agent: \"}\t{\xff\r\nConnection: close\r\n\r\n")
	out.lines(t, 3)
	w.exchange("\x00")
	entries := out.lines(t, 4)
	for i, want := range []map[string]any{
		{"status": 200.0, "version": "a", "lane": "split", "bytes": 5.0, "path": "/a", "query": "?\"\\u000a", "referer": "there",
			"service": "shop", "method": "GET", "host": "h", "client": "127.0.0.1", "protocol": "HTTP/1.1"},
		{"status": 400.0, "reason": "target", "service": nil, "request_id": nil, "trace_id": nil},
		{"status": 200.0, "path": "/", "query": nil, "user_agent": "\"}\t{\ufffd"},
		{"status": 400.0, "reason": "request_line", "method": ""},
	} {
		for key, value := range want {
			if entries[i][key] != value {
				t.Errorf("line %d: %s is %v, want %v", i+1, key, entries[i][key], value)
			}
		}
	}
	if entries[0]["upstream"].(float64) > entries[0]["duration"].(float64) {
		t.Errorf("longer at the endpoint than in all: %v", entries[0])
	}
}

// What passed through a tunnel must not get into the log in place of the head
// that opened it.
func TestAccount_TunnelIsLoggedByItsHead(t *testing.T) {
	var out syncBuffer
	log := newAccessLog(t, access.Options{Output: &out})
	w := newWorld(t, func(_ *route.Service, o *Options) { o.Access = log }, newUpstream(t, func(c *upConn) {
		c.head()
		c.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(c.Conn, c.br)
	}))
	c := w.dial()
	c.send("GET /room HTTP/1.1\r\nHost: chat.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	c.expect("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	secret := strings.Repeat("the secret of the tunnel ", 20)
	c.send(secret)
	c.expect(secret)
	c.Close()
	if e := out.lines(t, 1)[0]; e["method"] != "GET" || e["path"] != "/room" || e["host"] != "chat.test" || e["status"] != 101.0 {
		t.Errorf("got %v", e)
	}
}

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// seeing is an upstream that tells the heads it got.
func seeing(t testing.TB, answer string) (*rawUpstream, chan string) {
	heads := make(chan string, 16)
	return newUpstream(t, func(c *upConn) {
		for head := c.request(); head != ""; head = c.request() {
			heads <- head
			c.write(answer)
		}
	}), heads
}

func fieldsOf(head, name string) []string {
	var values []string
	for line := range strings.SplitSeq(head, "\r\n") {
		if n, v, ok := strings.Cut(line, ": "); ok && strings.EqualFold(n, name) {
			values = append(values, v)
		}
	}
	return values
}

func TestIdentity_RequestIDIsMadeUnlessATrustedProxyGaveOne(t *testing.T) {
	made := regexp.MustCompile("^[0-9a-f]{32}$")
	for name, tc := range map[string]struct {
		trusted bool
		sent    []string
		want    string // empty: one is made
	}{
		"none":               {true, nil, ""},
		"a stranger's":       {false, []string{"forged"}, ""},
		"a trusted proxy's":  {true, []string{"id-7.b"}, "id-7.b"},
		"two of a trusted":   {true, []string{"first", "second"}, "first"},
		"empty":              {true, []string{""}, ""},
		"too long":           {true, []string{strings.Repeat("a", 129)}, ""},
		"with a quote in it": {true, []string{`a"b`}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			u, heads := seeing(t, "HTTP/1.1 200 OK\r\nX-Request-Id: theirs\r\nContent-Length: 0\r\n\r\n")
			w := newWorld(t, func(_ *route.Service, o *Options) {
				o.RequestID = RequestID{Header: "X-Request-Id", Return: true}
				if tc.trusted {
					o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
				}
			}, u)
			c := w.dial()
			c.send("GET / HTTP/1.1\r\nHost: h\r\n")
			for _, id := range tc.sent {
				c.send("x-request-id: " + id + "\r\n")
			}
			c.send("\r\n")
			resp, _ := c.answer("GET")
			up, down := fieldsOf(<-heads, "X-Request-Id"), resp.Header["X-Request-Id"]
			if len(up) != 1 || len(down) != 1 || up[0] != down[0] || tc.want != "" && up[0] != tc.want || tc.want == "" && !made.MatchString(up[0]) {
				t.Errorf("up %q, down %q, want %q", up, down, tc.want)
			}
		})
	}
}

func TestIdentity_TraceparentIsPassedOnOrBegun(t *testing.T) {
	begun := regexp.MustCompile("^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$")
	for name, tc := range map[string]struct {
		sent  []string
		want  string // empty: one is begun
		state bool   // tracestate goes on
	}{
		"none":            {nil, "", false},
		"valid":           {[]string{parent}, parent, true},
		"not sampled":     {[]string{parent[:53] + "00"}, parent[:53] + "00", true},
		"later version":   {[]string{"01" + parent[2:] + "-more"}, "01" + parent[2:] + "-more", true},
		"version ff":      {[]string{"ff" + parent[2:]}, "", false},
		"more in 00":      {[]string{parent + "-more"}, "", false},
		"capitals":        {[]string{strings.ToUpper(parent)}, "", false},
		"short":           {[]string{parent[:54]}, "", false},
		"zero trace":      {[]string{"00-" + strings.Repeat("0", 32) + parent[35:]}, "", false},
		"zero parent":     {[]string{parent[:36] + strings.Repeat("0", 16) + "-01"}, "", false},
		"two of them":     {[]string{parent, parent}, "", false},
		"not hexadecimal": {[]string{strings.Replace(parent, "a", "g", 1)}, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			u, heads := seeing(t, hello)
			w := newWorld(t, func(_ *route.Service, o *Options) { o.Trace.Begin = true }, u)
			c := w.dial()
			c.send("GET / HTTP/1.1\r\nHost: h\r\nTracestate: a=b\r\n")
			for _, p := range tc.sent {
				c.send("traceparent: " + p + "\r\n")
			}
			c.send("\r\n")
			c.answer("GET")
			head := <-heads
			got := fieldsOf(head, "traceparent")
			if len(got) != 1 || tc.want != "" && got[0] != tc.want || tc.want == "" && (!begun.MatchString(got[0]) || got[0][3:35] == parent[3:35]) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if state := len(fieldsOf(head, "tracestate")) == 1; state != tc.state {
				t.Errorf("tracestate passed on: %t", state)
			}
		})
	}
}

func TestAccount_SampledRequestBecomesASpan(t *testing.T) {
	batches := make(chan *tracepb.TracesData, 16)
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		d := new(tracepb.TracesData)
		if err := proto.Unmarshal(body, d); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s with %v", r.URL, err)
		}
		batches <- d
	}))
	defer collector.Close()
	exporter := trace.NewExporter(trace.Options{URL: collector.URL + "/v1/traces", Service: "edge", Every: time.Millisecond}, zap.NewNop())
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = exporter.Run(ctx) })
	defer running.Wait()
	defer stop()
	u, heads := seeing(t, hello)
	w := newWorld(t, func(_ *route.Service, o *Options) {
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		o.Trace = Trace{Begin: true, Spans: exporter}
	}, u)
	c := w.dial()
	// Only the second is sampled.
	c.send("GET /a HTTP/1.1\r\nHost: h\r\ntraceparent: " + parent[:53] + "00\r\n\r\n")
	c.answer("GET")
	<-heads
	c.send("GET /b\xe2\x28 HTTP/1.1\r\nHost: h\r\ntraceparent: " + parent + "\r\n\r\n")
	c.answer("GET")
	up := fieldsOf(<-heads, "traceparent")
	var batch *tracepb.TracesData
	select {
	case batch = <-batches:
	case <-time.After(10 * time.Second):
		t.Fatal("no span came")
	}
	spans := batch.ResourceSpans[0].ScopeSpans[0].Spans
	if len(spans) != 1 {
		t.Fatalf("%d spans", len(spans))
	}
	s := spans[0]
	want := "00-" + hex.EncodeToString(s.TraceId) + "-" + hex.EncodeToString(s.SpanId) + "-01"
	if hex.EncodeToString(s.TraceId) != parent[3:35] || hex.EncodeToString(s.ParentSpanId) != parent[36:52] || len(up) != 1 || up[0] != want {
		t.Errorf("span %v, but the endpoint got %q", s, up)
	}
	if s.Name != "GET shop" || s.EndTimeUnixNano < s.StartTimeUnixNano || s.Status != nil {
		t.Errorf("got %v", s)
	}
	attributes := map[string]string{}
	for _, a := range s.Attributes {
		attributes[a.Key] = a.Value.GetStringValue()
	}
	if attributes["url.path"] != "/b\ufffd(" || attributes["weir.version"] != "a" {
		t.Errorf("attributes %v", attributes)
	}
	if exporter.Dropped() != 0 {
		t.Errorf("%d dropped", exporter.Dropped())
	}
}
