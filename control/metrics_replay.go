package control

import "github.com/weirproxy/weir/proxy/stats"

// writeReplays writes what versions were asked beyond the requests of clients.
func writeReplays(m *exposition, rows []row) {
	m.family("weir_retries_total", "counter", "attempts that followed one on the version, by why they did")
	for i := range rows {
		for cause, n := range rows[i].totals.Retries {
			if n > 0 {
				m.value("weir_retries_total", float64(n), "service", rows[i].service, "version", rows[i].version, "reason", stats.Cause(cause).String())
			}
		}
	}
	m.family("weir_retries_denied_total", "counter", "attempts that would have followed one on the version but for the budget")
	for i := range rows {
		if n := rows[i].totals.Denied; n > 0 {
			m.value("weir_retries_denied_total", float64(n), "service", rows[i].service, "version", rows[i].version)
		}
	}
	m.family("weir_mirror_requests_total", "counter", "copies of requests, by how they ended: ok, the reason of their failure, or dropped")
	for i := range rows {
		for reason, n := range rows[i].totals.Copies {
			if n > 0 {
				m.value("weir_mirror_requests_total", float64(n), "service", rows[i].service, "version", rows[i].version, "result", copied(stats.Reason(reason)))
			}
		}
		if n := rows[i].totals.Dropped; n > 0 {
			m.value("weir_mirror_requests_total", float64(n), "service", rows[i].service, "version", rows[i].version, "result", "dropped")
		}
	}
}

// copied is how a copy ended.
func copied(r stats.Reason) string {
	if r == stats.None {
		return "ok"
	}
	return r.String()
}
