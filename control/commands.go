package control

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// planWeights moves weights by hand: within the manual rollout in force, or as
// a new one.
func (c *Controller) planWeights(cmd SetWeights, random string, now time.Time) (plan, error) {
	doc, state, err := c.service(cmd.Service)
	if err != nil {
		return plan{}, err
	}
	if cmd.IfMatch != 0 && cmd.IfMatch != state.mod {
		return plan{}, refuse(Stale, "read them again and repeat the change", "the weights of %q are at revision %d, not %d", cmd.Service, state.mod, cmd.IfMatch)
	}
	if sameWeights(state.value.Weights, cmd.Weights) {
		return plan{reply: Reply{Name: cmd.Service, ID: state.value.Rollout, Text: fmt.Sprintf("%s has these weights already", cmd.Service)}}, nil
	}
	if err := c.alive(cmd.Service); err != nil {
		return plan{}, err
	}
	if err := c.unfrozen(cmd.Service, state.value.Weights, cmd.Weights, state.value.Stable, now); err != nil {
		return plan{}, err
	}
	current, inForce := c.mirror.inForce(cmd.Service)
	if inForce && current.Strategy != configs.StrategyManual {
		return plan{}, &Error{Kind: Conflict, Allowed: current.Allowed(),
			Text: fmt.Sprintf("the weights of %q belong to rollout %s (%s)", cmd.Service, current.ID, current.Phase),
			Hint: "use a verb on the rollout, or abort it first"}
	}
	if inForce {
		before := rollout.Pair{Rollout: current, Service: state.value}
		after, effects, err := rollout.Step(before, rollout.SetWeights{At: now, Actor: cmd.Actor, Weights: cmd.Weights}, c.stageElapsed(current.ID))
		if err == nil {
			// All back to stable waits for no write, unless it is asked for on a
			// condition: what is refused for that must have had no effect.
			cut := cmd.IfMatch == 0 && c.carryOut(effects)
			p, err := c.move(change{before: before, after: after, effects: effects, actor: cmd.Actor, at: now},
				Reply{Name: cmd.Service, ID: current.ID, Text: describe(after.Rollout)})
			p.cut = cut
			return p, err
		}
		if r, ok := errors.AsType[*rollout.Refusal](err); !ok || r.Kind != rollout.NeedsNew {
			return plan{}, refusal(err)
		}
		return c.supersede(before, now, cmd.Actor, random, func(id string, cur rollout.Service) (rollout.Pair, error) {
			return rollout.NewManual(id, cmd.Weights, doc.value, cur, now, cmd.Actor)
		})
	}
	id := newID(cmd.Service, random, now)
	after, err := rollout.NewManual(id, cmd.Weights, doc.value, state.value, now, cmd.Actor)
	if err != nil {
		return plan{}, refusal(err)
	}
	return c.begin(after, state.value, doc.mod, cmd.Actor, now)
}

// planStart begins a planned rollout. It takes the place of weights by hand, and
// of another plan if it says so.
func (c *Controller) planStart(cmd StartRollout, random string, now time.Time) (plan, error) {
	doc, state, err := c.service(cmd.Plan.Service)
	if err != nil {
		return plan{}, err
	}
	cmd.Plan.SetDefaults()
	p, err := c.planPlanned(cmd, doc, state, random, now)
	if err != nil {
		return p, err
	}
	waits := c.notReady(&cmd.Plan, now)
	if cmd.ReadyOnly && len(waits) > 0 {
		return plan{}, refuse(Conflict, "start it when that is over, or without ready_only", "a rollout of %q would have to wait: %s", cmd.Plan.Service, strings.Join(waits, "; "))
	}
	for _, text := range waits {
		p.reply.Warnings = append(p.reply.Warnings, "no stage begins meanwhile: "+text)
	}
	if cmd.DryRun {
		return c.foresee(p, cmd, doc.value, state.value.Stable), nil
	}
	return p, err
}

