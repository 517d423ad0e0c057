package compile

import (
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/upstream"
)

// mirror compiles what is copied. A version that is cut gets nothing, and
// stable's users are its traffic already.
func mirror(st rollout.Service, s *route.Service, cut names) *route.Mirror {
	m := st.Mirror
	if m == nil || m.Share == 0 || m.To == st.Stable || slices.Contains(cut, m.To) {
		return nil
	}
	i := slices.IndexFunc(s.Versions, func(v *route.Version) bool { return v.Name == m.To })
	return &route.Mirror{Version: s.Versions[i], Share: int(m.Share)}
}

// retry compiles a policy with its defaults filled in.
func retry(r *configs.Retry) route.Retry {
	return route.Retry{
		Attempts: min(r.Attempts, route.MaxAttempts),
		Connect:  r.Wants("connect"),
		Reset:    r.Wants("reset"),
		Timeout:  r.Wants("timeout"),
		Status:   route.Statuses(r.Statuses()...),
		Attempt:  r.AttemptTimeout.Std(),
	}
}

// fallback compiles who is asked for what a version does not know: stable for
// any other version with weight, and for stable the one with most weight or,
// while nobody else has any, the one that is kept from before. Nil: nobody.
func fallback(f *configs.Fallback, s *built) *route.Fallback {
	if f == nil {
		return nil
	}
	versions, stable := s.service.Versions, s.service.Stable
	out := &route.Fallback{Status: route.Statuses(f.Status...), Methods: f.Methods, Others: make([]*route.Version, len(versions))}
	for i, v := range versions {
		weight := s.effective[v.Name]
		if i == stable || weight == 0 {
			continue
		}
		out.Others[i] = versions[stable]
		if other := out.Others[stable]; other == nil || weight > s.effective[other.Name] {
			out.Others[stable] = v
		}
	}
	if out.Others[stable] != nil {
		return out
	}
	st := s.state.Service
	for i, v := range versions {
		if i != stable && v.Name == st.Previous && st.KeepUntil.After(time.Time{}) {
			out.Others[stable], out.Until = v, st.KeepUntil
			return out
		}
	}
	return nil
}

// budget is that of the version of the same name before, if there was one: what
// it has spent stays spent.
func budget(last *built, version string) *upstream.Budget {
	if last != nil {
		for _, v := range last.service.Versions {
			if v.Name == version {
				return v.Budget
			}
		}
	}
	return new(upstream.Budget)
}
