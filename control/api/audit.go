package api

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/weirproxy/weir/control"
)

// Audit is one change with who made it.
type Audit struct {
	ID      string    `json:"id" doc:"Sorts by time"`
	At      time.Time `json:"at"`
	Actor   string    `json:"actor" doc:"A person, or weir"`
	Role    string    `json:"role" doc:"viewer, operator or admin; local: no tokens are in use; empty: weir itself"`
	Action  string    `json:"action"`
	Object  string    `json:"object" doc:"services/<name>, rollouts/<id> and so on"`
	Text    string    `json:"text"`
	Changes []string  `json:"changes" doc:"What was before and after, as: field: before → after"`
}

func (a *API) registerAudit() {
	register(a, route{
		method: http.MethodGet, path: "/v1/audit", role: Viewer, id: "list-audit", tag: "fleet",
		summary:     "Read the audit trail",
		description: "What was changed, by whom, newest first. Link names the next page, while there is one. 5 000 entries of 90 days are kept.",
	}, a.listAudit)
}

type auditFilter struct {
	Limit  int       `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many at most"`
	Object string    `query:"object" maxLength:"200" doc:"services/shop, or all of services/"`
	Actor  string    `query:"actor" maxLength:"64" doc:"Only what this actor changed"`
	Since  time.Time `query:"since" doc:"Only from this time on (RFC 3339)"`
	Before string    `query:"before" maxLength:"200" doc:"Only older than the entry with this id"`
}

type audit struct {
	Link string `header:"Link" doc:"The next page, if there is one (RFC 8288)"`
	Body []Audit
}

func (a *API) listAudit(ctx context.Context, in *auditFilter) (*audit, error) {
	q := control.AuditQuery{Object: in.Object, Actor: in.Actor, Since: in.Since, Before: in.Before, Limit: in.Limit + 1}
	if q.Actor == "weir" {
		q.Actor = ""
		q.Weir = true
	}
	found, err := a.Control.Audit(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &audit{}
	if len(found) > in.Limit {
		found = found[:in.Limit]
		out.Link = nextPage(in, found[in.Limit-1].ID)
	}
	out.Body = make([]Audit, 0, len(found))
	for _, e := range found {
		out.Body = append(out.Body, auditOf(e))
	}
	return out, nil
}

func auditOf(e control.AuditView) Audit {
	if e.Changes == nil {
		e.Changes = []string{}
	}
	return Audit{
		ID: e.ID, At: e.At, Actor: orWeir(e.Actor), Role: e.Role, Action: e.Action, Object: e.Object, Text: e.Text, Changes: e.Changes,
	}
}

func nextPage(in *auditFilter, last string) string {
	query := url.Values{"before": {last}, "limit": {strconv.Itoa(in.Limit)}}
	if in.Object != "" {
		query.Set("object", in.Object)
	}
	if in.Actor != "" {
		query.Set("actor", in.Actor)
	}
	if !in.Since.IsZero() {
		query.Set("since", in.Since.Format(time.RFC3339Nano))
	}
	return "</v1/audit?" + query.Encode() + `>; rel="next"`
}
