package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/weirproxy/weir/control"
)

// Problem is every error of the API (RFC 9457).
type Problem struct {
	Title    string   `json:"title" doc:"The status in words" example:"Conflict"`
	Status   int      `json:"status" doc:"HTTP status" example:"409"`
	Detail   string   `json:"detail" doc:"What is wrong here"`
	Hint     string   `json:"hint,omitempty" doc:"What to do about it"`
	Problems []string `json:"problems,omitempty" doc:"All that is wrong, where there are several things"`
	Allowed  []string `json:"allowed,omitempty" doc:"Verbs that the rollout takes now"`
}

// problem builds a Problem; an empty hint is left out.
func problem(status int, hint, format string, args ...any) *Problem {
	return &Problem{
		Title:  http.StatusText(status),
		Status: status,
		Detail: fmt.Sprintf(format, args...),
		Hint:   hint,
	}
}

// Error returns the detail, the hint and every problem as one text.
func (p *Problem) Error() string {
	text := p.Detail
	if p.Hint != "" {
		text += "; " + p.Hint
	}
	if len(p.Problems) > 0 {
		text += ": " + strings.Join(p.Problems, "; ")
	}
	return text
}

// GetStatus tells huma the status of the answer.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType tells huma the type of the answer.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// write answers with p outside of huma.
func (p *Problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	// The client went away if this fails; nobody is left to be told.
	_ = json.NewEncoder(w).Encode(p)
}

// problemOf turns what the Controller returned into an answer. A fault, which
// the person cannot mend, becomes a 500 and is the caller's to log.
func problemOf(err error) *Problem {
	var p *Problem
	if errors.As(err, &p) {
		return p
	}
	var refusal *control.Error
	if errors.As(err, &refusal) {
		p = problem(statusOf(refusal.Kind), refusal.Hint, "%s", refusal.Text)
		p.Problems, p.Allowed = refusal.Problems, refusal.Allowed
		return p
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return problem(http.StatusGatewayTimeout, "look at the state before asking again: the change may have been made",
			"the state did not answer in time")
	}
	return problem(http.StatusInternalServerError, "the node's log has more", "%v", err)
}

func statusOf(kind control.ErrorKind) int {
	switch kind {
	case control.Invalid:
		return http.StatusUnprocessableEntity
	case control.NotFound:
		return http.StatusNotFound
	case control.Conflict:
		return http.StatusConflict
	case control.Stale:
		return http.StatusPreconditionFailed
	case control.NotBuilt:
		return http.StatusNotImplemented
	case control.Undelivered:
		return http.StatusBadGateway
	case control.Unavailable:
		return http.StatusServiceUnavailable
	}
	panic(fmt.Sprintf("BUG: control.ErrorKind %d has no status", kind))
}

// problemTransformer gives the errors that huma finds (a bad query parameter,
// a body too large) the same form as ours.
func problemTransformer(_ huma.Context, _ string, v any) (any, error) {
	model, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	p := &Problem{Title: http.StatusText(model.Status), Status: model.Status, Detail: model.Detail}
	for _, e := range model.Errors {
		p.Problems = append(p.Problems, e.Error())
	}
	return p, nil
}
