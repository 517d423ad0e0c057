package configs

// Unbuilt returns what d asks for that weir cannot do as d is given to it: error
// pages that were never read from their files. Whoever would act on d (apply,
// start, serve) refuses it with these, so that nothing is silently ignored.
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
