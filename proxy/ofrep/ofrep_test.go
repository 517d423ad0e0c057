package ofrep

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

func keyring(t testing.TB) *route.Keyring {
	t.Helper()
	keys, err := route.NewKeyring(strings.NewReader(strings.Repeat("seed", 64)))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// flagOf is a flag of the given values, all users on the first by name.
func flagOf(t testing.TB, name string, values []string, change func(*route.Flag)) *route.Flag {
	f := route.Flag{Name: name, Split: route.NewSplit(nil, len(values)), KeyBy: route.Address}
	for i, value := range values {
		f.Variants = append(f.Variants, route.Variant{Name: "v" + strconv.Itoa(i), Value: json.RawMessage(value), Recorder: stats.NewRecorder(1)})
	}
	if change != nil {
		change(&f)
	}
	return route.NewFlag(f, keyring(t))
}

// half gives half of the users the second variant.
func half(f *route.Flag) {
	labels := make(route.Labels, route.Buckets)
	for i := range route.Buckets / 2 {
		labels[i] = 1
	}
	f.Split, f.Mixed = route.NewSplit(labels, len(f.Variants)), true
}

func table(t testing.TB) *atomic.Pointer[route.Table] {
	t.Helper()
	made, err := route.NewTable(1, nil)
	if err != nil {
		t.Fatal(err)
	}
	pro := func(name string, values ...string) func(*route.Flag) {
		return func(f *route.Flag) {
			f.Rules = []route.FlagRule{{Variant: 1, Share: route.Buckets, All: []route.Condition{route.NewCondition(route.Attribute, name, values, 0, nil, "")}}}
		}
	}
	made.Flags = []*route.Flag{
		flagOf(t, "bool", []string{"false", "true"}, pro("plan", "pro")),
		flagOf(t, "deep", []string{"1", "2.5"}, pro("account.tier.level", "3")),
		flagOf(t, "dev", []string{"false", "true"}, func(f *route.Flag) {
			f.Rules = []route.FlagRule{{Variant: 1, Share: route.Buckets, Environments: []string{"staging"}}}
		}),
		flagOf(t, "half", []string{"false", "true"}, half),
		flagOf(t, "killed", []string{`"off"`, `"on"`}, func(f *route.Flag) { half(f); f.Killed = true }),
		flagOf(t, "object", []string{`{"bg":"#000","n":[1,2]}`}, nil),
	}
	tables := new(atomic.Pointer[route.Table])
	tables.Store(made)
	return tables
}

// ask posts a body and returns what came.
func ask(t testing.TB, h http.Handler, path, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHandler_EvaluatesOne(t *testing.T) {
	h := NewHandler(Options{Tables: table(t)})
	f := func(flag, body string, status int, want string) {
		t.Helper()
		w := ask(t, h, "/ofrep/v1/evaluate/flags/"+flag, body)
		if got := w.Body.String(); w.Code != status || !strings.Contains(got, want) || !json.Valid([]byte(got)) {
			t.Errorf("%s with %s: %d %s, want %d %s", flag, body, w.Code, got, status, want)
		}
	}
	f("bool", `{"context":{"targetingKey":"u","plan":"pro"}}`, 200, `{"key":"bool","reason":"TARGETING_MATCH","variant":"v1","value":true}`)
	f("bool", `{"context":{"plan":"free"}}`, 200, `{"key":"bool","reason":"STATIC","variant":"v0","value":false}`)
	f("bool", ``, 200, `"value":false`)
	f("deep", `{"context":{"account":{"tier":{"level":3}}}}`, 200, `"value":2.5`)
	f("deep", `{"context":{"account.tier":{"level":"3"}}}`, 200, `"value":1`)
	f("deep", `{"context":{"account":{"tier":[3]}}}`, 200, `"value":1`)
	f("object", `{"context":{}}`, 200, `"value":{"bg":"#000","n":[1,2]}`)
	f("killed", `{}`, 200, `{"key":"killed","reason":"DEFAULT","variant":"v0","value":"off"}`)
	f("half", `{"context":{"targetingKey":"u"}}`, 200, `"reason":"SPLIT"`)
	f("half", `{"context":{"plan":"pro"}}`, 400, `{"key":"half","errorCode":"TARGETING_KEY_MISSING"`)
	f("half", `{"context":{"targetingKey":7}}`, 400, `{"key":"half","errorCode":"INVALID_CONTEXT"`)
	f("half", `{"context":`, 400, `{"key":"half","errorCode":"PARSE_ERROR"`)
	f("half", `{"context":"u"}`, 400, `{"key":"half","errorCode":"INVALID_CONTEXT"`)
	f("half", `{"context":[]}`, 400, `"errorCode":"INVALID_CONTEXT"`)
	f("half", `[]`, 400, `"errorCode":"PARSE_ERROR"`)
	f("other", `{}`, 404, `{"key":"other","errorCode":"FLAG_NOT_FOUND"`)
	f("half", `{"context":{"x":"`+strings.Repeat("x", maxBody)+`"}}`, 413, `"errorCode":"INVALID_CONTEXT"`)
	h.options.Tables = new(atomic.Pointer[route.Table])
	f("bool", `{}`, 503, `"errorCode":"GENERAL"`)
}

func TestHandler_EvaluatesAllAndSaysWhenNothingChanged(t *testing.T) {
	tables := table(t)
	h := NewHandler(Options{Tables: tables})
	const about = `{"context":{"targetingKey":"user-1"}}`
	w := ask(t, h, "/ofrep/v1/evaluate/flags", about)
	var got struct {
		Flags []struct {
			Key       string `json:"key"`
			Variant   string `json:"variant"`
			ErrorCode string `json:"errorCode"`
		} `json:"flags"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 || len(got.Flags) != 6 {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	tag := w.Header().Get("ETag")
	for _, header := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		if w := ask(t, h, "/ofrep/v1/evaluate/flags", about, "If-None-Match", header); w.Code != 304 || w.Body.Len() != 0 {
			t.Errorf("with %s: %d %s", header, w.Code, w.Body)
		}
	}
	changed := *tables.Load()
	changed.Flags = append([]*route.Flag(nil), changed.Flags...)
	changed.Flags[0] = flagOf(t, "bool", []string{"true"}, nil)
	tables.Store(&changed)
	if w := ask(t, h, "/ofrep/v1/evaluate/flags", about, "If-None-Match", tag); w.Code != 200 || w.Header().Get("ETag") == tag {
		t.Errorf("after a change: %d with %s", w.Code, w.Header().Get("ETag"))
	}
	w = ask(t, h, "/ofrep/v1/evaluate/flags", `{}`)
	if !strings.Contains(w.Body.String(), `{"key":"half","errorCode":"TARGETING_KEY_MISSING"`) || !strings.Contains(w.Body.String(), `{"key":"object",`) {
		t.Errorf("about nobody: %s", w.Body)
	}
}

func TestHandler_LetsInWhoHasAKey(t *testing.T) {
	wait := time.Duration(0)
	h := NewHandler(Options{Tables: table(t), Authorize: func(key string, _ *http.Request) (string, bool, time.Duration) {
		return map[string]string{"good": "", "dev": "staging"}[key], key == "good" || key == "dev", wait
	}})
	f := func(status int, want string, headers ...string) {
		t.Helper()
		if w := ask(t, h, "/ofrep/v1/evaluate/flags/dev", `{}`, headers...); w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("with %v: %d %s, want %d %s", headers, w.Code, w.Body, status, want)
		}
	}
	f(200, `"value":false`, "Authorization", "Bearer good")
	f(200, `"value":true`, "Authorization", "bearer dev")
	f(200, `"value":true`, "X-API-Key", "dev")
	f(401, `"errorCode":"GENERAL"`)
	f(401, `"errorCode":"GENERAL"`, "Authorization", "Basic good")
	f(401, `"errorCode":"GENERAL"`, "X-API-Key", "other")
	wait = 7 * time.Second
	w := ask(t, h, "/ofrep/v1/evaluate/flags", `{}`, "X-API-Key", "other")
	if w.Code != 429 || w.Header().Get("Retry-After") != "8" {
		t.Errorf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
}

func TestHandler_AnswersBrowsersOfItsOriginsAlone(t *testing.T) {
	h := NewHandler(Options{Tables: table(t), Origins: []string{"https://shop.example.com"}})
	preflight := func(origin string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("OPTIONS", "/ofrep/v1/evaluate/flags", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", "POST")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	if w := preflight("https://shop.example.com"); w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") != "https://shop.example.com" ||
		!strings.Contains(w.Header().Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := preflight("https://evil.example.com"); w.Code == 204 || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if w := ask(t, h, "/ofrep/v1/evaluate/flags", "{}", "Origin", "https://shop.example.com"); w.Header().Get("Access-Control-Allow-Origin") == "" || w.Header().Get("Vary") != "Origin" {
		t.Errorf("the page cannot read the answer: %v", w.Header())
	}
}

// FuzzParse feeds any body to the handler: it answers with JSON, and never 5xx.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{``, `{}`, `{"context":{"targetingKey":"u","plan":"pro"}}`, `{"context":{"account":{"tier":{"level":3}}}}`, `{"context":null}`, `[`, `{"context":{"targetingKey":null}}`} {
		f.Add(seed)
	}
	h := NewHandler(Options{Tables: table(f)})
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/deep"} {
			w := ask(t, h, path, body)
			if data, _ := io.ReadAll(w.Body); w.Code >= 500 || !json.Valid(data) {
				t.Fatalf("%s with %q: %d %s", path, body, w.Code, data)
			}
		}
	})
}

func BenchmarkHandler_EvaluateOne(b *testing.B) {
	h := NewHandler(Options{Tables: table(b)})
	b.ReportAllocs()
	for b.Loop() {
		r := httptest.NewRequest("POST", "/ofrep/v1/evaluate/flags/bool", strings.NewReader(`{"context":{"targetingKey":"user-1","plan":"pro"}}`))
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}
