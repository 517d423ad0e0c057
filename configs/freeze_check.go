package configs

import (
	"strings"
	"time"
)

// Validate returns all problems of f. Paths are canonical and without places:
// Document.Locate adds them.
func (f *Freeze) Validate() Problems {
	r := &report{}
	r.name("name", f.Name)
	for i, service := range f.Services {
		r.name(item("services", i), service)
	}
	if len(f.Services) > maxFrozen {
		r.add("services", "write two freezes", "there are %d services, more than %d", len(f.Services), maxFrozen)
	}
	if len(f.Reason) > 500 || !isFieldValue(f.Reason) {
		r.add("reason", "write at most 500 printable characters", "the reason is too long or not printable")
	}
	if _, err := time.Parse(time.RFC3339, f.Until); f.Until != "" && err != nil {
		r.add("until", `write it like "2026-12-24T18:00:00+01:00"`, "%q is not a time", f.Until)
	}
	if f.Schedule == nil {
		return r.problems
	}
	if f.Until != "" {
		r.add("until", "write two freezes", "a freeze has a schedule or an end, not both")
	}
	f.Schedule.check(r)
	return r.problems
}

// maxFrozen bounds the services that one freeze names.
const maxFrozen = 1000

func (s *FreezeSchedule) check(r *report) {
	if len(s.Days) == 0 {
		r.add("schedule.days", "write days: [fri]", "no day is named")
	}
	for i, day := range s.Days {
		r.choice(item("schedule.days", i), day, "mon", "tue", "wed", "thu", "fri", "sat", "sun")
		if day == "" {
			r.add(item("schedule.days", i), "write mon to sun", "the day is empty")
		}
	}
	from, to := r.clock("schedule.from", s.From), r.clock("schedule.to", s.To)
	if from >= 0 && to >= 0 && from >= to {
		r.add("schedule.to", "write two freezes for one that spans midnight", "the freeze ends at %s, before it begins at %s", s.To, s.From)
	}
	if zone := s.TimeZone; zone != "" {
		if _, err := time.LoadLocation(zone); err != nil || zone == "Local" || strings.HasPrefix(zone, "/") {
			r.add("schedule.time_zone", "write a name such as Europe/Lisbon, or UTC", "there is no time zone %q", zone)
		}
	}
}

// clock returns the minute of the day of HH:MM, or -1.
func (r *report) clock(path, s string) int {
	if minute, ok := minuteOfDay(s); ok {
		return minute
	}
	r.add(path, "write a time such as 12:00, quoted", "%q is not a time of day", s)
	return -1
}
