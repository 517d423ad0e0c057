package dashboard

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
)

// flagChangesShown is how many changes the page of a flag lists.
const flagChangesShown = 20

// flagPage shows one flag: who gets what, why, and how that was lately.
type flagPage struct {
	flagRow
	Now     time.Time
	Default string
	MayAct  bool
	Rules   []flagRule
	History []api.Rollout
	Changes []api.Audit
	Advice  []adviceRow
	Try     tryout
	Source  string
}

// flagRule is one rule in words.
type flagRule struct {
	Name, When, Where, Time string
	Share                   string
	Variant                 string
	State                   string // counts, later or over
}

func (d *Dashboard) flag(r *request) (content, error) {
	name := r.PathValue("name")
	f, ok := r.view.Flag(name)
	if !ok {
		return content{title: name}, notFound(fmt.Sprintf("There is no flag %q.", name))
	}
	service := configs.FlagService(name)
	doc := f.Document
	doc.SetDefaults()
	p := &flagPage{
		flagRow: flagRowOf(f, r.view, inForce(r.view)[service]), Now: r.view.At, Default: doc.Default, MayAct: r.who.Role >= api.Operator,
		Changes: changesOf(r.view, "flags/"+name, flagChangesShown),
		Advice:  adviceFor(api.AdviceOf(r.view), service), Try: d.tryOut(r, name),
	}
	for i := range doc.Rules {
		p.Rules = append(p.Rules, flagRuleOf(i, &doc.Rules[i], r.view.At))
	}
	_, p.History, _ = rolloutsOf(r.view, service)
	source, err := json.MarshalIndent(f.Document, "", "  ")
	if err != nil {
		return content{}, fmt.Errorf("cannot show the document of flag %q: %w", name, err)
	}
	p.Source = string(source)
	return content{title: name, data: p}, nil
}

// Kill says what switching the flag off will do to its users.
func (p *flagPage) Kill() string {
	text := fmt.Sprintf("Everybody gets %s at once, whatever rules and shares say, until somebody restores it.", p.Default)
	if p.Rollout != "" {
		text += " The rollout of it is aborted."
	}
	return text
}

// Restore says what the end of a kill will do.
func (p *flagPage) Restore() string {
	return fmt.Sprintf("Rules and shares count again: %s.", shareText(p.Weights))
}

func shareText(of weights) string { return barOf(of, "").Text }

func flagRuleOf(i int, rule *configs.FlagRule, now time.Time) flagRule {
	out := flagRule{Name: rule.Name, When: "everybody", Share: "all of them", Variant: rule.Variant, State: "counts", Time: "always", Where: "everywhere"}
	if out.Name == "" {
		out.Name = fmt.Sprintf("Rule %d", i+1)
	}
	var when []string
	for j := range rule.When {
		when = append(when, shortened(rule.When[j].String(), 200))
	}
	if len(when) > 0 {
		out.When = strings.Join(when, " and ")
	}
	if len(rule.Environments) > 0 {
		out.Where = strings.Join(rule.Environments, ", ")
	}
	if rule.Share > 0 {
		out.Share = rule.Share.String()
	}
	from, until := moment(rule.From), moment(rule.Until)
	switch {
	case !from.IsZero() && !until.IsZero():
		out.Time = stamp(from) + " to " + stamp(until)
	case !from.IsZero():
		out.Time = "from " + stamp(from)
	case !until.IsZero():
		out.Time = "until " + stamp(until)
	}
	switch {
	case now.Before(from):
		out.State = "later"
	case !until.IsZero() && !now.Before(until):
		out.State = "over"
	}
	return out
}

// moment is a time of a valid document; zero: it gives none.
func moment(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}
	}
	return t
}
