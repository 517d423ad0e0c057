package control

import (
	"github.com/weirproxy/weir/control/exposition"
	"github.com/weirproxy/weir/proxy/stats"
)

// replays are the families of what versions were asked beyond the requests of
// clients.
type replays struct{ retries, denied, copies *exposition.Family }

func newReplays(p *exposition.Page) replays {
	return replays{
		retries: p.Counter("weir_retries_total", "Attempts that followed one on the version, by why they did."),
		denied:  p.Counter("weir_retries_denied_total", "Attempts that would have followed one on the version but for the budget."),
		copies:  p.Counter("weir_mirror_requests_total", "Copies of requests, by how they ended: ok, the reason of their failure, or dropped."),
	}
}

func (r *replays) write(base exposition.Labels, totals *stats.Totals) {
	for cause, n := range totals.Retries {
		if n > 0 {
			r.retries.AddTo(base, float64(n), "reason", stats.Cause(cause).String())
		}
	}
	if totals.Denied > 0 {
		r.denied.AddTo(base, float64(totals.Denied))
	}
	for reason, n := range totals.Copies {
		if n > 0 {
			r.copies.AddTo(base, float64(n), "result", copied(stats.Reason(reason)))
		}
	}
	if totals.Dropped > 0 {
		r.copies.AddTo(base, float64(totals.Dropped), "result", "dropped")
	}
}

// copied is how a copy ended.
func copied(r stats.Reason) string {
	if r == stats.None {
		return "ok"
	}
	return r.String()
}
