//go:build e2e

package e2e

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

const (
	changes     = 2000
	changesTime = 30 * time.Second
	maxDrift    = 3 // standard errors
)

func TestWeights_ThousandsOfChangesLoseNothingAndDoNotDrift(t *testing.T) {
	w := newWorld(t, options{}) // not sticky: each request draws anew
	// Luck alone carries a fair split over the bar in one of 300 runs, and twice
	// in a row in one of 90 000.
	if !w.change(1) && !w.change(2) {
		t.Errorf("the split drifts from the weights")
	}
}

// change moves the weights under load, and reports whether the split kept to them.
func (w *world) change(seed uint64) bool {
	t := w.t
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 0))
	var log lab.WeightLog
	set := func(basisPoints int) {
		t.Helper()
		asked := time.Now()
		w.check(w.api.Weigh("shop", map[string]string{
			"blue":  fmt.Sprintf("%.2f%%", float64(10_000-basisPoints)/100),
			"green": fmt.Sprintf("%.2f%%", float64(basisPoints)/100),
		}))
		log.Add(asked, time.Now(), basisPoints)
	}

	set(5000)
	began := time.Now()
	traffic := w.load().Open(800)
	for i := range changes {
		set(500 + random.IntN(9001)) // 5 % to 95 %
		time.Sleep(time.Until(began.Add(changesTime * time.Duration(i+1) / changes)))
	}
	took := time.Since(began)
	shots := traffic.Stop()

	w.unharmed(shots)
	t.Logf("%d changes in %s under load; bar %s", changes, took.Round(time.Millisecond), changesTime)
	if took > changesTime+changesTime/5 {
		t.Errorf("%d changes took %s", changes, took)
	}
	all, sure := log.Drift("green", shots)
	t.Logf("drift of requests with one weight in force: %s; bar %d", sure, maxDrift)
	t.Logf("drift of all requests, changes taken at their middle: %s; bar %d", all, maxDrift)
	if sure.Requests < len(shots)/4 {
		t.Errorf("only %d of %d requests had one weight in force: this proves little", sure.Requests, len(shots))
	}
	return all.Errors() <= maxDrift && sure.Errors() <= maxDrift
}
