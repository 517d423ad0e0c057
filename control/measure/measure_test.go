package measure

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/call"
	"github.com/weirproxy/weir/proxy/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T) *call.Client {
	t.Helper()
	c := call.NewClient(nil)
	t.Cleanup(c.Close)
	return c
}

func serve(t *testing.T, handler http.HandlerFunc) (url, address string) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL, strings.TrimPrefix(s.URL, "http://")
}

func TestSmoke_SaysWhatTheFirstFailedCheckDid(t *testing.T) {
	_, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/down":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/slow":
			<-r.Context().Done()
		default:
			_, _ = io.WriteString(w, "hello "+r.Host)
		}
	})
	c := client(t)
	f := func(check configs.Smoke, want string) {
		t.Helper()
		got := Smoke(t.Context(), c, Endpoint{Address: address, Host: "shop.example.com"}, []configs.Smoke{{Get: "/"}, check}, 20*time.Second)
		if want != "" {
			want = "GET " + check.Get + " of " + address + " " + want
		}
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	expect := func(e configs.SmokeExpect) configs.Smoke { return configs.Smoke{Get: "/a?b=c", Expect: e} }
	f(expect(configs.SmokeExpect{}), "")
	f(expect(configs.SmokeExpect{Status: 200, Contains: "hello shop.example.com", Within: configs.Duration(20 * time.Second)}), "")
	f(expect(configs.SmokeExpect{Status: 404}), "answered 200, not 404")
	f(expect(configs.SmokeExpect{Contains: "goodbye"}), `answered without "goodbye"`)
	f(configs.Smoke{Get: "/down"}, "answered 503, not 2xx")
	f(configs.Smoke{Get: "/down", Expect: configs.SmokeExpect{Status: 503}}, "")
	f(configs.Smoke{Get: "/slow", Expect: configs.SmokeExpect{Within: configs.Duration(50 * time.Millisecond)}}, "did not answer within 50ms")
	if got := Smoke(t.Context(), c, Endpoint{Address: "127.0.0.1:1"}, []configs.Smoke{{Get: "/"}}, time.Second); !strings.Contains(got, "GET / of 127.0.0.1:1 failed: no answer") {
		t.Errorf("nobody listens: %q", got)
	}
}

func TestSmoke_AsksEveryEndpointInItsProtocol(t *testing.T) {
	_, good := serve(t, func(http.ResponseWriter, *http.Request) {})
	_, bad := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	h2c := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			w.WriteHeader(http.StatusHTTPVersionNotSupported)
		}
	}))
	h2c.Config.Protocols = new(http.Protocols)
	h2c.Config.Protocols.SetUnencryptedHTTP2(true)
	h2c.Start()
	t.Cleanup(h2c.Close)
	c := client(t)
	checks := []configs.Smoke{{Get: "/"}}
	var all []Endpoint
	for range 10 {
		all = append(all, Endpoint{Address: good})
	}
	if got := SmokeAll(t.Context(), c, all, checks, 20*time.Second); got != "" {
		t.Errorf("all good: %q", got)
	}
	all = append(all, Endpoint{Address: bad})
	if got := SmokeAll(t.Context(), c, all, checks, 20*time.Second); !strings.Contains(got, bad) {
		t.Errorf("one bad: %q", got)
	}
	if got := SmokeAll(t.Context(), c, []Endpoint{{Address: h2c.Listener.Addr().String(), Link: upstream.Link{H2: true}}}, checks, 20*time.Second); got != "" {
		t.Errorf("h2c: %q", got)
	}
	for _, h2 := range []bool{false, true} {
		secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if (r.ProtoMajor == 2) != h2 {
				w.WriteHeader(http.StatusHTTPVersionNotSupported)
			}
		}))
		secure.EnableHTTP2 = true
		secure.StartTLS()
		t.Cleanup(secure.Close)
		at := Endpoint{Address: secure.Listener.Addr().String(), Link: upstream.Link{H2: h2, TLS: upstream.NewTLS(upstream.TLSFiles{Insecure: true})}}
		if got := SmokeAll(t.Context(), c, []Endpoint{at}, checks, 20*time.Second); got != "" {
			t.Errorf("TLS, h2 %v: %q", h2, got)
		}
		at.Link.TLS = upstream.NewTLS(upstream.TLSFiles{})
		if got := SmokeAll(t.Context(), c, []Endpoint{at}, checks, 20*time.Second); got == "" {
			t.Error("a certificate of nobody was taken")
		}
	}
}

