package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weirproxy/weir/control"
)

func TestFlag_IsPutKilledRestoredAndDeleted(t *testing.T) {
	b := newBench(t)
	const doc = `{"name": "theme", "variants": {"dark": {"bg": "#000"}, "light": {"bg": "#fff"}}, "default": "light"}`
	r := b.do("PUT", "/v1/flags/theme", doc)
	b.want(http.StatusCreated, r)
	got := b.want(http.StatusOK, b.do("GET", "/v1/flags/theme", ""))
	if got["type"] != "object" || got["stable"] != "light" || got["killed"] != nil {
		t.Errorf("got %v", got)
	}
	if r := b.do("GET", "/v1/flags", ""); r.status != 200 || !strings.Contains(r.body, `"value":{"bg":"#000"}`) {
		t.Errorf("the list is %s", r.body)
	}
	tried := b.want(http.StatusOK, b.do("POST", "/v1/flags/theme/evaluate", `{"key": "user-7", "headers": {"X-Staff": "1"}}`))
	if value, _ := tried["value"].(map[string]any); tried["variant"] != "light" || tried["reason"] != "static" || value["bg"] != "#fff" {
		t.Errorf("tried: %v", tried)
	}
	b.wantProblem(http.StatusNotFound, b.do("POST", "/v1/flags/other/evaluate", `{}`), `there is no flag "other"`)
	b.want(http.StatusOK, b.do("PUT", "/v1/flags/theme/weights", `{"light": "90%", "dark": "10%"}`))
	if cmd := lastCommand[control.SetWeights](b); cmd.Service != "flag:theme" || cmd.Weights["dark"] != 1000 {
		t.Errorf("the shares went to %+v", cmd)
	}
	if shares := b.want(http.StatusOK, b.do("GET", "/v1/flags/theme/weights", "")); shares["dark"] != "10%" {
		t.Errorf("the shares are %v", shares)
	}
	b.wantProblem(http.StatusNotFound, b.do("PUT", "/v1/flags/other/weights", `{"on": "100%"}`), `there is no flag "other"`)
	b.want(http.StatusOK, b.do("POST", "/v1/flags/theme/kill", `{"reason": "it blinds"}`))
	killed, _ := b.want(http.StatusOK, b.do("GET", "/v1/flags/theme", ""))["killed"].(map[string]any)
	if killed["reason"] != "it blinds" || killed["at"] == nil {
		t.Errorf("killed: %v", killed)
	}
	b.wantProblem(http.StatusPreconditionFailed, b.do("PUT", "/v1/flags/theme", doc, "If-Match: \"1\""), "")
	b.want(http.StatusOK, b.do("POST", "/v1/flags/theme/restore", ""))
	b.want(http.StatusOK, b.do("POST", "/v1/flags/theme/kill", ""))
	b.wantProblem(http.StatusNotFound, b.do("POST", "/v1/flags/other/kill", ""), `there is no flag "other"`)
	b.wantProblem(http.StatusUnprocessableEntity, b.do("PUT", "/v1/flags/other", doc), "the document is of flag")
	b.wantProblem(http.StatusUnprocessableEntity, b.do("PUT", "/v1/flags/theme", `{"name": "theme", "variants": {"a": [1]}, "default": "a"}`), "problems")
	b.want(http.StatusOK, b.do("DELETE", "/v1/flags/theme", ""))
	b.wantProblem(http.StatusNotFound, b.do("GET", "/v1/flags/theme", ""), `there is no flag "theme"`)
}
