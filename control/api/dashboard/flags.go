package dashboard

import (
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
)

// flagsShown is how many flags one page has.
const flagsShown = 50

// flagsPage shows all flags: those that need a look first.
type flagsPage struct {
	Now                   time.Time
	Total, Moving, Killed int
	Query, Show           string
	Rows                  []flagRow
	Pager                 pager
}

// flagRow is one flag with its variants.
type flagRow struct {
	api.Flag
	Bar      bar
	Variants []variantRow
	Current  *api.Rollout // nil: none is in force
	Changed  *api.Audit   // nil: the trail does not go back so far
	Counted  bool         // outcomes are counted by variant
	Services []string
	Rules    int
}

// variantRow is a variant with what this node measured.
type variantRow struct {
	api.Variant
	Tone string
	Text string // its value, shortened
}

func (d *Dashboard) flags(r *request) (content, error) {
	q := r.URL.Query()
	p := &flagsPage{Now: r.view.At, Total: len(r.view.Flags), Query: strings.TrimSpace(q.Get("q")), Show: q.Get("show")}
	rollouts := inForce(r.view)
	var first, rest []*control.FlagView
	for i := range r.view.Flags {
		f := &r.view.Flags[i]
		moving, killed := f.State.Rollout != "", f.Killed != nil
		p.Moving, p.Killed = p.Moving+one(moving), p.Killed+one(killed)
		switch {
		case p.Query != "" && !strings.Contains(f.Document.Name, strings.ToLower(p.Query)), p.Show == "moving" && !moving, p.Show == "killed" && !killed:
		case moving || killed || f.Refused != "":
			first = append(first, f)
		default:
			rest = append(rest, f)
		}
	}
	found := append(first, rest...)
	var from int
	p.Pager, from = pageOf(r, len(found), flagsShown)
	for _, f := range found[from:min(from+flagsShown, len(found))] {
		p.Rows = append(p.Rows, flagRowOf(f, r.view, rollouts[configs.FlagService(f.Document.Name)]))
	}
	return content{title: "Flags", data: p}, nil
}

func flagRowOf(f *control.FlagView, v *control.View, current *control.RolloutView) flagRow {
	row := flagRow{
		Flag: api.FlagOf(f), Counted: f.Document.Record || f.State.Rollout != "", Services: f.Document.Services, Rules: len(f.Document.Rules),
	}
	if current != nil {
		summary := api.SummaryOf(current)
		row.Current = &summary
	}
	shares, names := make(weights, len(row.Flag.Variants)), make([]string, 0, len(row.Flag.Variants))
	for _, one := range row.Flag.Variants {
		shares[one.Name] = one.Weight
		names = append(names, one.Name)
	}
	tones := tonesOf(names, row.Stable)
	row.Bar = barOf(shares, row.Stable)
	for _, one := range row.Flag.Variants {
		row.Variants = append(row.Variants, variantRow{one, tones[one.Name], shortened(string(one.Value), 60)})
	}
	if changes := changesOf(v, "flags/"+row.Name, 1); len(changes) > 0 {
		row.Changed = &changes[0]
	}
	return row
}

// changesOf are the newest entries of the trail about an object that this node
// holds, at most so many.
func changesOf(v *control.View, object string, most int) []api.Audit {
	var out []api.Audit
	for _, e := range v.Audit {
		if e.Object == object && len(out) < most {
			out = append(out, api.AuditOf(e))
		}
	}
	return out
}

// shortened cuts a text that is too long for a cell.
func shortened(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