func (c *Controller) planPlanned(cmd StartRollout, doc entry[configs.Service], state entry[rollout.Service], random string, now time.Time) (plan, error) {
	if err := c.alive(cmd.Plan.Service); err != nil {
		return plan{}, err
	}
	served := doc.value
	served.Stable, served.Versions = state.value.Stable, state.value.Merge(doc.value)
	if problems := cmd.Plan.ValidateAgainst(&served); len(problems) > 0 {
		return plan{}, &Error{Kind: Invalid, Text: fmt.Sprintf("the plan does not fit service %q", cmd.Plan.Service), Problems: texts(problems)}
	}
	if current, ok := c.mirror.inForce(cmd.Plan.Service); ok {
		switch manual := current.Strategy == configs.StrategyManual; {
		case manual, cmd.Plan.Concurrency == "replace":
		case cmd.Plan.Concurrency == "queue":
			return c.enqueue(cmd, doc, state, random, now)
		default:
			return plan{}, &Error{Kind: Conflict, Allowed: current.Allowed(),
				Text: fmt.Sprintf("service %q has rollout %s in force (%s)", cmd.Plan.Service, current.ID, current.Phase),
				Hint: "wait for its end, abort it first, or write concurrency: queue or replace"}
		}
		before := rollout.Pair{Rollout: current, Service: state.value}
		return c.supersede(before, now, cmd.Actor, random, func(id string, cur rollout.Service) (rollout.Pair, error) {
			return c.newRollout(id, cmd, doc.value, cur, now)
		})
	}
	after, err := c.newRollout(newID(cmd.Plan.Service, random, now), cmd, doc.value, state.value, now)
	if err != nil {
		return plan{}, refusal(err)
	}
	p, err := c.begin(after, state.value, doc.mod, cmd.Actor, now)
	p.reply.Warnings = append(p.reply.Warnings, c.estimates(after.Rollout, doc.value)...)
	return p, err
}

func (c *Controller) newRollout(id string, cmd StartRollout, doc configs.Service, cur rollout.Service, now time.Time) (rollout.Pair, error) {
	p, err := rollout.New(id, cmd.Plan, doc, cur, now, cmd.Actor)
	if err == nil {
		p.Rollout.Nodes, p.Rollout.Retries = max(1, len(c.mirror.nodes)), cmd.retries
	}
	return p, err
}

// supersede ends a manual rollout and begins another in one transaction.
func (c *Controller) supersede(before rollout.Pair, now time.Time, actor, random string, make func(id string, cur rollout.Service) (rollout.Pair, error)) (plan, error) {
	id := newID(before.Service.Name, random, now)
	ended, effects, err := rollout.Step(before, rollout.Supersede{At: now, Actor: actor, By: id}, 0)
	if err != nil {
		return plan{}, refusal(err)
	}
	after, err := make(id, ended.Service)
	if err != nil {
		return plan{}, refusal(err)
	}
	after.Rollout.Replaces = before.Rollout.ID
	if after.Rollout.Nodes == 0 {
		after.Rollout.Nodes = max(1, len(c.mirror.nodes))
	}
	p, err := c.begin(after, before.Service, c.mirror.services[before.Service.Name].mod, actor, now)
	if err != nil {
		return plan{}, err
	}
	old := c.mirror.rollouts[before.Rollout.ID]
	value, err := c.encode(old.raw, ended.Rollout)
	if err != nil {
		return plan{}, err
	}
	p.txn.If = append(p.txn.If, store.ModRevision(store.RolloutKey(before.Rollout.ID), old.mod), store.Empty(store.CutsOf(before.Rollout.ID)))
	p.txn.Then = append(p.txn.Then, store.Put(store.RolloutKey(before.Rollout.ID), value), store.Delete(store.EvidenceKey(before.Rollout.ID)),
		c.audit(AuditView{At: now, Actor: actor, Action: "rollout superseded", Object: "rollouts/" + before.Rollout.ID, Text: describe(ended.Rollout)}))
	if err := c.unqueue(&p, after.Rollout, actor, now); err != nil {
		return plan{}, err
	}
	c.enqueueEvents(&p.txn, change{before: before, after: ended, effects: effects, actor: actor, at: now})
	return p, nil
}

// begin writes a new rollout. The service's document must still be the one
// that it was made from.
func (c *Controller) begin(after rollout.Pair, was rollout.Service, document int64, actor string, now time.Time) (plan, error) {
	if after.Rollout.Nodes == 0 {
		after.Rollout.Nodes = max(1, len(c.mirror.nodes))
	}
	p, err := c.move(change{before: rollout.Pair{Service: was}, after: after, actor: actor, at: now}, Reply{
		Name: after.Service.Name, ID: after.Rollout.ID, Created: true, Text: describe(after.Rollout),
	})
	p.txn.If = append(p.txn.If, store.ModRevision(documentKey(after.Service.Name), document))
	return p, err
}

