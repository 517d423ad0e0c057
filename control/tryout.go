package control

import (
	"cmp"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/proxy/route"
)

// Tryout is a user that somebody makes up to see what a flag gives. Empty parts are
// what the user does not have.
type Tryout struct {
	Key         string // by which users are drawn
	Environment string // whose rules count; empty: only rules of all environments

	// What rules look at, by name.
	Attributes, Headers, Cookies, Query map[string]string
}

// Tried is what such a user gets, and why.
type Tried struct {
	Variant string          `json:"variant"`
	Value   json.RawMessage `json:"value" doc:"Of the flag's type"`
	Reason  string          `json:"reason" enum:"killed,rule,split,static,keyless" doc:"rule: the one that is named; split: drawn by the key; static: everybody gets it; keyless: it would be drawn, but there is no key"`
	Rule    string          `json:"rule,omitempty" doc:"That decided: its name, or its number"`
}

// Why is the reason in words.
func (t Tried) Why() string {
	switch t.Reason {
	case "killed":
		return "a person switched the flag off"
	case "rule":
		return "rule " + t.Rule + " decides"
	case "split":
		return "drawn by the key"
	case "keyless":
		return "it would be drawn, but there is no key"
	}
	return "everybody gets it whom no rule gives a variant"
}

// TryFlag evaluates a flag by the table in force, and counts nothing. False: this
// node evaluates no such flag. Safe for concurrent use.
func (c *Controller) TryFlag(name string, who Tryout) (Tried, bool) {
	table := c.opts.Tables.Load()
	if table == nil {
		return Tried{}, false
	}
	f := table.Flag(name)
	if f == nil {
		return Tried{}, false
	}
	return tried(f, &who, time.Now().Unix()), true
}

func tried(f *route.Flag, who *Tryout, unix int64) Tried {
	e := f.Evaluate(who, who.Environment, unix)
	variant := &f.Variants[e.Variant]
	out := Tried{Variant: variant.Name, Value: variant.Value, Reason: reasonOf(e.Reason)}
	for i := range f.Rules {
		// The first rule that holds alone is the one that decided.
		alone := *f
		alone.Rules = f.Rules[i : i+1]
		if e.Reason == route.ReasonTargeted && alone.Evaluate(who, who.Environment, unix).Reason == route.ReasonTargeted {
			out.Rule = cmp.Or(f.Rules[i].Name, strconv.Itoa(i+1))
			break
		}
	}
	return out
}

func reasonOf(r route.Reason) string {
	switch r {
	case route.ReasonTargeted:
		return "rule"
	case route.ReasonSplit:
		return "split"
	case route.ReasonKilled:
		return "killed"
	case route.ReasonKeyless:
		return "keyless"
	}
	return "static"
}

// Value returns what the user carries, as route.Subject asks for it.
func (w *Tryout) Value(by route.By, name string) []byte {
	in := map[route.By]map[string]string{route.Attribute: w.Attributes, route.Header: w.Headers, route.Cookie: w.Cookies, route.Query: w.Query}[by]
	if text, ok := in[name]; ok {
		return []byte(text)
	}
	for given, text := range in {
		if by == route.Header && strings.EqualFold(given, name) {
			return []byte(text)
		}
	}
	return nil
}

// FlagKey is the key, whatever requests are told apart by.
func (w *Tryout) FlagKey(route.By, string) []byte { return []byte(w.Key) }
