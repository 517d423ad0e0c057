package configs

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Flag is a feature flag: which of several values a user gets. Applications ask
// for it by OpenFeature's remote evaluation protocol, and requests that weir
// routes carry it to their endpoints.
//
// Variants are to a flag what versions are to a service: Default and Split are
// what a new flag starts with. Once it exists its state owns which variant is
// stable and how much the others have, later applies leave both alone, and
// rollouts with `flag` in place of `service` ramp, judge and put back a variant.
type Flag struct {
	// Name identifies the flag: lower-case letters, digits and dashes, at most 63.
	Name string `json:"name" yaml:"name"`

	// Type of the values: `boolean`, `string`, `number` or `object`. Empty:
	// boolean, or what the default's value is.
	Type string `json:"type,omitempty" yaml:"type,omitempty"`

	// Variants are the values by name, all of one type, at most 16 of at most
	// 4 KiB. Empty: `on` is true and `off` is false, for type boolean alone.
	Variants map[string]FlagValue `json:"variants,omitempty" yaml:"variants,omitempty"`

	// The variant that users of a new flag are on, and that everybody gets while
	// the flag is killed. Empty: off, which must be one of the variants then.
	Default string `json:"default,omitempty" yaml:"default,omitempty"`

	// Split are the shares that a new flag starts with; they add up to 100 %.
	// Empty: all on the default.
	Split map[string]Weight `json:"split,omitempty" yaml:"split,omitempty"`

	// Key says what users of requests that weir routes are told apart by.
	// Applications name theirs themselves, as targetingKey; the same text has the
	// same variant either way. Nil: by the sticky key of the service, else by the
	// client's address.
	Key *FlagKey `json:"key,omitempty" yaml:"key,omitempty"`

	// Rules give chosen users a variant, before the split. The first that holds
	// decides. At most 64.
	Rules []FlagRule `json:"rules,omitempty" yaml:"rules,omitempty"`

	// Services are those whose requests carry the flag to their endpoints, in the
	// field X-Weir-Flags. Empty: the flag is for applications that ask alone.
	Services []string `json:"services,omitempty" yaml:"services,omitempty"`

	// Record counts the outcomes of these services' requests by variant, always.
	// False: while a rollout of the flag is in force.
	Record bool `json:"record,omitempty" yaml:"record,omitempty"`

	// Guard judges shares that are moved by hand. Nil: the default guard.
	Guard *Guard `json:"guard,omitempty" yaml:"guard,omitempty"`
}

// FlagKey names one thing that requests carry.
type FlagKey struct {
	Header string `json:"header,omitempty" yaml:"header,omitempty"` // name of a request header; empty: none is looked at
	Cookie string `json:"cookie,omitempty" yaml:"cookie,omitempty"` // name of a cookie; empty: none is looked at
	Query  string `json:"query,omitempty" yaml:"query,omitempty"`   // name of a query parameter; empty: none is looked at
}

// FlagRule gives a variant to those whom it is about.
type FlagRule struct {
	// Name is shown, and tells the draw of a share from those of other rules: a rule
	// that keeps its name keeps its users wherever it stands. Empty: the rule's number,
	// and its users are those of its place among the rules without a name.
	Name string `json:"name,omitempty" yaml:"name,omitempty"`

	// When are conditions, all of which must be met. Empty: everybody meets them.
	When []FlagCondition `json:"when,omitempty" yaml:"when,omitempty"`

	// Environments are those in which the rule counts. Empty: all.
	Environments []string `json:"environments,omitempty" yaml:"environments,omitempty"`

	// From is when the rule begins to count, in RFC 3339:
	// "2026-12-24T18:00:00+01:00". Empty: it does from the start.
	From string `json:"from,omitempty" yaml:"from,omitempty"`

	// Until is when it ends to. Empty: it does not.
	Until string `json:"until,omitempty" yaml:"until,omitempty"`

	// Share is how many of those users the rule is for, drawn by their key; the
	// later rules are for the others. 0: all of them.
	Share Weight `json:"share,omitempty" yaml:"share,omitempty"`

	Variant string `json:"variant" yaml:"variant"` // that they get
}

