package configs

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// zones lists zones that have every sort of change: forward and back by an hour, by half of one
// (Lord Howe), at midnight (Beirut), and a day left out (Apia).
func zones() []string {
	return []string{"", "UTC", "Europe/Lisbon", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "Pacific/Apia", "Asia/Kolkata"}
}

// shows is the dumb twin: it looks at the clock on the wall.
func shows(s *FreezeSchedule, zone *time.Location, at time.Time) bool {
	local := at.In(zone)
	clock := local.Format("15:04")
	day := map[string]string{"Sun": "sun", "Mon": "mon", "Tue": "tue", "Wed": "wed", "Thu": "thu", "Fri": "fri", "Sat": "sat"}[local.Format("Mon")]
	return slices.Contains(s.Days, day) && s.From <= clock && clock < s.To
}

// turns are days around which clocks change in zones.
func turns() []time.Time {
	day := func(year int, month time.Month, day int) time.Time {
		return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	}
	return []time.Time{
		day(2026, 3, 28), day(2026, 10, 24), day(2026, 3, 7), day(2026, 10, 31),
		day(2026, 4, 4), day(2026, 10, 3), day(2011, 12, 29), day(2026, 6, 1),
	}
}

func TestFreeze_ScheduleIsThatOfTheClockOnTheWallMinuteByMinute(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.IntRange(0, 24*60-1).Draw(t, "from")
		to := rapid.IntRange(from+1, 24*60).Draw(t, "to")
		s := &FreezeSchedule{
			Days:     rapid.SliceOfNDistinct(rapid.SampledFrom(weekdays()), 1, 7, rapid.ID[string]).Draw(t, "days"),
			From:     fmt.Sprintf("%02d:%02d", from/60, from%60),
			To:       fmt.Sprintf("%02d:%02d", to/60, to%60),
			TimeZone: rapid.SampledFrom(zones()).Draw(t, "zone"),
		}
		zone, err := time.LoadLocation(s.TimeZone)
		if err != nil {
			t.Fatal(err)
		}
		f := Freeze{Name: "f", Schedule: s}
		if problems := f.Validate(); len(problems) > 0 {
			t.Fatalf("%v", problems)
		}
		now := rapid.SampledFrom(turns()).Draw(t, "turn").Add(time.Duration(rapid.IntRange(0, 3*24*3600).Draw(t, "second")) * time.Second)
		until, active := f.Active(now)
		if active != shows(s, zone, now) {
			t.Fatalf("%+v at %s: active %v", s, now, active)
		}
		want := now.Truncate(time.Minute).Add(time.Minute)
		for shows(s, zone, want) == active && want.Sub(now) <= endless {
			want = want.Add(time.Minute)
		}
		got := until
		if !active {
			got, _ = f.Next(now)
		}
		if want.Sub(now) > endless {
			if !got.IsZero() && got.Sub(now) <= endless {
				t.Fatalf("%+v at %s: changes at %s, and never does", s, now, got)
			}
			return
		}
		if !got.Equal(want) {
			t.Fatalf("%+v at %s: changes at %s, not %s", s, now, got, want)
		}
	})
}

func TestFreeze_WithoutScheduleLastsUntilItsEnd(t *testing.T) {
	now := time.Date(2026, 12, 24, 12, 0, 0, 0, time.UTC)
	f := func(until string, active bool) {
		t.Helper()
		freeze := Freeze{Name: "f", Until: until}
		end, got := freeze.Active(now)
		if got != active {
			t.Errorf("until %q: active %v", until, got)
		}
		if got && until != "" && end.Format(time.RFC3339) != until {
			t.Errorf("until %q: ends %s", until, end)
		}
	}
	f("", true)
	f("2026-12-24T12:00:01Z", true)
	f("2026-12-24T14:00:00+01:00", true)
	f("2026-12-24T12:00:00Z", false)
	f("2026-12-24T12:30:00+01:00", false)
}

func TestFreeze_CoversItsServices(t *testing.T) {
	if f := (Freeze{}); !f.Covers("shop") {
		t.Error("one without services does not cover shop")
	}
	if f := (Freeze{Services: []string{"api"}}); f.Covers("shop") || !f.Covers("api") {
		t.Error("one of api covers shop, or does not cover api")
	}
}
