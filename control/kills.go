package control

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// planKill switches a flag off: table first, then disk, then etcd. What is evaluated
// from now on does not wait for the write, and a restart without etcd finds it.
func (c *Controller) planKill(cmd KillFlag, now time.Time) (plan, error) {
	if _, ok := c.mirror.flags[cmd.Name]; !ok {
		return plan{}, refuse(NotFound, "list them with `weir get flags`", "there is no flag %q", cmd.Name)
	}
	if k, ok := c.mirror.kills[cmd.Name]; ok {
		return plan{reply: Reply{Name: cmd.Name, Text: fmt.Sprintf("flag %s is killed already, by %s at %s", cmd.Name, k.value.Actor, k.value.At.UTC().Format(time.RFC3339))}}, nil
	}
	kill := Kill{At: now, Actor: cmd.Actor, Reason: cmd.Reason}
	if earlier, ok := c.kills[cmd.Name]; ok {
		kill = earlier
	} else {
		c.kills[cmd.Name] = kill
		c.publish()
		c.unshown = true
	}
	p, err := c.writeKill(cmd.Name, kill, now)
	if err != nil {
		return p, err
	}
	value := encodeKill(kill)
	p.cut, p.early = true, "everybody gets the default here and that is on disk"
	p.journal = func() error { return c.opts.Store.Kill(cmd.Name, value) }
	p.unjournaled = "everybody gets the default here, until the process ends"
	return p, nil
}

// encodeKill is a kill as disk and etcd keep it. It has no form: every release must
// obey it.
func encodeKill(kill Kill) []byte {
	value, err := encodeIn(1, nil, kill)
	if err != nil {
		panic(fmt.Sprintf("BUG: cannot encode a kill: %v", err))
	}
	return value
}

// writeKill writes a kill down, and ends the rollout that it cuts short.
func (c *Controller) writeKill(flag string, kill Kill, now time.Time) (plan, error) {
	text := fmt.Sprintf("flag %s killed", flag)
	if kill.Reason != "" {
		text += ": " + kill.Reason
	}
	p := plan{write: true, reply: Reply{Name: flag, Text: text}}
	id := configs.FlagService(flag)
	if r, ok := c.mirror.inForce(id); ok {
		before := rollout.Pair{Rollout: r, Service: c.mirror.states[id].value}
		after, effects, err := rollout.Step(before, rollout.Command{At: now, Actor: kill.Actor, Verb: "abort", Reason: "the flag was killed", Instant: true}, c.stageElapsed(r.ID))
		if err == nil {
			c.carryOut(effects)
			moved, err := c.transaction(change{before: before, after: after, effects: effects, actor: kill.Actor, at: now})
			if err != nil {
				return plan{}, err
			}
			p.txn = moved
			p.reply.Text += fmt.Sprintf("; rollout %s aborted", r.ID)
		}
	}
	p.txn.Then = append(p.txn.Then, store.Put(store.KillKey(flag), encodeKill(kill)),
		c.audit(AuditView{At: kill.At, Actor: kill.Actor, Action: "kill", Object: "flags/" + flag, Text: p.reply.Text}))
	return p, nil
}

func (c *Controller) planRestore(cmd RestoreFlag, now time.Time) (plan, error) {
	if _, ok := c.mirror.flags[cmd.Name]; !ok {
		return plan{}, refuse(NotFound, "list them with `weir get flags`", "there is no flag %q", cmd.Name)
	}
	kill, written := c.mirror.kills[cmd.Name]
	if _, ok := c.kills[cmd.Name]; ok && !written {
		return plan{}, refuse(Unavailable, "try again when etcd can be reached", "the kill of flag %q is still on its way to etcd", cmd.Name)
	}
	if !written {
		return plan{reply: Reply{Name: cmd.Name, Text: fmt.Sprintf("flag %s is not killed", cmd.Name)}}, nil
	}
	if own, ok := c.kills[cmd.Name]; ok {
		c.dropKill(cmd.Name, own) // etcd has it
	}
	text := fmt.Sprintf("flag %s restored", cmd.Name)
	return plan{write: true, reply: Reply{Name: cmd.Name, Text: text}, txn: store.Txn{
		If: []store.Compare{store.ModRevision(store.KillKey(cmd.Name), kill.mod)},
		Then: []store.Op{store.Delete(store.KillKey(cmd.Name)),
			c.audit(AuditView{At: now, Actor: cmd.Actor, Action: "restore", Object: "flags/" + cmd.Name, Text: text})},
	}}, nil
}

