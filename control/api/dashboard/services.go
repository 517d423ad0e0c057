package dashboard

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
)

// servicesShown is how many services one page has: as many as a person reads,
// and a browser brings up to date without noticing.
const servicesShown = 50

// servicesPage shows all services: those that need a look first.
type servicesPage struct {
	Total, Moving, Trouble int
	Advice                 int
	Query, Show            string
	Rows                   []serviceRow
	Found                  int
	Pager                  pager
}

// serviceRow is one service and the versions that matter.
type serviceRow struct {
	Name     string
	Bar      bar
	Versions []versionRow
	Idle     int // versions that are left out
	Rollout  *api.Rollout
	Trouble  []string
}

// versionRow is a version with what this node measured.
type versionRow struct {
	api.Version
	Tone string
	Up   int // endpoints
}

// pager leads to the pages before and after.
type pager struct {
	From, To, Of   int
	Previous, Next string // URLs; empty: there is none
}

func (d *Dashboard) services(r *request) (content, error) {
	q := r.URL.Query()
	p := &servicesPage{Total: len(r.view.Services), Query: strings.TrimSpace(q.Get("q")), Show: q.Get("show")}
	p.Advice = len(api.AdviceOf(r.view))
	rollouts := inForce(r.view)
	var found, first, rest []*control.ServiceView
	for i := range r.view.Services {
		s := r.view.Services[i]
		moving, trouble := rollouts[s.Document.Name] != nil, len(troubleOf(s)) > 0
		p.Moving, p.Trouble = p.Moving+one(moving), p.Trouble+one(trouble)
		switch {
		case p.Query != "" && !matches(s, p.Query), p.Show == "moving" && !moving, p.Show == "trouble" && !trouble:
		case moving || trouble:
			first = append(first, s)
		default:
			rest = append(rest, s)
		}
	}
	found = append(first, rest...)
	p.Found = len(found)
	var from int
	p.Pager, from = pageOf(r, len(found), servicesShown)
	for _, s := range found[from:min(from+servicesShown, len(found))] {
		p.Rows = append(p.Rows, rowOf(s, rollouts[s.Document.Name]))
	}
	return content{title: "Services", data: p}, nil
}

func one(is bool) int {
	if is {
		return 1
	}
	return 0
}

// inForce are the rollouts in force, by service.
func inForce(v *control.View) map[string]*control.RolloutView {
	out := make(map[string]*control.RolloutView)
	for i := range v.Rollouts {
		if r := v.Rollouts[i]; r.InForce {
			out[r.State.Service] = r
		}
	}
	return out
}

// matches looks for a text in what people know a service by.
func matches(s *control.ServiceView, text string) bool {
	text = strings.ToLower(text)
	has := func(name string) bool { return strings.Contains(strings.ToLower(name), text) }
	if has(s.Document.Name) {
		return true
	}
	for _, route := range s.Document.Routes {
		if has(route.Host) {
			return true
		}
	}
	return slices.ContainsFunc(s.Versions, func(v control.VersionView) bool { return has(v.Name) || has(v.Revision) })
}

// troubleOf says what is wrong with a service, the worst first.
func troubleOf(s *control.ServiceView) []string {
	var out []string
	for i := range s.Versions {
		v := &s.Versions[i]
		if v.Weight == 0 && v.Role != "stable" {
			continue
		}
		up := 0
		for _, e := range v.Endpoints {
			up += one(e.Up)
		}
		switch {
		case up == len(v.Endpoints):
		case up == 0:
			out = append([]string{v.Name + " has no endpoint that is up"}, out...)
		default:
			out = append(out, v.Name+" has "+count(len(v.Endpoints)-up, "endpoint", "endpoints")+" of "+strconv.Itoa(len(v.Endpoints))+" down")
		}
	}
	if s.Refused != "" {
		out = append(out, "this node cannot use its document")
	}
	return out
}

// rowOf is one service of the list. Versions without weight and traffic are only
// counted.
func rowOf(s *control.ServiceView, r *control.RolloutView) serviceRow {
	versions, weights := versionsOf(s)
	row := serviceRow{Name: s.Document.Name, Trouble: troubleOf(s), Bar: barOf(weights, s.State.Stable)}
	for _, v := range versions {
		if v.Weight == 0 && v.RPS == 0 && v.Role != "stable" && v.Role != "candidate" {
			row.Idle++
			continue
		}
		row.Versions = append(row.Versions, v)
	}
	if r != nil {
		summary := api.SummaryOf(r)
		row.Rollout = &summary
	}
	return row
}

// versionsOf are the versions of a service, stable first, and their weights in
// force on this node.
func versionsOf(s *control.ServiceView) ([]versionRow, weights) {
	shares := make(weights, len(s.Versions))
	names := make([]string, 0, len(s.Versions))
	for _, v := range s.Versions {
		shares[v.Name] = v.Weight
		names = append(names, v.Name)
	}
	tones := tonesOf(names, s.State.Stable)
	var rows []versionRow
	for _, v := range api.ServiceOf(s).Versions {
		row := versionRow{Version: v, Tone: tones[v.Name]}
		for _, e := range v.Endpoints {
			row.Up += one(e.Up)
		}
		if v.Name == s.State.Stable {
			rows = slices.Insert(rows, 0, row)
		} else {
			rows = append(rows, row)
		}
	}
	return rows, shares
}

// pageOf cuts a list of so many into pages, and returns where the one asked for
// begins.
func pageOf(r *request, of, size int) (pager, int) {
	q := r.URL.Query()
	last := max(0, of-1) / size
	n, err := strconv.Atoi(q.Get("page"))
	if err != nil {
		n = 1
	}
	n = min(max(n, 1)-1, last)
	p := pager{From: n*size + 1, To: min((n+1)*size, of), Of: of}
	link := func(n int) string {
		to := url.Values{}
		for _, key := range []string{"q", "show", "service", "days", "environment"} {
			if value := q.Get(key); value != "" {
				to.Set(key, value)
			}
		}
		to.Set("page", strconv.Itoa(n+1))
		return r.URL.Path + "?" + to.Encode()
	}
	if n > 0 {
		p.Previous = link(n - 1)
	}
	if n < last {
		p.Next = link(n + 1)
	}
	return p, n * size
}
