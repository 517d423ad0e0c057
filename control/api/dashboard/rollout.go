package dashboard

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
)

// rolloutPage shows one rollout: what it does, why, and what a person can do.
type rolloutPage struct {
	api.Rollout
	Now      time.Time
	Text     string
	Bar      bar
	Stages   []stage
	Verbs    []verb
	MayAct   bool
	Rules    []ruleRow
	Evidence *plot
	Course   *plot
	Around   *api.Around
	Log      []api.Transition // newest first
	Links    []link
	Source   string
	Recorder string // the node that recorded what the charts show
	Versions []versionRow
	Released string // path of the page of its release; empty: it has none
}

// ruleRow is a rule with how near it is to acting.
type ruleRow struct {
	api.Rule
	Near    int  // of its threshold, in basis points, on a logarithmic scale
	Decided bool // this is the rule that moved the rollout
}

// link is an entry of the plan's meta. URL is empty for what is no web address:
// such an entry is only text.
type link struct{ Name, Text, URL string }

func (d *Dashboard) rollout(r *request) (content, error) {
	id := r.PathValue("id")
	v, ok := r.view.Rollout(id)
	if !ok {
		return content{title: id}, notFound(fmt.Sprintf("There is no rollout %q.", id))
	}
	recording, err := d.courses.get(r.Context(), id, d.api.Control.Overview)
	if err != nil {
		return content{title: id}, err
	}
	why := api.WhyOf(v, recording)
	p := &rolloutPage{
		Rollout: api.RolloutOf(v), Now: r.view.At, Text: why.Text, Around: why.Around, MayAct: r.who.Role >= api.Operator,
		Recorder: r.view.Node,
	}
	p.Bar = barOf(p.Weights, p.From)
	s, ok := serviceOrFlag(r.view, p.Service)
	if ok && p.Plan != nil && p.Plan.Release != "" {
		doc := s.Document
		doc.SetDefaults()
		if _, known := r.view.Release(doc.Application, p.Plan.Release); known {
			p.Released = releasePath(doc.Application, p.Plan.Release)
		}
	}
	if ok && p.InForce {
		p.Versions, p.Weights = versionsOf(s)
		p.Versions = slices.DeleteFunc(p.Versions, func(v versionRow) bool {
			return v.Name != p.From && !slices.Contains(p.Candidates, v.Name)
		})
		p.Bar = barOf(p.Weights, p.From)
	}
	p.Stages, p.Verbs, p.Links = stagesOf(&p.Rollout), verbsOf(&p.Rollout), linksOf(p.Meta)
	for _, rule := range why.Rules {
		p.Rules = append(p.Rules, ruleRow{rule, near(rule.Evidence, rule.Threshold), p.Decision != nil && rule.Rule == p.Decision.Rule})
	}
	p.Evidence, p.Course = evidencePlot(recording, p.Candidates), coursePlot(recording, &p.Rollout)
	p.Log = slices.Clone(p.History)
	slices.Reverse(p.Log)
	source, err := json.MarshalIndent(p.Plan, "", "  ")
	if err != nil {
		return content{}, fmt.Errorf("cannot show the plan of rollout %q: %w", id, err)
	}
	p.Source = string(source)
	return content{title: words(p.Phase) + ": " + p.Service + ", " + p.From + " → " + p.To, events: "?service=" + url.QueryEscape(p.Service), data: p}, nil
}

// near is how much of the way to its threshold evidence has gone. Evidence is a
// product of likelihoods, so its logarithm is what grows evenly.
func near(evidence, threshold float64) int {
	if evidence <= 1 || threshold <= 1 {
		return 0
	}
	return int(10_000 * min(1, math.Log(evidence)/math.Log(threshold)))
}

// linksOf are the entries of a plan's meta by name.
func linksOf(meta map[string]string) []link {
	var out []link
	for name, text := range meta {
		out = append(out, link{Name: name, Text: text, URL: webAddress(text)})
	}
	slices.SortFunc(out, func(a, b link) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// webAddress is a text as an address that people may be led to; empty: it is none.
func webAddress(text string) string {
	if u, err := url.Parse(text); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" {
		return u.String()
	}
	return ""
}

// aboutPath is where the page of a service is, or of the flag that rollouts know
// by that name.
func aboutPath(service string) string {
	if flag, ok := configs.FlagOf(service); ok {
		return "/flags/" + url.PathEscape(flag)
	}
	return "/services/" + url.PathEscape(service)
}

// serviceOrFlag is what a rollout is of: a service, or a flag that stands among
// services by that name.
func serviceOrFlag(v *control.View, name string) (*control.ServiceView, bool) {
	flag, is := configs.FlagOf(name)
	if !is {
		return v.Service(name)
	}
	f, ok := v.Flag(flag)
	if !ok {
		return nil, false
	}
	return &control.ServiceView{Document: f.Document.Service(), State: f.State, Versions: f.Variants}, true
}