// FlagCondition is met by users with one of some values, in one of these places.
type FlagCondition struct {
	Header string `json:"header,omitempty" yaml:"header,omitempty"` // name of a request header; empty: none is looked at
	Cookie string `json:"cookie,omitempty" yaml:"cookie,omitempty"` // name of a cookie; empty: none is looked at
	Query  string `json:"query,omitempty" yaml:"query,omitempty"`   // name of a query parameter; empty: none is looked at

	// Attribute is what an application says of its user. Of requests that weir
	// routes only `targetingKey` is known: the flag's key. Empty: one of the others
	// is named.
	Attribute string `json:"attribute,omitempty" yaml:"attribute,omitempty"`

	// Values are those that count, exactly. Empty: any value but the empty one.
	Values []string `json:"values,omitempty" yaml:"values,omitempty"`
}

// String says who meets the condition: `header X-Staff is yes or no`, `any cookie beta`.
func (c FlagCondition) String() string {
	at, name := "attribute", c.Attribute
	switch {
	case c.Header != "":
		at, name = "header", c.Header
	case c.Cookie != "":
		at, name = "cookie", c.Cookie
	case c.Query != "":
		at, name = "query", c.Query
	}
	if len(c.Values) == 0 {
		return "any " + at + " " + name
	}
	return at + " " + name + " is " + strings.Join(c.Values, " or ")
}

// Types of flags.
const (
	FlagBoolean = "boolean"
	FlagString  = "string"
	FlagNumber  = "number"
	FlagObject  = "object"
)

// FlagValue is the value of a variant, as JSON.
type FlagValue json.RawMessage

// MarshalJSON gives the value itself.
func (v FlagValue) MarshalJSON() ([]byte, error) { return json.RawMessage(v).MarshalJSON() }

// UnmarshalJSON keeps the value as it is written, without blanks.
func (v *FlagValue) UnmarshalJSON(data []byte) error {
	var out bytes.Buffer
	if err := json.Compact(&out, data); err != nil {
		return err
	}
	*v = out.Bytes()
	return nil
}

// Type is the type of the value; empty for null, a list or what is no JSON.
func (v FlagValue) Type() string {
	switch {
	case len(v) == 0:
		return ""
	case v[0] == 't' || v[0] == 'f':
		return FlagBoolean
	case v[0] == '"':
		return FlagString
	case v[0] == '{':
		return FlagObject
	case v[0] == '-' || '0' <= v[0] && v[0] <= '9':
		return FlagNumber
	}
	return ""
}

// flagPrefix begins the name by which the release of a flag's variants is known
// among those of services, whose names have no colon.
const flagPrefix = "flag:"

// FlagService is the name by which rollouts, metrics and the audit trail know the
// variants of a flag, as they know the versions of a service.
func FlagService(flag string) string { return flagPrefix + flag }

// FlagOf returns the flag that a name of FlagService is about.
func FlagOf(service string) (flag string, ok bool) { return strings.CutPrefix(service, flagPrefix) }

// SetDefaults fills what was left out.
func (f *Flag) SetDefaults() {
	if len(f.Variants) == 0 && (f.Type == "" || f.Type == FlagBoolean) {
		f.Variants = map[string]FlagValue{"on": FlagValue("true"), "off": FlagValue("false")}
	}
	if _, ok := f.Variants["off"]; ok && f.Default == "" {
		f.Default = "off"
	}
	if f.Type == "" {
		f.Type = f.Variants[f.Default].Type()
	}
}

// Service is the flag as a service without routes whose versions, without
// endpoints, are the variants: what is released.
func (f *Flag) Service() Service {
	full := *f
	full.SetDefaults()
	s := Service{Name: FlagService(f.Name), Stable: full.Default, Weights: maps.Clone(full.Split), Guard: full.Guard, Versions: make(map[string]Version, len(full.Variants))}
	for name := range full.Variants {
		s.Versions[name] = Version{}
	}
	s.SetDefaults()
	return s
}

// Names returns the variants' names in order.
func (f *Flag) Names() []string { return slices.Sorted(maps.Keys(f.Variants)) }