// killRetry is how long a kill is left to the command that made it.
const killRetry = 2 * time.Second

// restoreKills puts the journalled kills of the process before this one back in
// force, ahead of the first table.
func (c *Controller) restoreKills() {
	for _, stored := range c.opts.Store.Kills() {
		var kill Kill
		if err := json.Unmarshal(stored.Value, &kill); err != nil {
			c.log.Error("journalled kill cannot be read", zap.String("flag", stored.Rollout), zap.Error(err))
			continue
		}
		c.kills[stored.Rollout] = kill
	}
}

// dropKills forgets the kills that etcd has: from then on whoever deletes it there
// has ended the kill, on whatever node.
func (c *Controller) dropKills() {
	for flag, kill := range c.kills {
		if _, written := c.mirror.kills[flag]; written {
			c.dropKill(flag, kill)
		}
	}
}

// endKilled aborts what was begun of a flag at the moment when somebody killed it:
// nobody meets the variant, so time alone would give it to all of them. Only the
// leader does it.
func (c *Controller) endKilled(now time.Time) {
	for flag, kill := range c.mirror.kills {
		id := configs.FlagService(flag)
		if _, ok := c.mirror.inForce(id); !ok || c.waits(id, now) {
			continue
		}
		if p, err := c.writeKill(flag, kill.value, now); err == nil && len(p.txn.If) > 0 {
			p.txn.If = append(p.txn.If, store.ModRevision(store.KillKey(flag), kill.mod)) // not restored meanwhile
			c.commit(id, "", p.txn)
		}
	}
}

// settleKills forgets the kills that etcd has or had, and writes the others again.
func (c *Controller) settleKills(now time.Time) {
	if !c.loaded {
		return
	}
	for flag, kill := range c.kills {
		if c.settled(flag, kill) {
			c.dropKill(flag, kill)
			continue
		}
		if since := now.Sub(kill.At); since >= 0 && since < killRetry {
			continue // whoever asked for it writes it
		}
		id := configs.FlagService(flag)
		if _, ok := c.mirror.flags[flag]; !ok || c.waits(id, now) {
			continue
		}
		if p, err := c.writeKill(flag, kill, now); err == nil {
			c.commit(id, "", p.txn)
		}
	}
}

// settled reports whether a kill of this node need not be written: it is in the state,
// or was and somebody has restored the flag since, or the flag is gone. The trail
// tells the second: a kill comes with its entry, and leaves without it.
func (c *Controller) settled(flag string, kill Kill) bool {
	if c.mirror.kills[flag].mod != 0 {
		return true
	}
	if c.mirror.source != store.SourceEtcd {
		return false // an old copy knows nothing of what came later
	}
	if _, ok := c.mirror.flags[flag]; !ok {
		return true
	}
	for _, a := range c.mirror.audit {
		if a.value.Action == "kill" && a.value.Object == "flags/"+flag && a.value.At.Equal(kill.At) {
			return true
		}
	}
	return false
}

func (c *Controller) dropKill(flag string, kill Kill) {
	delete(c.kills, flag)
	c.unshown = true
	if _, stored := c.mirror.kills[flag]; !stored {
		c.publish()
	}
	value := encodeKill(kill)
	c.work(func(context.Context) func() {
		if err := c.opts.Store.ForgetKill(flag, value); err != nil {
			return func() { c.log.Warn("kill not forgotten on disk", zap.String("flag", flag), zap.Error(err)) }
		}
		return nil
	})
}
