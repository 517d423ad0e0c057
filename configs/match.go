package configs

import (
	"fmt"
)

// Match is one way in which a request may belong to chosen users: by the value of
// a header, cookie or query parameter, one of the three.
type Match struct {
	Header string `json:"header,omitempty" yaml:"header,omitempty"` // name of a request header; empty: none is looked at
	Cookie string `json:"cookie,omitempty" yaml:"cookie,omitempty"` // name of a cookie; empty: none is looked at
	Query  string `json:"query,omitempty" yaml:"query,omitempty"`   // name of a query parameter; empty: none is looked at

	// Values are those that count, exactly. Empty: any value but the empty one.
	Values []string `json:"values,omitempty" yaml:"values,omitempty"`

	// Share is how much of these values counts, drawn by a hash that nobody
	// outside can compute and that each rollout draws anew. 0: all of them.
	Share Weight `json:"share,omitempty" yaml:"share,omitempty"`
}

// Bounds of what a request is compared with.
const (
	maxMatches     = 16
	maxMatchValues = 10_000
)

func (r *report) matches(path string, matches []Match) {
	if len(matches) > maxMatches {
		r.add(path, fmt.Sprintf("keep at most %d", maxMatches), "there are %d conditions", len(matches))
		return
	}
	for i, m := range matches {
		m.check(r, item(path, i))
	}
}

func (m *Match) check(r *report, path string) {
	named := 0
	for _, kind := range []struct{ name, value string }{{"header", m.Header}, {"cookie", m.Cookie}, {"query", m.Query}} {
		if kind.value == "" {
			continue
		}
		named++
		if kind.name != "query" && !isToken(kind.value) {
			r.add(field(path, kind.name), "write a name such as X-Beta", "%q is not the name of a %s", kind.value, kind.name)
		}
	}
	if named != 1 {
		r.add(path, "write one of header, cookie and query", "it names %d things to look at", named)
	}
	r.values(field(path, "values"), m.Values)
	if m.Share < 0 || m.Share > Whole {
		r.add(field(path, "share"), "write a share such as 10%", "%s is not a share of users", m.Share)
	}
}

// values checks what requests are compared with.
func (r *report) values(path string, values []string) {
	if len(values) > maxMatchValues {
		r.add(path, fmt.Sprintf("keep at most %d, or choose a share", maxMatchValues), "there are %d values", len(values))
	}
	for i, value := range values {
		if value == "" || len(value) > 256 || !isFieldValue(value) {
			r.add(item(path, i), "write 1 to 256 printable characters", "%q can be nobody's value", value)
		}
	}
}

// Beside reports whether the stage gives the candidate requests beside the split.
func (s *Stage) Beside() bool { return s.Mirror > 0 || len(s.Match) > 0 }

// checkBeside checks what a stage says of requests beside the split.
func (p *Rollout) checkBeside(r *report, i int, weight Weight) {
	stage, path := &p.Stages[i], item("stages", i)
	if stage.Mirror < 0 || stage.Mirror > Whole {
		r.add(field(path, "mirror"), "write a share such as 10%", "%s is not a share of requests", stage.Mirror)
	}
	r.matches(field(path, "match"), stage.Match)
	if weight > 0 || !stage.Beside() {
		return
	}
	if stage.Duration == 0 && !stage.Pause {
		r.add(path, "give it a duration", "nothing is seen of the candidate in a stage without weight and duration")
	}
	if stage.Early {
		r.add(field(path, "early"), "remove it", "nothing can be proven of a candidate before the split gives it users")
	}
	if i == len(p.Stages)-1 {
		r.add(path, "add a stage such as {weight: 100%, duration: 10m}", "no stage gives the candidate a weight, so nothing could pass it")
	}
}
