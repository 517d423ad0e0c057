package evidence

import (
	"errors"
	"time"
)

const (
	// A burst that is shorter than burstTime must not decide alone.
	burstTime   = 400 * time.Millisecond
	burstBlocks = 5

	// Hot blocks with no longer pause than quietBlocks make one run, of which so
	// many must lie outside its hottest burst: a stray error may make one. In a run
	// that lasts longRun, because blocks are long, one is enough.
	quietBlocks  = 10
	othersNeeded = 2
	longRun      = 2 * time.Second

	// climbFrom is the evidence below which nothing is suspected, and by how much
	// what does not stem from a burst must have grown to be suspicion of its own.
	climbFrom = 2
)

// Guard keeps one burst of bad requests from deciding alone. It only ever holds
// a decision back, so that it needs no proof. A block is hot when its best bet
// grows as much as it may, which a stray error or two in it seldom do.
type Guard struct {
	Steps [burstBlocks]Step `json:"steps"` // the last blocks
	Next  int               `json:"next"`  // of Steps

	Hot   int `json:"hot"`   // blocks of the run
	Most  int `json:"most"`  // of those, in the burst that has most
	Quiet int `json:"quiet"` // blocks since the last hot one

	Since time.Duration `json:"since"` // end of the run's first hot block
	Until time.Duration `json:"until"` // and of its last

	Before float64 `json:"before"` // evidence where it began to climb
	Peak   float64 `json:"peak"`   // most that one burst multiplied it with since then
}

// Step is how much a block can have multiplied the evidence.
type Step struct {
	At     time.Duration `json:"at"` // its end
	Growth float64       `json:"growth"`
}

// follow takes a block: when it opened and ended, the evidence before it, and the
// growth of its best bet. A burst touches at most five blocks: the last of them
// opens less than burstTime after the first one ended.
func (g *Guard) follow(opened, at time.Duration, before, growth float64) {
	if before < climbFrom {
		g.Before, g.Peak = before, 1
	}
	if growth >= maxFactor {
		if g.Quiet > quietBlocks {
			g.Hot, g.Most = 0, 0
		}
		if g.Hot == 0 {
			g.Since = at
		}
		g.Until = at
		g.Hot++
		g.Quiet = 0
	} else {
		g.Quiet = min(g.Quiet+1, quietBlocks+1)
	}
	g.Steps[g.Next] = Step{at, growth}
	g.Next = (g.Next + 1) % burstBlocks

	hot, product := 0, 1.
	for _, s := range g.Steps {
		if s.Growth > 0 && opened-s.At < burstTime {
			product *= max(s.Growth, 1)
			if s.Growth >= maxFactor {
				hot++
			}
		}
	}
	g.Most = max(g.Most, hot)
	g.Peak = max(g.Peak, product)
}

// hot reports whether the last block was.
func (g *Guard) hot() bool { return g.Hot > 0 && g.Quiet == 0 }

// sustained reports whether evidence at the threshold rests on more than one
// burst: none is large enough to have made it, or there were other hot blocks, or
// it grew beyond what any one can have made of it.
func (g *Guard) sustained(evidence, threshold float64) bool {
	burst := g.Before * g.Peak
	needed := othersNeeded
	if g.Until-g.Since >= longRun {
		needed = 1
	}
	return burst < threshold || g.Hot-g.Most >= needed || evidence >= climbFrom*burst
}

func (g *Guard) check() error {
	for _, s := range g.Steps {
		if !finite(s.Growth) {
			return errors.New("the burst guard is out of range")
		}
	}
	if g.Next < 0 || g.Next >= burstBlocks || !finite(g.Before, g.Peak) || g.Quiet < 0 {
		return errors.New("the burst guard is out of range")
	}
	return nil
}