const page = `# HELP process_resident_memory_bytes Resident memory size in bytes.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 1.048576e+06
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 12.5
# TYPE heap gauge
heap{pool="a}\"b"} 10
heap{pool="c"} 32 1700000000000
# TYPE latency histogram
latency_bucket{le="+Inf"} 1
latency_sum 1
latency_count 1
broken{a="} 1
empty{}
infinite +Inf
`

func TestResources_ReadsAPage(t *testing.T) {
	_, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/metrics", "/own":
			_, _ = io.WriteString(w, page)
		case "/html":
			_, _ = io.WriteString(w, "<html>no</html>")
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("# "+strings.Repeat("x", 998)+"\n", 5000))
		default:
			w.WriteHeader(404)
		}
	})
	c := client(t)
	none := math.NaN()
	f := func(r configs.Resources, memory, cpu float64, wrong string) {
		t.Helper()
		u, err := Resources(t.Context(), c, Endpoint{Address: address}, r)
		if wrong != "" {
			if err == nil || !strings.Contains(err.Error(), wrong) {
				t.Errorf("%+v: %v, want %q", r, err, wrong)
			}
			return
		}
		same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
		if err != nil || !same(u.Memory, memory) || !same(u.CPU, cpu) || u.At.IsZero() {
			t.Errorf("%+v: %+v, %v", r, u, err)
		}
	}
	f(configs.Resources{}, 1<<20, 12.5, "")
	f(configs.Resources{Path: "/own", Memory: "heap", CPU: "none"}, 42, none, "")
	f(configs.Resources{Memory: "latency", CPU: "none"}, 0, 0, "neither latency nor none")
	f(configs.Resources{Memory: "broken", CPU: "none"}, 0, 0, "its labels do not end")
	f(configs.Resources{Memory: "empty", CPU: "none"}, 0, 0, "it has no number")
	f(configs.Resources{Memory: "infinite", CPU: "heap"}, none, 42, "")
	f(configs.Resources{Path: "/none"}, 0, 0, "answered 404")
	f(configs.Resources{Path: "/html"}, 0, 0, "neither process_resident_memory_bytes")
	f(configs.Resources{Path: "/long"}, 0, 0, "longer than")
	f(configs.Resources{Port: 1}, 0, 0, "no answer")
}

func TestResources_OneReadablePageIsEnough(t *testing.T) {
	_, address := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) })
	c := client(t)
	r := configs.Resources{Timeout: configs.Duration(20 * time.Second)}
	got, err := ResourcesAll(t.Context(), c, []Endpoint{{Address: "127.0.0.1:1"}, {Address: address}}, r)
	if err != nil || len(got) != 1 || got[address].CPU != 12.5 {
		t.Errorf("one of two: %v, %v", got, err)
	}
	if _, err = ResourcesAll(t.Context(), c, []Endpoint{{Address: "127.0.0.1:1"}}, r); err == nil {
		t.Error("none of one: no error")
	}
	if _, err = ResourcesAll(t.Context(), c, nil, r); err == nil {
		t.Error("none at all: no error")
	}
}

