package control

import (
	"runtime"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/exposition"
)

// writeFlags writes what is known of flags. Their requests are those of services as
// well, so they have families of their own: nothing is summed up twice.
func (c *Controller) writeFlags(p *exposition.Page, v *View) {
	a := &answers{
		requests: p.Counter("weir_flag_requests_total", "Requests ended that had the variant, by the status that the client got; counted while a rollout of the flag is in force, or with record: true."),
		errors:   p.Counter("weir_flag_request_errors_total", "Those of them that count as errors, by reason."),
		duration: p.Histogram("weir_flag_request_duration_seconds", "Their time from the last request byte sent upstream to the final head."),
	}
	shares := p.Gauge("weir_flag_share_ratio", "Share of keys in force on this node, cuts included; rules come before it.")
	killed := p.Gauge("weir_flag_killed", "1 if a person switched the flag off: everybody gets its default.")
	refused := p.Gauge("weir_flag_refused", "1 for a flag whose present document this node cannot use; it keeps the last good one.")
	limits, usual := latencyLimits(v), boundsWith(nil)
	for i := range v.Flags {
		f := &v.Flags[i]
		name := f.Document.Name
		killed.Add(exposition.Flag(f.Killed != nil), "flag", name)
		if f.Refused != "" {
			refused.Add(1, "flag", name)
		}
		for _, variant := range f.Variants {
			shares.Add(float64(variant.Weight)/10_000, "flag", name, "variant", variant.Name)
		}
	}
	table := c.opts.Tables.Load()
	if table == nil {
		return
	}
	for i, f := range table.Flags {
		if i%servicesAtOnce == 0 {
			runtime.Gosched()
		}
		b := usual
		if more := limits[configs.FlagService(f.Name)]; len(more) > 0 {
			b = boundsWith(more)
		}
		for j := range f.Variants {
			f.Variants[j].Recorder.Totals(&a.totals)
			if a.totals.Begun() > 0 {
				a.write(exposition.LabelsOf("flag", f.Name, "variant", f.Variants[j].Name), b)
			}
		}
	}
}
