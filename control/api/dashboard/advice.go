package dashboard

import (
	"net/url"
	"slices"
	"strings"

	"github.com/weirproxy/weir/control/api"
)

// adviceShown is how many pieces of advice one page has.
const adviceShown = 50

// advicePage shows the mistakes that releases here may be made with.
type advicePage struct {
	Total int
	Rows  []adviceRow
	Pager pager
}

// adviceRow is a piece of advice with where to read on.
type adviceRow struct {
	api.Advice
	Path string
}

func (d *Dashboard) advice(r *request) (content, error) {
	all := api.AdviceOf(r.view)
	p := &advicePage{Total: len(all)}
	var from int
	p.Pager, from = pageOf(r, len(all), adviceShown)
	for _, one := range all[from:min(from+adviceShown, len(all))] {
		p.Rows = append(p.Rows, adviceRowOf(one))
	}
	return content{title: "Advice", data: p}, nil
}

func adviceRowOf(a api.Advice) adviceRow {
	kind, name := advised(a.Object)
	row := adviceRow{Advice: a, Path: aboutPath(name)}
	if kind == "rollout" {
		row.Path = "/rollouts?q=" + url.QueryEscape(name)
	}
	return row
}

// advised is what a piece of advice is about: `service shop`, `rollout of shop`.
func advised(object string) (kind, name string) {
	kind, name, _ = strings.Cut(object, " ")
	return kind, strings.TrimPrefix(name, "of ")
}

// adviceFor is what is advised about a service and its rollouts.
func adviceFor(all []api.Advice, service string) []adviceRow {
	var rows []adviceRow
	for _, one := range all {
		if _, name := advised(one.Object); name == service {
			rows = append(rows, adviceRowOf(one))
		}
	}
	return slices.Clip(rows)
}
