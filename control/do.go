package control

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// maxAttempts bounds how often a person's command is derived anew because the
// state moved under it.
const maxAttempts = 16

// plan is what a command comes to: a transaction to write, or nothing.
type plan struct {
	txn   store.Txn
	reply Reply
	write bool

	// cut, if set, is in force on this node already: the command has had its
	// effect on traffic even if it cannot be written now.
	cut bool

	// early says what effect that was. Empty: the traffic is back on stable.
	early string

	// journal makes what cut says durable, before the store is asked. Nil: the
	// Controller sees to that. Unjournaled is early without it.
	journal     func() error
	unjournaled string
}

// Do carries out a person's command and returns when it is written and this
// node routes by it. Errors that a person can mend are *Error; nothing was
// changed then.
func (c *Controller) Do(ctx context.Context, cmd Command) (Reply, error) {
	id := rand.Text()
	cut, sure := "", false // the rollout that is cut already; the newest state is known
	var blocked error
	for attempt := range maxAttempts {
		if attempt == maxAttempts/2 && ramped(cmd) {
			cmd = atOnce(cmd) // the state moves too much for an abort in steps
		}
		if reply, ended := c.endedByCut(ctx, cut); ended {
			return reply, nil
		}
		p, err := c.ask(ctx, cmd, id)
		if !sure && ofTheState(cmd, p, err) {
			sure = true
			if err := c.CatchUp(ctx); err != nil {
				return Reply{}, err
			}
			continue
		}
		if err != nil {
			return Reply{}, err
		}
		if p.cut {
			cut = cutBy(cmd, p)
		}
		if !p.write {
			return p.reply, nil
		}
		if p.journal != nil {
			if err := p.journal(); err != nil {
				p.early = p.unjournaled + " (" + err.Error() + ")"
			}
		}
		res, err := c.opts.Store.Commit(ctx, p.txn)
		switch {
		case err != nil && p.cut:
			p.reply.Warnings = append(p.reply.Warnings,
				cmp.Or(p.early, "the traffic is back on stable here and that is on disk")+"; the store did not take the change yet: "+err.Error())
			return p.reply, nil
		case err != nil && ramped(cmd):
			// In steps it would need the store. The traffic does not wait for it.
			cmd = atOnce(cmd)
			continue
		case err != nil:
			return Reply{}, storeError(err)
		case res.Committed:
			p.reply.Revision = res.Revision
			if err := c.await(ctx, res.Revision, false); err != nil {
				p.reply.Warnings = append(p.reply.Warnings, "written, but not yet seen in force here: "+err.Error())
			}
			return p.reply, nil
		}
		blocked = blockedBy(res.Existing)
		// Somebody else was first: look at what they did, then decide again.
		if err := c.await(ctx, res.Revision, false); err != nil {
			return Reply{}, storeError(err)
		}
	}
	if blocked != nil {
		return Reply{}, blocked
	}
	return Reply{}, refuse(Conflict, "try again", "the state changed %d times while this was tried", maxAttempts)
}

// blockedBy names a cut that a transaction must not pass; nil: there is none in
// what stood against it.
func blockedBy(existing []store.KV) error {
	for _, kv := range existing {
		id, node, ok := store.CutOf(kv.Key)
		if !ok {
			continue
		}
		var cut rollout.Cut
		if err := json.Unmarshal(kv.Value, &cut); err != nil {
			continue // a node of a newer form wrote it; that it is there is all that counts
		}
		return refuse(Conflict, "wait until that is settled, or abort the rollout first",
			"node %s has cut %s of rollout %s, and nothing goes past that: %s", node, cut.Version, id, cut.Reason)
	}
	return nil
}

// ramped reports whether a command is an abort that may go in steps.
func ramped(cmd Command) bool {
	act, ok := cmd.(Act)
	return ok && (act.Verb == "abort" || act.Verb == "undo") && !act.instant
}

func atOnce(cmd Command) Command {
	act := cmd.(Act)
	act.instant = true
	return act
}

// ask derives the plan on the Controller's goroutine.
func (c *Controller) ask(ctx context.Context, cmd Command, id string) (plan, error) {
	type answer struct {
		plan plan
		err  error
	}
	done := make(chan answer, 1)
	err := c.postUntil(ctx, func() {
		c.role = roleOf(ctx)
		p, err := c.plan(cmd, id, c.clock())
		c.role = ""
		done <- answer{p, err}
	})
	if err != nil {
		return plan{}, err
	}
	a := <-done // what was taken up is carried out at once
	return a.plan, a.err
}

