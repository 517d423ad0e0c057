package api_test

import (
	"net/http"
	"testing"
)

func TestMigration_IsToldReadAndForgotten(t *testing.T) {
	b := newBench(t)
	const path = "/v1/migrations/books/production/email"
	r := b.do("PUT", path, `{"phase": "expand", "state": "running", "steps": 2, "steps_done": 1, "needs": ["users"], "by": "ana@ci"}`)
	b.want(http.StatusCreated, r)
	got := b.want(http.StatusOK, b.do("GET", path, ""))
	if got["state"] != "running" || got["steps_done"] != 1.0 || got["by"] != "ana@ci" || got["at"] == nil || got["granted_at"] != nil {
		t.Errorf("got %v", got)
	}
	if r := b.do("GET", "/v1/migrations?application=books&environment=staging", ""); r.status != 200 || r.body != "[]\n" {
		t.Errorf("those of staging are %d %q", r.status, r.body)
	}
	b.wantProblem(http.StatusUnprocessableEntity, b.do("PUT", path, `{"phase": "contract", "state": "pending", "steps": 2, "steps_done": 0}`), "no version is named that used it")
	b.wantProblem(http.StatusUnprocessableEntity, b.do("PUT", "/v1/migrations/Books/production/email", `{"phase": "expand", "state": "pending", "steps": 1, "steps_done": 0}`), "")
	b.wantProblem(http.StatusConflict, b.do("PUT", path, `{"phase": "expand", "state": "contracting", "steps": 2, "steps_done": 1}`), "only a contract asks for leave")
	b.wantProblem(http.StatusConflict, b.do("PUT", path, `{"phase": "expand", "state": "done", "steps": 2, "steps_done": 1}`), "1 of 2 steps done")

	const drop = "/v1/migrations/books/production/email-drop"
	b.want(http.StatusOK, b.do("PUT", drop+"?dry_run=true", `{"phase": "contract", "state": "contracting", "steps": 1, "steps_done": 0, "breaks": ["v1.4"]}`))
	b.wantProblem(http.StatusNotFound, b.do("GET", drop, ""), "")
	b.want(http.StatusCreated, b.do("PUT", drop, `{"phase": "contract", "state": "contracting", "steps": 1, "steps_done": 0, "breaks": ["v1.4"]}`))
	if got := b.want(http.StatusOK, b.do("GET", drop, "")); got["granted_at"] == nil {
		t.Errorf("got %v", got)
	}
	b.want(http.StatusOK, b.do("DELETE", drop, ""))
	b.wantProblem(http.StatusNotFound, b.do("DELETE", drop, ""), `there is no migration "books/production/email-drop"`)
}
