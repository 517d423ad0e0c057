package control

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// planApply writes a service's document, and the first state of a new one.
// What the state owns stays: an apply never undoes a release.
func (c *Controller) planApply(cmd ApplyService, random string, now time.Time) (plan, error) {
	written, doc := cmd.Document, cmd.Document
	doc.SetDefaults()
	name := doc.Name
	old, exists := c.mirror.services[name]
	state, hasState := c.mirror.states[name]
	if err := c.appliable(cmd.IfMatch, doc); err != nil {
		return plan{}, err
	}
	reply := Reply{Name: name, Created: !exists}
	value, err := configs.Encode(written)
	if err != nil {
		return plan{}, err
	}
	txn := store.Txn{
		If:   []store.Compare{store.ModRevision(store.ServiceKey(name), old.mod)},
		Then: []store.Op{store.Put(store.ServiceKey(name), value)},
	}
	if exists && hasState {
		if err := c.keeps(doc, state.value); err != nil {
			return plan{}, err
		}
		reply.Changes = differences(old.value, doc)
		reply.Text = fmt.Sprintf("service %s changed", name)
		if len(reply.Changes) == 0 && !cmd.ResetWeights {
			reply.Text = fmt.Sprintf("service %s unchanged", name)
			return plan{reply: reply}, nil
		}
		if cmd.ResetWeights {
			reply.Text += ", its weights reset to those of the document"
			err = c.reset(&txn, &reply, doc, random, now, cmd.Actor)
		} else {
			txn.If = append(txn.If, store.ModRevision(store.StateKey(name), state.mod))
			err = c.revise(&txn, old.value, doc, state.value, now, cmd)
			if moves := old.value.Application != doc.Application || old.value.Environment != doc.Environment; err == nil && moves {
				r, _ := c.mirror.inForce(name)
				err = c.mayGain(&txn, &doc, rollout.Pair{Rollout: rollout.State{ID: r.ID}}, rollout.Pair{Rollout: r, Service: state.value})
			}
		}
	} else {
		reply.Text = fmt.Sprintf("service %s created", name)
		err = c.begins(&txn, &reply, rollout.NewService(doc, now), doc, random, now, cmd.Actor)
	}
	if err != nil {
		return plan{}, err
	}
	if cmd.DryRun {
		reply.Text = "would be: " + reply.Text
		return plan{reply: reply}, nil
	}
	txn.Then = append(txn.Then, c.audit(AuditView{At: now, Actor: cmd.Actor, Action: "apply", Object: "services/" + name, Text: reply.Text, Changes: reply.Changes}))
	return plan{txn: txn, reply: reply, write: true}, nil
}

// appliable says what stands against a document, whatever it would change.
func (c *Controller) appliable(ifMatch int64, doc configs.Service) error {
	name := doc.Name
	if problems := configs.UnbuiltService(&doc); len(problems) > 0 {
		return &Error{Kind: NotBuilt, Text: fmt.Sprintf("service %q needs what is not built yet", name), Hint: "leave it out for now", Problems: texts(problems)}
	}
	old, exists := c.mirror.services[name]
	switch {
	case ifMatch == -1 && exists:
		return refuse(Stale, "leave it, or apply without that condition", "service %q exists already", name)
	case ifMatch > 0 && !exists:
		return refuse(Stale, "apply without that condition", "there is no service %q", name)
	case ifMatch > 0 && ifMatch != old.mod:
		return refuse(Stale, "read it again and repeat the change", "service %q is at revision %d, not %d", name, old.mod, ifMatch)
	}
	merged := doc
	merged.Versions = c.mirror.states[name].value.Merge(doc) // with those that rollouts brought
	if problems := merged.Validate(); len(problems) > 0 {
		return &Error{Kind: Invalid, Text: fmt.Sprintf("service %q cannot be routed like this", name), Problems: texts(problems)}
	}
	if why := c.ties(doc); why != "" {
		return refuse(Conflict, "make one of the two more specific", "%s", why)
	}
	return nil
}

