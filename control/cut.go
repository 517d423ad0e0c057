package control

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// cut takes a candidate to 0 on this node: table first, then disk, then etcd,
// then the event. It is idempotent, and no state of the controller delays it.
func (c *Controller) cut(cut rollout.Cut) {
	if own, ok := c.cuts[cut.Rollout][cut.Version]; ok && own.Generation >= cut.Generation {
		return
	}
	cut.Node, cut.Boot = c.opts.Node, c.opts.Boot
	c.own(cut)
	c.publish()
	value, err := json.Marshal(cut)
	if err != nil {
		panic(fmt.Sprintf("BUG: cannot encode a cut: %v", err))
	}
	part := ""
	if len(c.mirror.rollouts[cut.Rollout].value.Candidates) > 1 {
		part = cut.Version
	}
	c.journaling[cut.Rollout]++
	c.work(func(context.Context) func() {
		err := c.opts.Store.Cut(cut.Rollout, part, value)
		return func() { c.journaled(cut.Rollout, err) }
	})
	path := string(cut.Verdict.Path)
	if cut.Actor != "" {
		path = "person"
	}
	c.log.Warn("candidate cut", zap.String("service", cut.Service), zap.String("rollout", cut.Rollout),
		zap.String("version", cut.Version), zap.String("path", path), zap.String("reason", cut.Reason))
	c.rollbacks.add(versionID{cut.Service, path})
	event := Event{At: cut.At, Kind: "cut", Service: cut.Service, Rollout: cut.Rollout, Phase: rollout.RolledBack,
		Text: fmt.Sprintf("%s gets no more traffic: %s", cut.Version, cut.Reason)}
	if cut.Verdict.Kind != "" {
		event.Verdict = &cut.Verdict
	}
	c.hub.publish(event)
}

// journaled ends the writing of a cut. The rollout may be over by now.
func (c *Controller) journaled(id string, err error) {
	if err != nil {
		c.log.Error("cut is in force but not on disk", zap.String("rollout", id), zap.Error(err))
	}
	if c.journaling[id]--; c.journaling[id] <= 0 {
		delete(c.journaling, id)
	}
	c.dropCuts()
}

// restoreCuts puts the journalled cuts of the process before this one back in
// force, ahead of the first table.
func (c *Controller) restoreCuts() {
	for _, stored := range c.opts.Store.Cuts() {
		var cut rollout.Cut
		if err := json.Unmarshal(stored.Value, &cut); err != nil {
			c.log.Error("journalled cut cannot be read", zap.String("rollout", stored.Rollout), zap.Error(err))
			continue
		}
		c.own(cut)
	}
}

func (c *Controller) own(cut rollout.Cut) {
	if c.cuts[cut.Rollout] == nil {
		c.cuts[cut.Rollout] = make(map[string]rollout.Cut)
	}
	c.cuts[cut.Rollout][cut.Version] = cut
}

// dropCuts forgets this node's cuts that count no more: their rollout has
// ended, or a person has resumed it since, or it goes on with other candidates
// and gives the version nothing.
func (c *Controller) dropCuts() {
	if c.mirror.source != store.SourceEtcd {
		return
	}
	for id, byVersion := range c.cuts {
		for version, cut := range byVersion {
			if c.spent(cut) {
				delete(byVersion, version)
			}
		}
		// What is still being written would come after the end of its rollout.
		if len(byVersion) > 0 || c.journaling[id] > 0 {
			continue
		}
		delete(c.cuts, id)
		c.forget(id)
	}
}

// spent reports whether a cut of this node has nothing left to say.
func (c *Controller) spent(cut rollout.Cut) bool {
	r := c.mirror.rollouts[cut.Rollout].value
	if r.Phase == rollout.Succeeded && c.trials[cut.Rollout] != nil {
		return false // a success that overtook it is taken back
	}
	s := c.mirror.states[cut.Service].value
	return !s.Counts(cut) || len(r.Candidates) > 1 && s.Voids(cut)
}

// forget drops what this node's disk holds of a rollout.
func (c *Controller) forget(id string) {
	c.work(func(context.Context) func() {
		if err := c.opts.Store.Forget(id); err != nil {
			return func() { c.log.Warn("rollout not forgotten on disk", zap.String("rollout", id), zap.Error(err)) }
		}
		return nil
	})
}

// cutsInForce are all cuts that tables obey: those in etcd and this node's own,
// and those of a node that is cut off.
func (c *Controller) cutsInForce() []rollout.Cut {
	cuts := c.blindCuts()
	for id := range c.mirror.cuts {
		cuts = append(cuts, c.mirror.cutsOf(id)...)
	}
	for _, byVersion := range c.cuts {
		for _, cut := range byVersion {
			cuts = append(cuts, cut)
		}
	}
	return cuts
}

// cutsOf are the cuts of one rollout: those in etcd, and this node's own that
// have not got there yet.
func (c *Controller) cutsOf(id string) []rollout.Cut {
	cuts := c.mirror.cutsOf(id)
	for _, version := range slices.Sorted(maps.Keys(c.cuts[id])) {
		own := c.cuts[id][version]
		stored := func(other rollout.Cut) bool { return other.Node == own.Node && other.Version == own.Version }
		if !slices.ContainsFunc(cuts, stored) {
			cuts = append(cuts, own)
		}
	}
	return cuts
}
