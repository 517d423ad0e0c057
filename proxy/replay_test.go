package proxy

import (
	"testing"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

func TestFollow(t *testing.T) {
	bad, _ := route.ErrorStatuses()
	s := &route.Service{ErrorStatus: bad}
	s.SetReplays(route.Retry{Attempts: 3, Reset: true, Status: route.Statuses(503)}, true, &route.Fallback{Status: route.Statuses(404)})
	f := func(fail failure, want step) {
		t.Helper()
		if got := follow(s, fail); got != want {
			t.Errorf("%+v: step %d, want %d", fail, got, want)
		}
	}
	broken := failure{reason: stats.Reset, repeatable: true, tries: 1}
	with := func(of failure, change func(*failure)) failure { change(&of); return of }

	// What reached no endpoint goes to another one, whatever its method.
	refused := failure{reason: stats.Connect, unsent: true, other: true, tries: 1}
	f(refused, elsewhere)
	f(with(refused, func(f *failure) { f.tries = 3 }), stop)
	f(with(refused, func(f *failure) { f.moved = true }), elsewhere)
	f(with(refused, func(f *failure) { f.candidate = true }), elsewhere)
	f(with(refused, func(f *failure) { f.other, f.candidate = false, true }), shield)
	f(with(refused, func(f *failure) { f.other = false }), stop) // connect is not asked for

	// What may have been carried out is repeated only if that does no harm.
	f(broken, repeat)
	f(with(broken, func(f *failure) { f.repeatable = false }), stop)
	f(with(broken, func(f *failure) { f.tries = 3 }), stop)
	f(with(broken, func(f *failure) { f.moved = true }), stop)
	f(with(broken, func(f *failure) { f.reason = stats.Timeout }), stop)
	f(with(broken, func(f *failure) { f.reason = stats.Truncated }), repeat)
	f(with(broken, func(f *failure) { f.candidate = true }), shield)
	f(with(broken, func(f *failure) { f.candidate, f.repeatable = true, false }), stop)
	f(with(broken, func(f *failure) { f.candidate, f.moved = true, true }), stop)

	answered := failure{status: 503, repeatable: true, tries: 1}
	f(answered, repeat)
	f(with(answered, func(f *failure) { f.candidate = true }), shield)
	f(with(answered, func(f *failure) { f.status = 500 }), stop)
	f(with(answered, func(f *failure) { f.status, f.candidate = 500, true }), shield)
	f(with(answered, func(f *failure) { f.status, f.candidate = 200, true }), stop)

	unknown := failure{status: 404, repeatable: true, fallback: true, tries: 1}
	f(unknown, fallback)
	f(with(unknown, func(f *failure) { f.candidate = true }), fallback)
	f(with(unknown, func(f *failure) { f.moved = true }), stop)
	f(with(unknown, func(f *failure) { f.repeatable = false }), stop)
	f(with(unknown, func(f *failure) { f.fallback = false }), stop)
}

// TestFollow_NeverDoesHarm tries every failure under every policy.
func TestFollow_NeverDoesHarm(t *testing.T) {
	bad, _ := route.ErrorStatuses()
	for bits := range 1 << 15 {
		bit := func(n int) bool { return bits>>n&1 == 1 }
		s := &route.Service{ErrorStatus: bad}
		r := route.Retry{Attempts: bits & 3, Connect: bit(2), Reset: bit(3), Timeout: bit(3), Status: route.Statuses(503)}
		s.SetReplays(r, bit(4), &route.Fallback{Status: route.Statuses(404)})
		for reason := range stats.Reason(stats.Reasons) {
			f := failure{
				reason: reason, unsent: bit(5), other: bit(6), repeatable: bit(7), candidate: bit(8),
				moved: bit(9), fallback: bit(10), tries: 1 + bits>>11&3, status: [...]int{404, 500, 503, 200}[bits>>13],
			}
			got := follow(s, f)
			switch {
			case got != stop && !f.unsent && !f.repeatable,
				got == elsewhere && (!f.unsent || !f.other),
				got == shield && (!s.Shield || !f.candidate),
				(got == shield || got == fallback) && f.moved,
				(got == elsewhere || got == repeat) && f.tries >= r.Attempts,
				got == fallback && reason != stats.None,
				got != stop && reason == stats.ClientLeft && got != elsewhere:
				t.Fatalf("%+v under %+v, shield %v: step %d", f, r, s.Shield, got)
			}
		}
	}
}