// begins adds a state in which nothing has happened yet; weight off stable opens
// a manual rollout.
func (c *Controller) begins(txn *store.Txn, reply *Reply, state rollout.Service, doc configs.Service, random string, now time.Time, actor string) error {
	old := c.mirror.states[doc.Name] // may be left behind without its document
	txn.If = append(txn.If, store.ModRevision(store.StateKey(doc.Name), old.mod))
	if len(doc.Weights) > 0 && doc.Weights[doc.Stable] != configs.Whole {
		pair, err := rollout.NewManual(newID(doc.Name, random, now), doc.Weights, doc, state, now, actor)
		if err != nil {
			return refusal(err)
		}
		pair.Rollout.Nodes = max(1, len(c.mirror.nodes))
		value, err := c.encode(nil, pair.Rollout)
		if err != nil {
			return err
		}
		txn.If = append(txn.If, store.Absent(store.RolloutKey(pair.Rollout.ID)))
		txn.Then = append(txn.Then, store.Put(store.RolloutKey(pair.Rollout.ID), value))
		state, reply.ID = pair.Service, pair.Rollout.ID
	}
	value, err := c.encode(old.raw, state)
	if err != nil {
		return err
	}
	txn.Then = append(txn.Then, store.Put(store.StateKey(doc.Name), value))
	return c.mayGain(txn, &doc, rollout.Pair{}, rollout.Pair{Service: state})
}

// reset makes stable and weights what the document says. The versions that
// rollouts brought stay.
func (c *Controller) reset(txn *store.Txn, reply *Reply, doc configs.Service, random string, now time.Time, actor string) error {
	if r, inForce := c.mirror.inForce(doc.Name); inForce {
		return &Error{Kind: Conflict, Allowed: r.Allowed(), Text: fmt.Sprintf("the weights of %q cannot be reset: rollout %s is in force (%s)", doc.Name, r.ID, r.Phase), Hint: "abort it first"}
	}
	state := rollout.NewService(doc, now)
	state.Versions = c.mirror.states[doc.Name].value.Versions
	return c.begins(txn, reply, state, doc, random, now, actor)
}

// keeps refuses a document that would take away a version in use, or swap the
// build under the users of a rollout.
func (c *Controller) keeps(doc configs.Service, state rollout.Service) error {
	r, inForce := c.mirror.inForce(doc.Name)
	where := "no rollout is in force"
	if inForce {
		where = fmt.Sprintf("rollout %s is in force (%s)", r.ID, r.Phase)
	}
	before, after := state.Merge(c.mirror.services[doc.Name].value), state.Merge(doc)
	used := inUse(r, state)
	for _, version := range slices.Sorted(maps.Keys(used)) {
		if _, ok := after[version]; !ok {
			return refuse(Conflict, "keep the version in the document until then", "version %q cannot be removed: it is %s, and %s", version, used[version], where)
		}
	}
	if inForce && before[state.Stable].Revision != after[state.Stable].Revision {
		return refuse(Conflict, "deploy it as another version, or abort the rollout first", "the revision of stable version %q cannot change while %s", state.Stable, where)
	}
	if inForce {
		return judgedBy(c.mirror.services[doc.Name].value, doc, r)
	}
	return nil
}

// judgedBy refuses a document by which a rollout in force would be judged in
// another way. What was proven so far was proven of other requests or of another
// limit, and to begin again with each change would spend the promise as often.
func judgedBy(was, is configs.Service, r rollout.State) error {
	what := ""
	switch {
	case !was.Sticky.SameKey(is.Sticky):
		what = "sticky key"
	case r.Strategy == configs.StrategyManual && !reflect.DeepEqual(was.GuardPolicy().Rules, is.GuardPolicy().Rules):
		what = "guard"
	default:
		return nil
	}
	return &Error{
		Kind: Conflict, Allowed: r.Allowed(), Hint: "let the rollout end, or abort it, and apply this then",
		Text: fmt.Sprintf("the %s of %q cannot change: rollout %s is in force (%s) and is judged by it", what, is.Name, r.ID, r.Phase),
	}
}

