package configs

import "github.com/weirproxy/weir/analysis"

// Unbuilt returns what d asks for that weir decodes and validates but cannot do
// yet. Whoever would act on d (apply, start, serve) refuses it with these, so
// that nothing is silently ignored.
func Unbuilt(d *Document) Problems {
	switch d.Kind() {
	case KindService:
		return d.Locate(UnbuiltService(d.Service))
	case KindRollout:
		return d.Locate(UnbuiltRollout(d.Rollout))
	}
	return nil
}

func (r *report) unbuilt(path string, asked bool, what string) {
	if asked {
		r.add(path, "leave it out for now", "not built yet: %s", what)
	}
}

// UnbuiltService is Unbuilt for a Service without a file.
func UnbuiltService(s *Service) Problems {
	r := &report{}
	r.unreadPages(s.Errors)
	r.unbuilt("sticky.mode", s.Sticky != nil && s.Sticky.Mode == "pin", "sticky mode pin")
	for _, rule := range s.Guard.rules() {
		r.unbuilt("guard.triggers", rule.Condition.Valued(), rule.Condition.String())
	}
	return r.problems
}

// UnbuiltRollout is Unbuilt for a Rollout without a file.
func UnbuiltRollout(p *Rollout) Problems {
	r := &report{}
	r.unbuilt("smoke", len(p.Smoke) > 0, "smoke tests")
	for _, rule := range p.Rules() {
		r.unbuilt("", rule.Condition.Valued() || rule.Condition.Metric == analysis.SmokeTest, rule.Condition.String())
	}
	return r.problems
}
