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

// UnbuiltService is Unbuilt for a Service without a file.
func UnbuiltService(s *Service) Problems {
	r := &report{}
	r.unreadPages(s.Errors)
	return r.problems
}
