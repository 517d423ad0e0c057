package control

import (
	"context"
	"errors"
)

// What the API promises of changes and reads, and a history of them is checked for
// (bench/fleet):
//
//   - A change that is answered with success took place at one moment between its
//     call and its answer, and every change that is decided after it knows it.
//   - A refusal for the state of things (404, 409, 412), and a change that had
//     nothing to do, were decided on a state at least as new as all that had been
//     acknowledged anywhere when they were asked.
//   - "Nothing was changed" is true. An unknown outcome is called that.
//   - Reads are of the node that answers. They never go back on one node, and show
//     what was changed through it. A consistent read shows at least all that had been
//     acknowledged anywhere when it was asked, and fails where that cannot be known.

// CatchUp waits until this node's View shows at least every change that was
// acknowledged anywhere before the call. It fails, as *Error of kind Unavailable,
// if the state cannot be reached.
func (c *Controller) CatchUp(ctx context.Context) error {
	revision, err := c.opts.Store.CatchUp(ctx)
	if err != nil {
		return storeError(err)
	}
	return c.await(ctx, revision, false)
}

// ofTheState reports whether a command was answered by what this node knows alone:
// nothing is written that etcd would compare. Another node may know better.
func ofTheState(cmd Command, p plan, err error) bool {
	if _, kill := cmd.(KillFlag); kill {
		return false // it holds without etcd too
	}
	if err == nil {
		return !p.write && !p.cut && !dryRun(cmd)
	}
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Kind == NotFound || e.Kind == Conflict || e.Kind == Stale)
}

func dryRun(cmd Command) bool {
	switch cmd := cmd.(type) {
	case ApplyService:
		return cmd.DryRun
	case ApplyNotifier:
		return cmd.DryRun
	case ApplyFlag:
		return cmd.DryRun
	case ApplyFreeze:
		return cmd.DryRun
	}
	return false
}