// inUse are the versions that a service needs, with the reason. r is the rollout
// in force, or zero.
func inUse(r rollout.State, state rollout.Service) map[string]string {
	used := map[string]string{state.Stable: "stable"}
	add := func(version, why string) {
		if used[version] == "" {
			used[version] = why
		}
	}
	for version, w := range state.Weights {
		if w > 0 {
			add(version, fmt.Sprintf("at %s", w))
		}
	}
	for _, version := range r.Candidates {
		add(version, "a candidate")
	}
	if state.Previous != "" && time.Now().Before(state.KeepUntil) {
		add(state.Previous, "kept for undo until "+state.KeepUntil.UTC().Format(time.RFC3339))
	}
	return used
}

// revise adds to txn what a changed document does to the state: a candidate
// that is another build starts its rollout anew.
func (c *Controller) revise(txn *store.Txn, old, doc configs.Service, state rollout.Service, now time.Time, cmd ApplyService) error {
	r, inForce := c.mirror.inForce(doc.Name)
	if !inForce {
		return nil
	}
	was, is := state.Merge(old), state.Merge(doc)
	before := rollout.Pair{Rollout: r, Service: state}
	ch := change{before: before, after: before, actor: cmd.Actor, at: now}
	for _, version := range r.Candidates {
		if was[version].Revision == is[version].Revision {
			continue
		}
		after, effects, err := rollout.Step(ch.after, rollout.RevisionChanged{At: now, Version: version, Revision: is[version].Revision}, c.stageElapsed(r.ID))
		if err != nil {
			return refusal(err)
		}
		ch.after, ch.effects = after, append(ch.effects, effects...)
	}
	if !worth(ch.before, ch.after, ch.effects) {
		return nil
	}
	moved, err := c.transaction(ch)
	if err != nil {
		return err
	}
	txn.If, txn.Then = append(txn.If, moved.If...), append(txn.Then, moved.Then...)
	return nil
}

// planDelete removes a service and its state.
func (c *Controller) planDelete(cmd DeleteService, now time.Time) (plan, error) {
	doc, state, err := c.service(cmd.Name)
	if err != nil {
		return plan{}, err
	}
	if cmd.IfMatch != 0 && cmd.IfMatch != doc.mod {
		return plan{}, refuse(Stale, "read it again and repeat the change", "service %q is at revision %d, not %d", cmd.Name, doc.mod, cmd.IfMatch)
	}
	if r, ok := c.mirror.inForce(cmd.Name); ok {
		return plan{}, &Error{Kind: Conflict, Allowed: r.Allowed(), Text: fmt.Sprintf("service %q cannot be deleted: rollout %s is in force (%s)", cmd.Name, r.ID, r.Phase), Hint: "abort it first"}
	}
	if waiting := c.mirror.queuedOf(cmd.Name); len(waiting) > 0 {
		return plan{}, refuse(Conflict, "abort it first", "service %q cannot be deleted: rollout %s waits for it", cmd.Name, waiting[0].ID)
	}
	text := fmt.Sprintf("service %s deleted", cmd.Name)
	return plan{write: true, reply: Reply{Name: cmd.Name, Text: text}, txn: store.Txn{
		If: []store.Compare{store.ModRevision(store.ServiceKey(cmd.Name), doc.mod), store.ModRevision(store.StateKey(cmd.Name), state.mod)},
		Then: []store.Op{
			store.Delete(store.ServiceKey(cmd.Name)), store.Delete(store.StateKey(cmd.Name)),
			c.audit(AuditView{At: now, Actor: cmd.Actor, Action: "delete", Object: "services/" + cmd.Name, Text: text}),
		},
	}}, nil
}