func (c *Controller) move(ch change, reply Reply) (plan, error) {
	if !changed(ch.before, ch.after) {
		return plan{reply: reply}, nil
	}
	txn, err := c.transaction(ch)
	if err != nil {
		return plan{}, err
	}
	doc := c.mirror.services[ch.after.Service.Name].value
	if err := c.mayGain(&txn, &doc, ch.before, ch.after); err != nil {
		return plan{}, err
	}
	return plan{txn: txn, reply: reply, write: true}, nil
}

// planAct carries out a verb on a rollout. An abort takes effect on this node's
// traffic before anything is written.
func (c *Controller) planAct(cmd Act, random string, now time.Time) (plan, error) {
	pair, ok := c.mirror.pair(cmd.ID)
	if r, known := c.mirror.rollouts[cmd.ID]; known && !ok {
		return plan{}, refuse(Conflict, "nothing is left to act on", "service %q of rollout %s was deleted", r.value.Service, cmd.ID)
	}
	if !ok {
		return plan{}, refuse(NotFound, "list them with `weir rollout list`", "there is no rollout %q", cmd.ID)
	}
	mod := c.mirror.rollouts[cmd.ID].mod
	if cmd.IfMatch != 0 && cmd.IfMatch != mod && cmd.Verb != "abort" {
		return plan{}, refuse(Stale, "read it again and repeat the change", "rollout %q is at revision %d, not %d", cmd.ID, mod, cmd.IfMatch)
	}
	switch cmd.Verb {
	case "retry":
		if !slices.Contains(pair.Rollout.Allowed(), "retry") {
			return plan{}, &Error{Kind: Conflict, Allowed: pair.Rollout.Allowed(), Text: fmt.Sprintf("rollout %s is %s and cannot be tried again", cmd.ID, pair.Rollout.Phase)}
		}
		again := pair.Rollout.Plan
		if _, ok := pair.Service.Merge(c.mirror.services[pair.Rollout.Service].value)[again.To]; ok {
			again.Version = nil // what it brought along belongs to the service by now
		}
		p, err := c.planStart(StartRollout{Plan: again, Actor: cmd.Actor, retries: pair.Rollout.First()}, random, now)
		return p, err
	}
	ch := change{before: pair, actor: cmd.Actor, at: now}
	var err error
	ch.after, ch.effects, err = rollout.Step(pair, rollout.Command{
		At: now, Actor: cmd.Actor, Verb: cmd.Verb, Reason: cmd.Reason, Full: cmd.Full, Freeze: c.frozen(pair.Rollout.Service, now),
		Requires: c.lacks(&pair.Rollout.Plan, now),
		Instant:  cmd.instant || c.mirror.leader == "" || c.mirror.source == store.SourceDisk || !c.opts.Store.Status().Connected,
	}, c.stageElapsed(cmd.ID))
	if err != nil {
		return plan{}, refusal(err)
	}
	cut := c.carryOut(ch.effects)
	p, err := c.move(ch, Reply{Name: pair.Rollout.Service, ID: cmd.ID, Text: describe(ch.after.Rollout)})
	p.cut = cut
	return p, err
}

// carryOut does what must not wait for a write. It reports whether that was a cut.
func (c *Controller) carryOut(effects []rollout.Effect) (cut bool) {
	for _, e := range effects {
		switch e := e.(type) {
		case rollout.CutNow:
			c.cut(e.Cut)
			cut = true
		case rollout.RunSmoke:
			c.runSmoke(e)
		}
	}
	return cut
}

// service returns a service that can be acted on.
func (c *Controller) service(name string) (entry[configs.Service], entry[rollout.Service], error) {
	doc, ok := c.mirror.services[name]
	state, okState := c.mirror.states[name]
	if ok && okState {
		return doc, state, nil
	}
	if flag, ok := configs.FlagOf(name); ok {
		return doc, state, refuse(NotFound, "apply its document with `weir apply -f FILE` first", "there is no flag %q", flag)
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(c.mirror.services)), func(name string) bool { _, flag := configs.FlagOf(name); return flag })
	hint := "apply its document with `weir apply -f FILE` first"
	if len(names) > 0 {
		hint = "there are: " + strings.Join(names, ", ")
	}
	return doc, state, refuse(NotFound, hint, "there is no service %q", name)
}

func (c *Controller) stageElapsed(id string) time.Duration {
	if t := c.trials[id]; t != nil {
		return t.stageElapsed
	}
	return 0
}

func texts(problems configs.Problems) []string {
	out := make([]string, 0, len(problems))
	for _, p := range problems {
		out = append(out, p.String())
	}
	return out
}
