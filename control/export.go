package control

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/control/store"
)

// ExportState is the whole state at one revision, the cookie's keys included.
func (c *Controller) ExportState(ctx context.Context) (store.Dump, error) {
	d, err := c.opts.Store.Dump(ctx)
	if err != nil {
		return d, storeError(err)
	}
	return d, nil
}

// ImportState is what a person asks when a state moves from one etcd to another.
type ImportState struct {
	Dump    store.Dump
	Replace bool // whatever is there; else only into a state without services, rollouts, notifiers and freezes
	DryRun  bool
	Actor   string
}

// Import writes an exported state. The Reply says how much; nothing is changed
// if it is refused.
func (c *Controller) Import(ctx context.Context, cmd ImportState) (Reply, error) {
	if err := cmd.Dump.Validate(); err != nil {
		return Reply{}, &Error{Kind: Invalid, Text: "this is not an exported state", Problems: strings.Split(err.Error(), "\n")}
	}
	occupied, err := c.opts.Store.Occupied(ctx)
	if err != nil {
		return Reply{}, storeError(err)
	}
	reply := Reply{Text: fmt.Sprintf("%d services and %d rollouts, %d keys in all, of revision %d of %s",
		count(cmd.Dump, store.Services), count(cmd.Dump, store.Rollouts), len(cmd.Dump.Keys), cmd.Dump.Revision, cmd.Dump.From)}
	if occupied != "" && !cmd.Replace {
		return Reply{}, refuse(Conflict, "import into a new state, or ask for what is there to be replaced", "the state is in use: there is %s already", occupied)
	}
	if cmd.DryRun {
		reply.Text = "would import " + reply.Text
		if occupied != "" {
			reply.Warnings = append(reply.Warnings, "what is there now, "+occupied+" and more, would be gone")
		}
		return reply, nil
	}
	if reply.Revision, err = c.opts.Store.Restore(ctx, cmd.Dump); err != nil {
		return Reply{}, refuse(Unavailable, "run it again: it goes on where it stopped", "the import was cut short: %v", err)
	}
	reply.Text = "imported " + reply.Text
	return reply, c.noteImport(ctx, cmd, &reply)
}

func (c *Controller) noteImport(ctx context.Context, cmd ImportState, reply *Reply) error {
	done := make(chan store.Op, 1)
	err := c.postUntil(ctx, func() {
		c.role = roleOf(ctx)
		done <- c.audit(AuditView{At: time.Now(), Actor: cmd.Actor, Action: "import", Object: "state", Text: reply.Text})
		c.role = ""
	})
	if err != nil {
		return err
	}
	res, err := c.opts.Store.Commit(ctx, store.Txn{Then: []store.Op{<-done}})
	if err != nil {
		return storeError(err)
	}
	reply.Revision = res.Revision
	if err := c.await(ctx, res.Revision, false); err != nil {
		reply.Warnings = append(reply.Warnings, "written, but not yet seen in force here: "+err.Error())
	}
	return nil
}

func count(d store.Dump, prefix string) (n int) {
	for _, k := range d.Keys {
		if strings.HasPrefix(k.Key, prefix) {
			n++
		}
	}
	return n
}
