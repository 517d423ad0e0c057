package configs

import (
	"slices"
	"strings"
	"time"
)

// Freeze is a window in which no stage begins and nothing is promoted. What puts
// traffic back never waits for one. It has a schedule, or an end: `until`.
type Freeze struct {
	// Name identifies the freeze: lower-case letters, digits and dashes, at most 63.
	Name string `json:"name" yaml:"name"`

	// Services that are frozen. Empty: all.
	Services []string `json:"services,omitempty" yaml:"services,omitempty"`

	// Schedule repeats weekly. Nil: the freeze is in force from when it is applied.
	Schedule *FreezeSchedule `json:"schedule,omitempty" yaml:"schedule,omitempty"`

	// Until is when a freeze without a schedule ends, in RFC 3339:
	// "2026-12-24T18:00:00+01:00". Empty: when it is deleted.
	Until string `json:"until,omitempty" yaml:"until,omitempty"`

	// Reason is shown where a rollout waits. Empty: none is shown.
	Reason string `json:"reason,omitempty" yaml:"reason,omitempty"`
}

// FreezeSchedule is a window of the wall clock, minute by minute as the clock on
// the wall shows it: where a change to or from summer time skips or repeats
// minutes of the window, it is shorter or comes twice.
type FreezeSchedule struct {
	Days []string `json:"days" yaml:"days"` // mon … sun
	From string   `json:"from" yaml:"from"` // HH:MM, the first minute of the window
	To   string   `json:"to" yaml:"to"`     // HH:MM, the first minute after it; at most 24:00

	// TimeZone is a name such as Europe/Lisbon. Empty: UTC.
	TimeZone string `json:"time_zone,omitempty" yaml:"time_zone,omitempty"`
}

// weekdays are the names of days in a schedule, in the order of time.Weekday.
func weekdays() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// endless bounds how far a freeze's end is looked for: a week's schedule without
// a gap has none.
const endless = 8 * 24 * time.Hour

// Covers reports whether f is about a service.
func (f *Freeze) Covers(service string) bool {
	return len(f.Services) == 0 || slices.Contains(f.Services, service)
}

// Active reports whether f, which is valid, is in force at now, and until when.
// A zero time says that it has no end.
func (f *Freeze) Active(now time.Time) (until time.Time, active bool) {
	if f.Schedule == nil {
		if f.Until == "" {
			return time.Time{}, true
		}
		until, err := time.Parse(time.RFC3339, f.Until)
		return until, err == nil && now.Before(until)
	}
	at, active := f.Schedule.change(now)
	if !active || at.Sub(now) > endless {
		return time.Time{}, active
	}
	return at, true
}

// Next returns when f, which has a schedule and is not in force at now, begins
// next. It is false if that is never.
func (f *Freeze) Next(now time.Time) (time.Time, bool) {
	if f.Schedule == nil {
		return time.Time{}, false
	}
	at, active := f.Schedule.change(now)
	return at, !active && at.Sub(now) <= endless
}

// change reports whether the window is open at now, and when that changes. It
// goes from one turn of the clock to the next, within spans in which the clock
// runs evenly: a change to or from summer time ends such a span.
func (s *FreezeSchedule) change(now time.Time) (at time.Time, open bool) {
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil {
		zone = time.UTC
	}
	from, okFrom := minuteOfDay(s.From)
	to, okTo := minuteOfDay(s.To)
	if !okFrom || !okTo {
		return now.Add(2 * endless), false
	}
	at = now.In(zone)
	open = s.open(at, from, to)
	for at.Sub(now) <= endless {
		at = turn(at, from, to)
		if s.open(at, from, to) != open {
			return at, open
		}
	}
	return now.Add(2 * endless), open
}

// open reports whether the wall clock shows a minute of the window.
func (s *FreezeSchedule) open(at time.Time, from, to int) bool {
	minute := at.Hour()*60 + at.Minute()
	return from <= minute && minute < to && slices.Contains(s.Days, weekdays()[at.Weekday()])
}

// turn is the next time after at at which the wall clock shows from, to or
// midnight, or is put forward or back.
func turn(at time.Time, from, to int) time.Time {
	second := at.Hour()*3600 + at.Minute()*60 + at.Second()
	left := 24*3600 - second
	for _, minute := range []int{from, to} {
		if d := minute*60 - second; d > 0 {
			left = min(left, d)
		}
	}
	next := at.Truncate(0).Add(time.Duration(left)*time.Second - time.Duration(at.Nanosecond()))
	if _, end := at.ZoneBounds(); !end.IsZero() && end.Before(next) {
		return end
	}
	return next
}

// minuteOfDay reads HH:MM, up to 24:00.
func minuteOfDay(s string) (int, bool) {
	hour, minute, ok := strings.Cut(s, ":")
	if !ok || len(hour) != 2 || len(minute) != 2 {
		return 0, false
	}
	n := 0
	for _, c := range hour + minute {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	n = n/100*60 + n%100
	return n, minute < "60" && n <= 24*60
}
