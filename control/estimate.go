package control

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/route"
)

// estimates tell a person who starts a rollout what each rule needs at the
// present traffic, in the first stage that has weight.
func (c *Controller) estimates(r rollout.State, doc configs.Service) []string {
	var weight configs.Weight
	for _, s := range r.Plan.Stages {
		if s.Weight != nil && *s.Weight > 0 {
			weight = *s.Weight
			break
		}
	}
	rps := c.requestsOf(r.Service)
	perSecond := rps * float64(weight) / float64(configs.Whole)
	if perSecond <= 0 {
		return []string{"there is no traffic now: nothing can be proven until there is"}
	}
	var lines []string
	for _, e := range policyOf(r, doc).Estimates(perSecond) {
		line := fmt.Sprintf("%s at %s of %.0f requests/s: a break of half the requests is proven after about %d candidate requests (%s), one of twice the limit after %d (%s)",
			e.Rule, weight, rps, e.Blatant, e.BlatantTime.Round(time.Second/10), e.Double, e.DoubleTime.Round(time.Second))
		if e.Pass > 0 {
			line += fmt.Sprintf("; a pass needs %d (%s)", e.Pass, e.PassTime.Round(time.Second))
		}
		lines = append(lines, line)
	}
	return lines
}

// ties says which route of another service doc's routes could not be told
// apart from; empty if none.
func (c *Controller) ties(doc configs.Service) string {
	rules := rulesOf(doc)
	for name, other := range c.mirror.services {
		if name != doc.Name {
			rules = append(rules, rulesOf(other.value)...)
		}
	}
	if _, err := route.NewTable(0, rules); err != nil {
		return err.Error()
	}
	return ""
}

// rulesOf are a document's routes, for comparison alone.
func rulesOf(doc configs.Service) []route.Rule {
	to := &route.Route{Service: &route.Service{Name: doc.Name}}
	rules := make([]route.Rule, len(doc.Routes))
	for i, r := range doc.Routes {
		rules[i] = route.Rule{Host: r.Host, Path: r.Path, Methods: r.Methods, Headers: r.Headers, Route: to}
	}
	return rules
}
