package compile

import (
	"fmt"
	"maps"
	"slices"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/route"
)

// previews returns the rules that lead to a version before users meet it: for
// each rule of the service one with the preview's headers, and one of its host.
//
// A version that is cut keeps its preview: no user comes that way, and whoever
// looks into what went wrong needs it.
func previews(p *rollout.Preview, rules []route.Rule, s *route.Service) []route.Rule {
	if p == nil {
		return nil
	}
	i := slices.IndexFunc(s.Versions, func(v *route.Version) bool { return v.Name == p.To })
	if i < 0 {
		return nil
	}
	var out []route.Rule
	seen := make(map[string]bool)
	for _, rule := range rules {
		to := *rule.Route
		to.Forced = s.Versions[i]
		rule.Route = &to
		if p.Host != "" {
			at := rule
			at.Host = p.Host
			// Two routes that differ by their hosts alone are one here.
			if key := fmt.Sprintf("%s %q %q", at.Path, at.Methods, at.Headers); !seen[key] {
				seen[key] = true
				out = append(out, at)
			}
		}
		if len(p.Header) > 0 {
			rule.Headers = maps.Clone(rule.Headers)
			if rule.Headers == nil {
				rule.Headers = make(map[string]string, len(p.Header))
			}
			maps.Copy(rule.Headers, p.Header)
			out = append(out, rule)
		}
	}
	return out
}

// force compiles which users are led to a version. One that is cut has none, and
// stable needs none.
func (b *builder) force(st rollout.Service, s *route.Service, cut names) (*route.Force, error) {
	f := st.Force
	if f == nil || f.To == st.Stable || slices.Contains(cut, f.To) {
		return nil, nil
	}
	i := slices.IndexFunc(s.Versions, func(v *route.Version) bool { return v.Name == f.To })
	if i < 0 {
		return nil, fmt.Errorf("cannot route service %q: there is no version %q, which users are led to", s.Name, f.To)
	}
	out := &route.Force{Version: s.Versions[i]}
	for _, m := range f.Match {
		by, name := place(m.Header, m.Cookie, m.Query)
		if m.Share > 0 && b.Keys == nil {
			return nil, fmt.Errorf("cannot route service %q: the keys that draw its users have not been read yet", s.Name)
		}
		out.Any = append(out.Any, route.NewCondition(by, name, m.Values, int(m.Share), b.Keys, st.Rollout))
	}
	return out, nil
}

// pins compiles which pins of clients hold. Those to a version that is cut, or
// that has left, are void.
func pins(doc configs.Service, st rollout.Service, s *route.Service, cut names) *route.Pins {
	p := st.Pins
	if p == nil || s.Sticky == nil || doc.Sticky.Mode != "pin" || s.Sticky.By != route.Cookie {
		return nil
	}
	out := &route.Pins{Epoch: p.Epoch, Since: p.Since, Versions: make([]*route.Version, len(p.Versions))}
	if st.Rollout == "" {
		out.Until = st.KeepUntil.Unix()
	}
	for i, name := range p.Versions {
		at := slices.IndexFunc(s.Versions, func(v *route.Version) bool { return v.Name == name })
		if at >= 0 && !slices.Contains(cut, name) {
			out.Versions[i] = s.Versions[at]
		}
	}
	return out
}

// admitted returns how many of so many endpoints of a version take requests.
// While a version is cut the others have all: nothing stands in their way.
func admitted(st rollout.Service, cut names, version string, endpoints int) int {
	n, limited := st.Admitted[version]
	if !limited || len(cut) > 0 {
		return endpoints
	}
	return min(max(n, 1), endpoints)
}
