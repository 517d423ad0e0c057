package health

import (
	"time"

	"github.com/weirproxy/weir/configs"
)

// calm is how long an endpoint must stay in for one of its ejections to be
// forgotten (Envoy's outlier detection interval).
const calm = 10 * time.Second

// Outlier is what is remembered of an endpoint that failed requests. The zero
// Outlier is of one that never did.
type Outlier struct {
	Times int       // ejections that the length of the next one counts
	Until time.Time // when it comes back; zero: it is in

	since time.Time // when it came back, or Times was last lowered
}

// Forgotten reports whether there is nothing left to remember.
func (o *Outlier) Forgotten() bool { return o.Times == 0 && o.Until.IsZero() }

// Member is one endpoint of a version, for Eject.
type Member struct {
	Outlier

	Well    bool // as far as probes know
	Suspect bool // it has failed as many requests in a row as an ejection takes
}

func (m *Member) up() bool { return m.Well && m.Until.IsZero() }

// Eject decides which endpoints of a version are out: it changes the Outliers of
// members. Those whose time is over come back first; then those suspected go, in
// their order, as long as not too many are out and another one is up. One that
// may not go is suspected no more: it takes a further failure.
func Eject(members []Member, e configs.Ejection, now time.Time) {
	out, up := 0, 0
	for i := range members {
		m := &members[i]
		m.pass(now)
		if !m.Until.IsZero() {
			out++
		}
		if m.up() {
			up++
		}
	}
	allowed := max(1, len(members)*e.MaxPercent/100)
	for i := range members {
		m := &members[i]
		others := up
		if m.up() {
			others--
		}
		if !m.Suspect || !m.Until.IsZero() || out >= allowed || others == 0 {
			continue
		}
		m.eject(e, now)
		out, up = out+1, others
	}
}

// pass lets time go by.
func (o *Outlier) pass(now time.Time) {
	if !o.Until.IsZero() && !now.Before(o.Until) {
		o.Until, o.since = time.Time{}, now
	}
	for o.Until.IsZero() && o.Times > 0 && now.Sub(o.since) >= calm {
		o.Times--
		o.since = o.since.Add(calm)
	}
}

func (o *Outlier) eject(e configs.Ejection, now time.Time) {
	if time.Duration(o.Times)*e.Time.Std() < e.MaxTime.Std() {
		o.Times++ // more would only be remembered longer
	}
	o.Until = now.Add(min(time.Duration(o.Times)*e.Time.Std(), e.MaxTime.Std()))
}
