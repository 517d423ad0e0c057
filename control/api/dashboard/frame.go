package dashboard

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
)

// frame is what stands around the content of a page.
type frame struct {
	Title  string
	Assets string // path of the files that the page loads
	Every  int64  // milliseconds between two looks; 0: the page stays as it is
	Events string // URL of the events that make it look at once
	Menu   []menuItem
	Who    api.Person
	Alerts []alert
	Node   nodeStatus
	Data   any
}

type menuItem struct {
	Title, Path string
	Here        bool
}

// alert is something that people should know whatever page they look at.
type alert struct {
	Bad  bool
	Text string
	Path string // where to read on; empty: nowhere
}

// nodeStatus says who speaks, and how fresh what it says is.
type nodeStatus struct {
	Name, Leader, Source, Version string
	Connected                     bool
	Revision                      int64
	At                            time.Time
}

func (d *Dashboard) frame(p *page, r *request, c content) *frame {
	v := r.view
	f := &frame{
		Title: c.title, Assets: d.assets.path, Every: p.every.Milliseconds(), Events: "/v1/events" + c.events,
		Who: r.who, Alerts: alerts(v), Data: c.data,
		Node: nodeStatus{
			Name: v.Node, Leader: v.LeaderNode, Source: v.Store.Source, Version: d.api.Version,
			Connected: v.Store.Connected, Revision: v.Store.Revision, At: v.At,
		},
	}
	for _, one := range pages() {
		if one.menu == "" {
			continue
		}
		item := menuItem{Title: one.menu, Path: pathOf(one.pattern)}
		item.Here = item.Path == pathOf(p.pattern) || item.Path != "/" && len(r.URL.Path) > len(item.Path) && r.URL.Path[:len(item.Path)+1] == item.Path+"/" ||
			item.Path == "/" && p.name == "service"
		f.Menu = append(f.Menu, item)
	}
	return f
}

// pathOf is the path of a pattern without a name in it.
func pathOf(pattern string) string {
	path := pattern[len("GET "):]
	if path == "/{$}" {
		return "/"
	}
	return path
}

func alerts(v *control.View) []alert {
	var out []alert
	switch {
	case v.Store.Blind:
		out = append(out, alert{Bad: true, Text: "This node has been cut off from the shared state for so long that candidates get nothing from it."})
	case !v.Store.Connected:
		text := "This node cannot reach the shared state, and goes by what it knew last."
		if v.Store.Err != "" {
			text = fmt.Sprintf("This node cannot reach the shared state, and goes by what it knew %s ago: %s", span(v.Store.Age), v.Store.Err)
		}
		out = append(out, alert{Bad: true, Text: text})
	}
	for i := range v.Freezes {
		f := &v.Freezes[i]
		if !f.Active {
			continue
		}
		text := fmt.Sprintf("Freeze %s is in force: no stage begins, and nothing is promoted", f.Document.Name)
		if !f.Until.IsZero() {
			text += ", until " + stamp(f.Until)
		}
		out = append(out, alert{Text: text + ".", Path: "/rollouts"})
	}
	refused := 0
	for i := range v.Services {
		if v.Services[i].Refused != "" {
			refused++
		}
	}
	if refused > 0 {
		out = append(out, alert{Bad: true, Text: count(refused, "service has a document", "services have documents") + " that this node cannot use; the last good form is in use.", Path: "/?show=trouble"})
	}
	if v.OutboxDead > 0 {
		out = append(out, alert{Text: count(v.OutboxDead, "notification was", "notifications were") + " given up.", Path: "/notifiers"})
	}
	return out
}
