package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/diagnose"
)

func TestLog_LevelIsChangedAndAudited(t *testing.T) {
	level := diagnose.NewLevel(zapcore.InfoLevel)
	b := newBench(t, func(o *api.Options) { o.Level = level })
	if l := b.want(200, b.do("GET", "/v1/log", "")); l["level"] != "info" || l["until"] != nil {
		t.Errorf("at first: %v", l)
	}
	b.want(200, b.do("PUT", "/v1/log", `{"level":"debug","for":"10m"}`, "X-Weir-Actor: ana"))
	if note := lastCommand[control.Note](b); note.Actor != "ana" || note.Object != "nodes/n1" || note.Text != "level of the log: info → debug for 10m" {
		t.Errorf("the trail says %+v", note)
	}
	l := b.want(200, b.do("GET", "/v1/log", ""))
	until, err := time.Parse(time.RFC3339, l["until"].(string))
	if l["level"] != "debug" || l["configured"] != "info" || err != nil || time.Until(until) > 10*time.Minute {
		t.Errorf("changed: %v", l)
	}
	b.wantProblem(422, b.do("PUT", "/v1/log", `{"level":"loud"}`))
	b.wantProblem(422, b.do("PUT", "/v1/log", `{"level":"debug","for":"2000h"}`), "168h")

	// At 3 a.m. etcd may be what is broken.
	b.control.Fault = &control.Error{Kind: control.Unavailable, Text: "etcd is gone"}
	r := b.want(200, b.do("PUT", "/v1/log", `{"level":"error"}`))
	if now, _ := level.Now(); now != zapcore.ErrorLevel || !strings.Contains(r["warnings"].([]any)[0].(string), "etcd is gone") {
		t.Errorf("without etcd the level is %s: %v", now, r)
	}
}

func TestDebug_OneAtATimeAndNotTooOften(t *testing.T) {
	b := newBench(t)
	r := b.do("POST", "/v1/debug", "")
	if r.status != 200 || r.header.Get("Content-Type") != "application/gzip" || !strings.Contains(r.header.Get("Content-Disposition"), "weir-debug-n1-") || !strings.HasPrefix(r.body, "\x1f\x8b") {
		t.Fatalf("status %d, %v", r.status, r.header)
	}
	if note := lastCommand[control.Note](b); note.Action != "debug bundle" {
		t.Errorf("the trail says %+v", note)
	}
	b.wantProblem(429, b.do("POST", "/v1/debug", ""), "made just now", "try again in")
	for _, cpu := range []string{"61s", "-1s", "soon"} {
		b.wantProblem(422, b.do("POST", "/v1/debug?cpu="+cpu, ""), "up to 60s")
	}
}

func TestDebug_ProfilesAreBoundedAndNoPageElsewhereStartsThem(t *testing.T) {
	b := newBench(t)
	if r := b.do("GET", "/debug/pprof/goroutine?debug=1", ""); r.status != 200 || !strings.HasPrefix(r.body, "goroutine profile:") {
		t.Errorf("status %d: %s", r.status, r.body)
	}
	b.wantProblem(422, b.do("GET", "/debug/pprof/profile?seconds=61", ""), "up to 60")
	b.wantProblem(422, b.do("GET", "/debug/pprof/heap?seconds=1e9", ""), "up to 60")
	b.wantProblem(403, b.do("GET", "/debug/pprof/heap", "", "Sec-Fetch-Site: cross-site"), "another site")
	b.wantProblem(404, b.do("GET", "/debug/pprof/cmdline", "")) // arguments may hold a token

	// The status address has no roles, so it has no profiles either.
	status := api.NewStatus(api.Options{Control: b.control, Node: &diagnose.Node{}, Level: diagnose.NewLevel(zapcore.InfoLevel)})
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/v1/debug", "/v1/log"} {
		w := httptest.NewRecorder()
		status.ServeHTTP(w, httptest.NewRequest("GET", "http://127.0.0.1:9798"+path, http.NoBody))
		if w.Code != http.StatusNotFound {
			t.Errorf("the status address answers %s with %d", path, w.Code)
		}
	}
}
