package configs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/weirproxy/weir/analysis"
)

// Bounds of one Flag.
const (
	maxVariants       = 16
	maxFlagValue      = 4 << 10
	maxFlagRules      = 64
	maxFlagConditions = 16
	maxFlagServices   = 100
)

// Validate returns all problems of f. Paths are canonical and without places:
// Document.Locate adds them.
func (f *Flag) Validate() Problems {
	r := &report{}
	full := *f
	full.SetDefaults()
	full.check(r)
	return r.problems
}

func (f *Flag) check(r *report) {
	r.name("name", f.Name)
	r.choice("type", f.Type, FlagBoolean, FlagString, FlagNumber, FlagObject)
	f.checkVariants(r)
	f.checkSplit(r)
	if f.Key != nil {
		r.oneOfNames("key", map[string]string{"header": f.Key.Header, "cookie": f.Key.Cookie, "query": f.Key.Query})
	}
	if len(f.Rules) > maxFlagRules {
		r.add("rules", fmt.Sprintf("keep at most %d", maxFlagRules), "there are %d rules", len(f.Rules))
		return
	}
	for i := range f.Rules {
		f.Rules[i].check(r, item("rules", i), f)
	}
	if len(f.Services) > maxFlagServices {
		r.add("services", fmt.Sprintf("keep at most %d", maxFlagServices), "there are %d services", len(f.Services))
	}
	for i, service := range f.Services {
		r.name(item("services", i), service)
		if slices.Contains(f.Services[:i], service) {
			r.add(item("services", i), "remove it", "%q stands here twice", service)
		}
	}
	if f.Guard != nil {
		f.Guard.check(r, "guard")
		for i, t := range f.Guard.Triggers {
			r.ofRequests(field(item("guard.triggers", i), "condition"), t.Condition)
		}
	}
}

// ofRequests refuses a limit on what only a version with endpoints has.
func (r *report) ofRequests(path string, c analysis.Condition) {
	switch c.Metric {
	case analysis.HealthCheck, analysis.SmokeTest, analysis.Memory, analysis.CPU:
		r.add(path, "write a limit on requests or on a metric of your own", "a variant of a flag has no endpoints, and so no %s", c)
	}
}

// checkFlag checks what a rollout of a flag's variant says.
func (p *Rollout) checkFlag(r *report) {
	name, ok := FlagOf(p.Service)
	switch {
	case p.Flag == "" && p.Strategy == StrategyFlag:
		r.add("flag", "write flag: and the flag's name", "the flag is not named")
	case p.Flag == "" && ok:
		r.add("service", "write flag: "+name, "%q is no service", p.Service)
	case p.Flag != "" && (!ok || name != p.Flag):
		r.add("service", "remove it: flag says what is released", "the rollout names a service and a flag")
	}
	if p.Flag != "" && p.Strategy != StrategyFlag && p.Strategy != "" {
		r.add("strategy", "write strategy: flag", "a flag is released by strategy flag, not %s", p.Strategy)
	}
	if p.Flag == "" {
		return
	}
	r.name("flag", p.Flag)
	for name, set := range map[string]bool{
		"version": p.Version != nil, "smoke": len(p.Smoke) > 0, "unready_for": p.UnreadyFor != 0,
	} {
		if set {
			r.add(name, "remove it", "a variant of a flag has no endpoints, and %s is about them", name)
		}
	}
	for i, s := range p.Stages {
		if s.Mirror > 0 || len(s.Match) > 0 {
			r.add(item("stages", i), "give it a weight; chosen users are the flag's rules", "a flag is not mirrored, and its users are not matched by a stage")
		}
		for j, c := range s.Checks {
			r.ofRequests(item(field(item("stages", i), "checks"), j), c)
		}
	}
	for i, t := range p.Rollback.Triggers {
		r.ofRequests(field(item("rollback.triggers", i), "condition"), t.Condition)
	}
}

func (f *Flag) checkVariants(r *report) {
	if n := len(f.Variants); n == 0 || n > maxVariants {
		r.add("variants", fmt.Sprintf("give 1 to %d", maxVariants), "there are %d variants", n)
		return
	}
	for _, name := range f.Names() {
		value, path := f.Variants[name], field("variants", name)
		if !isVersionName(name) {
			r.add(path, versionHint, "%q is not a name of a variant", name)
		}
		switch kind := value.Type(); {
		case len(value) == 0 || string(value) == "null":
			r.add(path, "write true or false, a text, a number or a mapping", "the variant has no value")
		case len(value) > maxFlagValue:
			r.add(path, fmt.Sprintf("keep it below %d bytes, and have applications look up the rest", maxFlagValue), "the value is %d bytes long", len(value))
		case kind == "" || !json.Valid(value):
			r.add(path, "write true or false, a text, a number or a mapping", "%s can be no flag's value", value)
		case f.Type != "" && kind != f.Type:
			r.add(path, "write a value of that type, or another type", "the value %s is a %s and the flag's type is %s", value, kind, f.Type)
		}
	}
	if f.Default == "" {
		r.add("default", "write default: "+f.Names()[0], "the flag has no default")
		return
	}
	f.variant(r, "default", f.Default)
}