// plan decides what a command comes to in the present state. Random makes the
// id of a new rollout unique.
func (c *Controller) plan(cmd Command, random string, now time.Time) (plan, error) {
	if !c.loaded {
		return plan{}, refuse(Unavailable, "try again in a moment", "the state is not loaded yet")
	}
	p, err := c.derive(cmd, random, now)
	if err == nil && p.write && !p.cut && c.mirror.source == store.SourceDisk {
		return plan{}, refuse(Unavailable, "bring etcd back; an abort works meanwhile", "etcd is unreachable and this node serves its last copy of the state")
	}
	return p, err
}

func (c *Controller) derive(cmd Command, random string, now time.Time) (plan, error) {
	switch cmd := cmd.(type) {
	case ApplyService:
		return c.planApply(cmd, random, now)
	case ApplyNotifier:
		doc := cmd.Document
		return planPut(c, c.notifiers(), putting[configs.Notifier]{doc.Name, doc, cmd.IfMatch, cmd.DryRun, cmd.Actor}, now)
	case DeleteNotifier:
		return planRemove(c, c.notifiers(), cmd.Name, cmd.IfMatch, cmd.Actor, now)
	case DeleteService:
		return c.planDelete(cmd, now)
	case SetWeights:
		return c.planWeights(cmd, random, now)
	case StartRollout:
		return c.planStart(cmd, random, now)
	case Note:
		return plan{write: true, reply: Reply{Text: cmd.Text}, txn: store.Txn{Then: []store.Op{
			c.audit(AuditView{At: now, Actor: cmd.Actor, Action: cmd.Action, Object: cmd.Object, Text: cmd.Text}),
		}}}, nil
	case Act:
		return c.planAct(cmd, random, now)
	case RotateKeys:
		return c.planRotate(cmd, now)
	case Resend:
		return c.planResend(cmd, now)
	case ApplyFlag:
		return c.planApplyFlag(cmd, random, now)
	case DeleteFlag:
		return c.planDeleteFlag(cmd, now)
	case KillFlag:
		return c.planKill(cmd, now)
	case RestoreFlag:
		return c.planRestore(cmd, now)
	case ApplyRelease:
		return c.planApplyRelease(cmd, now)
	case TellMigration:
		return c.planTell(cmd, now)
	case DeleteMigration:
		return c.planForget(cmd, now)
	case DeleteRelease:
		return planRemove(c, c.releaseDocuments(), cmd.Application+"/"+cmd.Version, cmd.IfMatch, cmd.Actor, now)
	case TakeForwarded:
		return c.planForwarded(cmd, now)
	case ReportDeployment:
		return c.planReport(cmd, random, now)
	case ApplyFreeze:
		return c.planApplyFreeze(cmd, now)
	case DeleteFreeze:
		return planRemove(c, c.freezeDocuments(), cmd.Name, cmd.IfMatch, cmd.Actor, now)
	}
	panic(fmt.Sprintf("BUG: no command %T", cmd))
}

// newID names a rollout so that a person can read it and say it aloud: its
// service, the minute it began, and enough letters to be unique.
func newID(service, random string, now time.Time) string {
	return fmt.Sprintf("%s-%s-%s", service, now.UTC().Format("20060102-1504"), strings.ToLower(random[:5]))
}

// storeError turns what the store says into what a person can act on.
func storeError(err error) error {
	switch {
	case errors.Is(err, store.ErrUnknown):
		return refuse(Unavailable, "look at the state before trying again", "%v", err)
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrReadOnly), errors.Is(err, store.ErrFull), errors.Is(err, store.ErrClosed):
		return refuse(Unavailable, "nothing was changed", "cannot write the state: %v", err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return refuse(Unavailable, "look at the state before trying again", "cannot finish in time: %v", err)
	}
	return fmt.Errorf("cannot write the state: %w", err)
}

// refusal turns what the state machine says into the API's form.
func refusal(err error) error {
	r, ok := errors.AsType[*rollout.Refusal](err)
	if !ok {
		return err
	}
	e := &Error{Kind: Conflict, Text: r.Text, Hint: r.Hint, Allowed: r.Allowed}
	switch r.Kind {
	case rollout.Invalid:
		e.Kind = Invalid
	case rollout.NotBuilt:
		e.Kind = NotBuilt
	}
	return e
}
