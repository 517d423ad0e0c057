package configs

// Unbuilt returns what d asks for that weir decodes and validates but cannot do
// yet. Whoever would act on d (apply, start, serve) refuses it with these, so
// that nothing is silently ignored.
func Unbuilt(d *Document) Problems {
	switch d.Kind() {
	case KindService:
		return d.Locate(UnbuiltService(d.Service))
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
	return r.problems
}