// variant checks that there is a variant of that name.
func (f *Flag) variant(r *report, path, name string) {
	if _, ok := f.Variants[name]; !ok && len(f.Variants) > 0 {
		r.add(path, "write "+oneOf(f.Names()), "there is no variant %q", name)
	}
}

func (f *Flag) checkSplit(r *report) {
	if len(f.Split) == 0 {
		return
	}
	sum := Weight(0)
	for _, name := range slices.Sorted(maps.Keys(f.Split)) {
		f.variant(r, field("split", name), name)
		sum += f.Split[name]
	}
	if sum != Whole {
		r.add("split", "let the shares add up to 100%", "the shares add up to %s", sum)
	}
}

func (rule *FlagRule) check(r *report, path string, f *Flag) {
	if rule.Variant == "" {
		r.add(field(path, "variant"), "write "+oneOf(f.Names()), "the rule gives no variant")
	} else {
		f.variant(r, field(path, "variant"), rule.Variant)
	}
	if len(rule.Name) > 63 || !isFieldValue(rule.Name) {
		r.add(field(path, "name"), "write at most 63 printable characters", "%q is no name of a rule", rule.Name)
	}
	if len(rule.When) > maxFlagConditions {
		r.add(field(path, "when"), fmt.Sprintf("keep at most %d", maxFlagConditions), "there are %d conditions", len(rule.When))
		return
	}
	for i := range rule.When {
		c, at := &rule.When[i], item(field(path, "when"), i)
		r.oneOfNames(at, map[string]string{"header": c.Header, "cookie": c.Cookie, "query": c.Query, "attribute": c.Attribute})
		r.values(field(at, "values"), c.Values)
	}
	for i, environment := range rule.Environments {
		r.name(item(field(path, "environments"), i), environment)
	}
	if rule.Share < 0 || rule.Share > Whole {
		r.add(field(path, "share"), "write a share such as 10%", "%s is not a share of users", rule.Share)
	}
	from, until := r.moment(field(path, "from"), rule.From), r.moment(field(path, "until"), rule.Until)
	if !from.IsZero() && !until.IsZero() && !from.Before(until) {
		r.add(field(path, "until"), "write a later time", "the rule ends before it begins")
	}
}

// moment reads a time that may be left out.
func (r *report) moment(path, s string) time.Time {
	if s == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		r.add(path, `write it like "2026-12-24T18:00:00+01:00"`, "%q is not a time", s)
	}
	return at
}

// oneOfNames checks that exactly one thing to look at is named.
func (r *report) oneOfNames(path string, names map[string]string) {
	kinds := slices.Sorted(maps.Keys(names))
	named := 0
	for _, kind := range kinds {
		if names[kind] == "" {
			continue
		}
		named++
		if kind != "query" && kind != "attribute" && !isToken(names[kind]) || len(names[kind]) > 128 || !isFieldValue(names[kind]) {
			r.add(field(path, kind), "write a name such as X-User", "%q is not the name of a %s", names[kind], kind)
		}
	}
	if named != 1 {
		r.add(path, "write one of "+oneOf(kinds), "it names %d things to look at", named)
	}
}

// flagValue makes the JSON of what was written for a variant.
func (d *decoder) flagValue(n *node, into *FlagValue, at where) {
	var out bytes.Buffer
	if d.appendJSON(&out, n, at) {
		*into = out.Bytes()
	}
}

// appendJSON writes n as YAML's core schema reads it.
func (d *decoder) appendJSON(out *bytes.Buffer, n *node, at where) bool {
	switch n.kind {
	case textNode:
		_, err := strconv.ParseFloat(n.text, 64)
		if !n.quoted && (n.text == "true" || n.text == "false" || err == nil && json.Valid([]byte(n.text))) {
			out.WriteString(n.text)
			return true
		}
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false) // the text stays as it was written
		if err := encoder.Encode(n.text); err != nil {
			panic(fmt.Sprintf("BUG: configs: cannot encode a text: %v", err))
		}
		out.Truncate(out.Len() - 1) // the line's end
	case listNode:
		out.WriteByte('[')
		for i, child := range n.items {
			if i > 0 {
				out.WriteByte(',')
			}
			if !d.appendJSON(out, child, at.item(i)) {
				return false
			}
		}
		out.WriteByte(']')
	case dictNode:
		out.WriteByte('{')
		for i, e := range n.entries {
			if i > 0 {
				out.WriteByte(',')
			}
			if !d.appendJSON(out, &node{kind: textNode, quoted: true, text: e.key.text}, at) {
				return false
			}
			out.WriteByte(':')
			if !d.appendJSON(out, e.value, at.field(e.key.text)) {
				return false
			}
		}
		out.WriteByte('}')
	case absentNode:
		out.WriteString("null")
	default:
		d.fail(n, at, "write a value", "it has no value")
		return false
	}
	return true
}
