package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weirproxy/weir/control"
)

const oncall = `{"name": "oncall", "webhook": {"url": "https://example.com/hook", "secret_file": "secrets/hook"}, "on": ["rolled_back"]}`

func TestNotifier_IsPutReadAndDeleted(t *testing.T) {
	b := newBench(t)
	r := b.do("PUT", "/v1/notifiers/oncall", oncall)
	b.want(http.StatusCreated, r)
	if got := r.header.Get("Location"); got != "/v1/notifiers/oncall" {
		t.Errorf("Location is %q", got)
	}
	tag := r.header.Get("ETag")
	got := b.want(http.StatusOK, b.do("GET", "/v1/notifiers/oncall", ""))
	if got["channel"] != "webhook" || got["waiting"] != 0. {
		t.Errorf("got %v", got)
	}
	if r := b.do("GET", "/v1/notifiers", ""); r.status != 200 || !strings.Contains(r.body, `"secrets/hook"`) {
		t.Errorf("the list is %s", r.body)
	}
	b.wantProblem(http.StatusPreconditionFailed, b.do("PUT", "/v1/notifiers/oncall", oncall, "If-None-Match: *"), "")
	b.want(http.StatusOK, b.do("PUT", "/v1/notifiers/oncall", oncall, "If-Match: "+tag))
	b.wantProblem(http.StatusPreconditionFailed, b.do("DELETE", "/v1/notifiers/oncall", "", "If-Match: "+tag), "")
	b.want(http.StatusOK, b.do("DELETE", "/v1/notifiers/oncall", ""))
	b.wantProblem(http.StatusNotFound, b.do("GET", "/v1/notifiers/oncall", ""), `there is no notifier "oncall"`)
	b.wantProblem(http.StatusNotFound, b.do("DELETE", "/v1/notifiers/oncall", ""), `there is no notifier "oncall"`)
}

func TestNotifier_RefusesABadDocument(t *testing.T) {
	b := newBench(t)
	b.wantProblem(http.StatusUnprocessableEntity, b.do("PUT", "/v1/notifiers/other", oncall), "the document is of notifier")
	b.wantProblem(http.StatusUnprocessableEntity, b.do("PUT", "/v1/notifiers/oncall", `{"name": "oncall", "on": ["all"]}`), "problems")
	b.wantProblem(http.StatusUnprocessableEntity, b.do("PUT", "/v1/notifiers/oncall", strings.Replace(oncall, "secrets/hook", "../key", 1)), "problems")
}

func TestNotifier_ShowsWhatWaits(t *testing.T) {
	b := newBench(t)
	b.want(http.StatusCreated, b.do("PUT", "/v1/notifiers/oncall", oncall))
	b.control.Change(func(v *control.View, _ int64) {
		n := v.Notifiers[0]
		n.Waiting, n.Dead, n.LastError, n.Since, n.FailedAt = 3, 1, "it answered 500", v.At, v.At
		v.Notifiers = []control.NotifierView{n}
	})
	got := b.want(http.StatusOK, b.do("GET", "/v1/notifiers/oncall", ""))
	if got["waiting"] != 3. || got["dead"] != 1. || got["last_error"] != "it answered 500" || got["since"] == nil || got["failed_at"] == nil {
		t.Errorf("got %v", got)
	}
}

func TestNotifier_IsTried(t *testing.T) {
	b := newBench(t)
	b.want(http.StatusCreated, b.do("PUT", "/v1/notifiers/oncall", oncall))
	b.want(http.StatusCreated, b.do("PUT", "/v1/notifiers/broken", strings.Replace(oncall, `"oncall"`, `"broken"`, 1)))
	b.want(http.StatusOK, b.do("POST", "/v1/notifiers/oncall/test", ""))
	b.wantProblem(http.StatusBadGateway, b.do("POST", "/v1/notifiers/broken/test", ""), "cannot deliver")
	b.wantProblem(http.StatusNotFound, b.do("POST", "/v1/notifiers/none/test", ""), "there is no notifier")
}
