//go:build !race

package stats

import "testing"

func TestRecorder_AllocatesNothing(t *testing.T) {
	f := func(name string, want float64, do func()) {
		t.Helper()
		if got := testing.AllocsPerRun(5000, do); got != want {
			t.Errorf("%s: %v allocations, want %v", name, got, want)
		}
	}
	r := benchRecorder(true)
	trial := r.Armed()
	i := int64(0)
	f("request", 0, func() { i++; request(r, 0, i) })
	f("errors", 0, func() {
		i++
		token := r.Begin(0, Split, i*100_000, int32(i%Buckets))
		r.End(&token, i*100_000+int64(second), Outcome{Status: 502, Reason: Connect})
	})
	var o Outcomes
	f("outcomes", 0, func() { trial.Outcomes(TickOf(i*100_000), &o) })
	var totals Totals
	f("totals", 0, func() { r.Totals(&totals) })
}