func TestCPUBetween_TwoReadingsOfOneProcess(t *testing.T) {
	at := time.Unix(1700000000, 0)
	f := func(before, after Usage, want float64) {
		t.Helper()
		if got := CPUBetween(before, after); got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Errorf("%+v, %+v: %v, want %v", before, after, got, want)
		}
	}
	none := math.NaN()
	f(Usage{At: at, CPU: 10}, Usage{At: at.Add(10 * time.Second), CPU: 15}, .5)
	f(Usage{At: at, CPU: 10}, Usage{At: at.Add(10 * time.Second), CPU: 10}, 0)
	f(Usage{}, Usage{At: at, CPU: 15}, none)
	f(Usage{At: at, CPU: 10}, Usage{At: at.Add(time.Second), CPU: 1}, none) // it began anew
	f(Usage{At: at, CPU: 10}, Usage{At: at, CPU: 11}, none)
	f(Usage{At: at, CPU: none}, Usage{At: at.Add(time.Second), CPU: 11}, none)
}

func TestQuery_GivesOneNumberOrSaysWhyNot(t *testing.T) {
	var status int
	var body string
	url, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/query" || r.FormValue("query") != `sum(x{v="a&b"})` || r.Header.Get("Authorization") != "Bearer hush" {
			t.Errorf("asked %s %q with %q", r.URL, r.FormValue("query"), r.Header.Get("Authorization"))
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
	c := client(t)
	f := func(code int, answer string, want float64, wrong string) {
		t.Helper()
		status, body = code, answer
		got, err := Query(t.Context(), c, url+"/", `sum(x{v="a&b"})`, "hush")
		switch {
		case wrong != "" && (err == nil || !strings.Contains(err.Error(), wrong)):
			t.Errorf("%s: %v, want %q", answer, err, wrong)
		case wrong == "" && (err != nil || got != want):
			t.Errorf("%s: %v, %v", answer, got, err)
		}
	}
	result := func(kind, result string) string {
		return fmt.Sprintf(`{"status":"success","data":{"resultType":%q,"result":%s}}`, kind, result)
	}
	f(200, result("vector", `[{"metric":{"a":"b"},"value":[1700000000.1,"12.5"]}]`), 12.5, "")
	f(200, result("scalar", `[1700000000,"-3"]`), -3, "")
	f(200, result("vector", `[]`), 0, "no data")
	f(200, result("vector", `[{"value":[1,"1"]},{"value":[1,"2"]}]`), 0, "gives 2 series")
	f(200, result("vector", `[{"value":[1,"NaN"]}]`), 0, "no number")
	f(200, result("vector", `[{"value":[1,"+Inf"]}]`), 0, "no number")
	f(200, result("vector", `[{"value":[1,2]}]`), 0, "not Prometheus'")
	f(200, result("matrix", `[]`), 0, "gives a matrix")
	f(400, `{"status":"error","errorType":"bad_data","error":"parse error: no"}`, 0, "Prometheus answered 400: it refused the query: parse error: no")
	f(502, "<html>bad gateway</html>", 0, "Prometheus answered 502: the answer is not Prometheus'")
	f(200, "", 0, "not Prometheus'")
	f(200, strings.Repeat("x", maxResult+1), 0, "more than")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Query(ctx, c, url, "x", ""); err == nil {
		t.Error("a call that was ended gave no error")
	}
}

func FuzzParseUsage(f *testing.F) {
	f.Add([]byte(page))
	f.Add([]byte("process_resident_memory_bytes NaN\n"))
	f.Add([]byte("process_resident_memory_bytes{a=\"\\"))
	f.Fuzz(func(t *testing.T, page []byte) {
		u, err := parseUsage(page, defaultMemory, defaultCPU)
		if err == nil && (math.IsInf(u.Memory, 0) || math.IsInf(u.CPU, 0) || math.IsNaN(u.Memory) && math.IsNaN(u.CPU)) {
			t.Fatalf("%q: %+v", page, u)
		}
	})
}

func FuzzParseResult(f *testing.F) {
	f.Add([]byte(`{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`))
	f.Add([]byte(`{"status":"error","error":"\u00ff"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if v, err := parseResult(body); err == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
			t.Fatalf("%q: %v", body, v)
		}
	})
}
