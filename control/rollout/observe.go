package rollout

import (
	"slices"

	"github.com/weirproxy/weir/analysis"
)

// observe tells people of rules that broke and only observe, of each once in a
// generation of the evidence. Nothing else follows from them.
func (m *machine) observe(t Tick) {
	r := &m.Rollout
	for _, v := range t.Observed {
		if v.Kind != analysis.Fail || v.Action != analysis.Notify || slices.Contains(r.Observed, v.Rule) {
			continue
		}
		r.Observed = append(slices.Clip(r.Observed), v.Rule)
		r.UpdatedAt = m.at
		m.announce(AnnounceObserved, "%s", v.Text)
		told := m.effects[len(m.effects)-1].(Announce)
		told.Verdict = &v
		m.effects[len(m.effects)-1] = told
	}
}
