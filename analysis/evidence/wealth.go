package evidence

import (
	"errors"
	"math"
)

const (
	startShare   = .55 // invested at the start
	restartShare = .25 // invested at each later stage
	dripWeight   = .5
	dripSeconds  = 600.

	// maxFactor is the most that one block may multiply a bet with, so that no
	// single block can decide.
	maxFactor = 10
	// maxBet bounds a bet. It is far beyond every threshold, and keeps a bet from
	// needing hours to forget an outage. Taking wealth away is always valid.
	maxBet = 1e9
	// minBet is where a bet is lost for good.
	minBet = 1e-200
)

// Wealth is what the bets against the null are worth. The zero Wealth has not
// started and is worth nothing.
type Wealth struct {
	Reserve float64    `json:"reserve"` // not invested
	Bets    [K]float64 `json:"bets"`
	Seconds float64    `json:"seconds"` // time judged so far
}

// NewWealth returns a wealth of 1, of which a part is invested.
func NewWealth() Wealth {
	w := Wealth{Reserve: 1}
	w.invest(startShare)
	return w
}

// Restart invests more where a change is likely: at the start of a stage.
func (w *Wealth) Restart() { w.invest(restartShare) }

// Evidence is the wealth: the factor by which the null should be doubted.
func (w *Wealth) Evidence() float64 {
	sum := w.Reserve
	for _, bet := range w.Bets {
		sum += bet
	}
	return sum
}

// update multiplies the bets with the factors of a block that took so many
// seconds. The drip counts seconds, not blocks, so that shorter blocks do not
// spend the reserve faster.
func (w *Wealth) update(f *[K]float64, seconds float64) {
	w.invest(dripWeight * seconds / (w.Seconds + dripSeconds))
	for k := range w.Bets {
		bet := min(w.Bets[k]*min(f[k], maxFactor), maxBet)
		if !(bet >= minBet) {
			bet = 0
		}
		w.Bets[k] = bet
	}
	w.Seconds += seconds
}

func (w *Wealth) invest(share float64) {
	part := min(share, startShare) * w.Reserve
	w.Reserve -= part
	for k := range w.Bets {
		w.Bets[k] += part * grid[k].share
	}
}

func (w *Wealth) check() error {
	if !finite(w.Reserve, w.Seconds) || !finite(w.Bets[:]...) || w.Reserve > 1 {
		return errors.New("the wealth is out of range")
	}
	return nil
}

// finite reports whether all values are finite and not negative.
func finite(values ...float64) bool {
	for _, v := range values {
		if !(v >= 0) || math.IsInf(v, 1) {
			return false
		}
	}
	return true
}
