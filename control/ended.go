package control

import (
	"context"
	"time"

	"github.com/weirproxy/weir/control/rollout"
)

// takenBack is how long a success that a cut overtook may take to be taken back.
const takenBack = 5 * time.Second

// cutBy is the rollout that a command took to stable on this node before it is
// written; empty: none that goes on.
func cutBy(cmd Command, p plan) string {
	switch cmd := cmd.(type) {
	case Act:
		if cmd.Verb == "abort" || cmd.Verb == "undo" {
			return cmd.ID
		}
	case SetWeights:
		return p.reply.ID
	}
	return ""
}

// endedByCut answers a command whose cut did what it asked for before its own
// transaction could: the leader was quicker to write it down. To decide it anew
// would do it again, to whatever somebody has begun since. A success that was
// written in the meantime is taken back for the cut, which is waited for.
func (c *Controller) endedByCut(ctx context.Context, id string) (Reply, bool) {
	if id == "" {
		return Reply{}, false
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(takenBack); ; {
		r, found := c.View().Rollout(id)
		if !found || !r.State.Phase.Final() {
			return Reply{}, false
		}
		reply := Reply{Revision: r.ModRevision, Name: r.State.Service, ID: id, Text: describe(r.State)}
		if r.State.Phase != rollout.Succeeded {
			return reply, true
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			reply.Warnings = append(reply.Warnings,
				"the traffic is back on stable here; the store did not take the change yet: the rollout had succeeded, and that is to be taken back")
			return reply, true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}
