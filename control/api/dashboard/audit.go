package dashboard

import (
	"net/url"
	"strings"
	"time"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
)

// auditShown is how many entries one page has.
const auditShown = 50

// auditPage shows the trail of changes.
type auditPage struct {
	Now           time.Time
	Actor, Object string
	Entries       []api.Audit
	Older         string // URL of the page of older entries; empty: there are none
	Newest        string // URL of the first page; empty: this is it
}

func (d *Dashboard) audit(r *request) (content, error) {
	q := r.URL.Query()
	p := &auditPage{Now: r.view.At, Actor: strings.TrimSpace(q.Get("actor")), Object: strings.TrimSpace(q.Get("object"))}
	found, err := d.api.Control.Audit(r.Context(), control.AuditQuery{
		Object: p.Object, Actor: actorOf(p.Actor), Weir: p.Actor == "weir", Before: q.Get("before"), Limit: auditShown + 1,
	})
	if err != nil {
		return content{title: "Audit"}, err
	}
	link := url.Values{}
	for key, value := range map[string]string{"actor": p.Actor, "object": p.Object} {
		if value != "" {
			link.Set(key, value)
		}
	}
	if q.Get("before") != "" {
		p.Newest = "/audit?" + link.Encode()
	}
	if len(found) > auditShown {
		found = found[:auditShown]
		link.Set("before", found[auditShown-1].ID)
		p.Older = "/audit?" + link.Encode()
	}
	for _, e := range found {
		p.Entries = append(p.Entries, api.AuditOf(e))
	}
	return content{title: "Audit", data: p}, nil
}

// actorOf is who the trail calls a person: what weir did has no actor there.
func actorOf(name string) string {
	if name == "weir" {
		return ""
	}
	return name
}
