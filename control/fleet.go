package control

import (
	"encoding/json"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/control/store"
)

// Tallies are written this often, and less often by a large fleet.
const (
	tallyEvery      = 200 * time.Millisecond
	tallyEveryLarge = time.Second
	largeFleet      = 16
)

// fleet judges one candidate on the counts of all nodes together, with a part
// of alpha of its own beside that of the fuses. Only the leader's judges; the
// others count, and go on from its evidence when they come to lead.
type fleet struct {
	policy  analysis.Policy
	judge   *analysis.Judge
	merge   merge
	own     sideTally // what this process counted
	pending []analysis.Sample
	told    time.Duration // trial time up to which the judge was told
	shift   time.Duration // by which the leader before was ahead of this node's trial time
	leads   bool
}

// newFleet returns the judge of a side that has this key.
func newFleet(p analysis.Policy, id string, generation int, key string) *fleet {
	p.Fuse = false
	return &fleet{
		policy: p, judge: analysis.NewJudge(p),
		merge: merge{id: id, generation: generation, version: key}, own: sideTally{version: key},
	}
}

// take consumes what is new in a node's report. What comes late falls into a
// later tick: a tick's counts may be of any moment, the test stays valid.
func (f *fleet) take(node string, t tally) {
	f.merge.take(node, t, func(stratum int, s analysis.Sample) {
		p := f.gathered(s.Horizon, s.Limit)
		p.Stable.Add(s.Stable)
		p.Candidate.Add(s.Candidate)
		for i, n := range s.Halves {
			p.Halves[i] += n
		}
		for len(p.Parts) <= stratum {
			p.Parts = append(p.Parts, analysis.Part{})
		}
		p.Parts[stratum].Stable.Add(s.Stable)
		p.Parts[stratum].Candidate.Add(s.Candidate)
	})
}

// gathered is the sample of one stream that is to be judged next.
func (f *fleet) gathered(h analysis.Horizon, limit int) *analysis.Sample {
	for i := range f.pending {
		if p := &f.pending[i]; p.Horizon == h && p.Limit == limit {
			return p
		}
	}
	f.pending = append(f.pending, analysis.Sample{Horizon: h, Limit: limit})
	return &f.pending[len(f.pending)-1]
}

// advance judges what was taken since the last tick.
func (f *fleet) advance(now time.Duration, stage analysis.Stage) {
	now += f.shift
	if now > f.told {
		for _, s := range f.pending {
			s.At = now
			f.judge.Observe(s)
		}
		f.pending, f.told = f.pending[:0], now
	}
	f.judge.SetStage(stage)
	f.judge.Advance(now)
}

// fleetEvidence is the part of evidence/<id> that only a leader has.
type fleetEvidence struct {
	Judge json.RawMessage `json:"judge"`
	Merge merge           `json:"merge"`
	Told  time.Duration   `json:"told_ns"`
}

// resume goes on from what the leader before knew. What it had taken of each
// node is not taken again.
func (f *fleet) resume(e fleetEvidence, now time.Duration) error {
	if err := json.Unmarshal(e.Judge, f.judge); err != nil {
		return fmt.Errorf("cannot resume the fleet's judge: %w", err)
	}
	f.merge.Taken, f.merge.Order, f.merge.Nodes = e.Merge.Taken, e.Merge.Order, e.Merge.Nodes
	f.told, f.shift = e.Told, max(0, e.Told-now)
	return nil
}

// decides is the judge whose word counts here: a fuse that has its proof, else
// the fleet's on the leader, else this node's own.
func (s *side) decides() *analysis.Judge {
	if s.fleet == nil || !s.fleet.leads || s.judge.Failed() {
		return s.judge
	}
	return s.fleet.judge
}

// stableBreaks reports whether stable breaks a rule, by this node's counts or,
// on the leader, by those of the fleet.
func (s *side) stableBreaks(rule string) bool {
	return s.judge.StableBreaks(rule) || s.fleet != nil && s.fleet.leads && s.fleet.judge.StableBreaks(rule)
}

// lead brings the fleet's judges up to date while this node leads.
func (c *Controller) lead(t *trial) {
	for _, s := range t.judging() {
		if s.fleet == nil {
			continue
		}
		if !c.leading {
			s.fleet.leads = false
			continue
		}
		if !s.fleet.leads {
			c.takeOver(t, s)
		}
		for node, said := range c.mirror.tallies {
			if node != c.opts.Node {
				s.fleet.take(node, said)
			}
		}
		s.fleet.take(c.opts.Node, tally{boot: c.opts.Boot, rollouts: []rolloutTally{t.tally(s)}})
		s.fleet.advance(t.judged, t.stageOf(s))
	}
}

// takeOver begins to judge for the fleet, from the evidence that the leader
// before left in etcd.
func (c *Controller) takeOver(t *trial, s *side) {
	own := s.fleet.own
	*s.fleet = *newFleet(s.fleet.policy, t.id, t.stretch.Generation, s.key())
	s.fleet.own, s.fleet.leads = own, true
	known := c.mirror.evidence[t.id].value
	e, ok := known.Fleet[s.key()]
	if !ok || known.Stretch.Generation != t.stretch.Generation {
		return
	}
	if err := s.fleet.resume(e, t.judged); err != nil {
		c.log.Error("evidence of the fleet cannot be used: it begins anew", zap.String("rollout", t.id), zap.Error(err))
		return
	}
	c.log.Info("evidence of the fleet taken over", zap.String("rollout", t.id), zap.String("from", known.Node))
}

// tally is what this node counted of one candidate.
func (t *trial) tally(sides ...*side) rolloutTally {
	r := rolloutTally{id: t.id, generation: t.stretch.Generation, since: t.first}
	for _, s := range sides {
		r.sides = append(r.sides, s.fleet.own)
	}
	return r
}

// tally says what this node counted for rollouts that several nodes serve.
func (c *Controller) tally(now time.Time) {
	every := tallyEvery
	if len(c.mirror.nodes) > largeFleet {
		every = tallyEveryLarge
	}
	if now.Sub(c.tallied) < every {
		return
	}
	c.tallied = now
	said := tally{boot: c.opts.Boot}
	for _, t := range c.trials {
		if len(t.sides) > 0 && t.sides[0].fleet != nil {
			said.rollouts = append(said.rollouts, t.tally(t.judging()...))
		}
	}
	if len(said.rollouts) == 0 {
		if c.tallying {
			c.tallying = false
			c.opts.Store.Keep(store.TallyKey(c.opts.Node), nil)
		}
		return
	}
	value := said.encode()
	if len(value) > maxTally {
		c.log.Error("tally too large: this node's counts are judged by its fuse alone", zap.Int("bytes", len(value)))
		return
	}
	c.tallying = true
	c.opts.Store.Keep(store.TallyKey(c.opts.Node), value)
}
