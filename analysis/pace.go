package analysis

import (
	"time"

	"github.com/weirproxy/weir/analysis/hist"
)

const (
	paceTicks    = int64(30 * time.Second / TickLength)
	paceFirst    = int64(time.Second / TickLength) // until there are levels
	paceRequests = 3                               // beyond a quantile, to know it
)

// Pace turns stable's latencies into the levels of limits relative to stable. A
// candidate that is at most r times as slow as stable exceeds r*T no more often
// than stable exceeds T, for every T, so that any T that is fixed before the
// requests come is valid: stable's quantile of the time before is merely the one
// that shows most. Levels change twice a minute and follow the hour of the day.
type Pace struct {
	levels []Level
	due    int64
	known  hist.Counts // all that was seen
	recent hist.Counts // with half the weight of what came a round before
}

// NewPace returns the pace of the policy's levels, nil if it has none.
func NewPace(p Policy) *Pace {
	levels := p.Levels()
	if len(levels) == 0 {
		return nil
	}
	return &Pace{levels: levels}
}

// Due reports whether Update has something to do. Now counts ticks.
func (p *Pace) Due(now int64) bool { return now >= p.due }

// Paces are the latencies of all levels; 0 where stable is not known well enough.
type Paces struct {
	Stable, Candidate [MaxLevels]time.Duration
}

// Update takes all latencies that stable has had, ever growing, and returns the
// levels to compare with from a later tick on. It is false while nothing is known.
func (p *Pace) Update(now int64, latencies *hist.Counts) (Paces, bool) {
	var fresh hist.Counts
	for i, n := range latencies {
		fresh[i] = n - min(n, p.known[i])
		p.recent[i] = p.recent[i]/2 + fresh[i]
	}
	p.known = *latencies
	var paces Paces
	some := false
	total := p.recent.Total()
	for k, level := range p.levels[:min(len(p.levels), MaxLevels)] {
		if total*uint64(1000-level.Quantile) < paceRequests*1000 {
			continue
		}
		_, slow := hist.Bounds(hist.Index(p.recent.Quantile(float64(level.Quantile) / 1000)))
		allowed := slow * time.Duration(level.Times) / 1000
		if allowed <= maxRuleLatency {
			paces.Stable[k], paces.Candidate[k] = slow, allowed
			some = true
		}
	}
	p.due = now + paceFirst
	if some {
		p.due = now + paceTicks
	}
	return paces, some
}

// wait is how long after a tick its slowest level has passed for certain, in ticks.
func (p *Paces) wait() int64 {
	longest := time.Duration(0)
	for k := range p.Candidate {
		longest = max(longest, p.Candidate[k], p.Stable[k])
	}
	return min(int64((longest+TickLength-1)/TickLength)+1, maxBehind-1)
}
