package control

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// A flag's variants are released like a service's versions: each Flag document
// stands among the services as one without routes and endpoints, named by
// configs.FlagService, so that state, rollouts, judge, cuts, queue and freezes
// know nothing of flags.

// ApplyFlag creates or replaces a Flag. Which variant is stable, and the shares,
// stay as they are.
type ApplyFlag struct {
	Document configs.Flag
	IfMatch  int64 // ModRevision of the document; 0: any; -1: it must be absent
	DryRun   bool
	Actor    string
}

// DeleteFlag removes a Flag and its state.
type DeleteFlag struct {
	Name    string
	IfMatch int64
	Actor   string
}

// KillFlag gives everybody the flag's default until RestoreFlag: on this node at
// once, on the others when they hear of it. It ends a rollout of the flag.
type KillFlag struct {
	Name   string
	Reason string
	Actor  string
}

// RestoreFlag ends a kill.
type RestoreFlag struct {
	Name  string
	Actor string
}

func (ApplyFlag) command()   {}
func (DeleteFlag) command()  {}
func (KillFlag) command()    {}
func (RestoreFlag) command() {}

// Kill is the value of kills/<flag>.
type Kill struct {
	At     time.Time `json:"at"`
	Actor  string    `json:"actor"`
	Reason string    `json:"reason,omitempty"`
}

// FlagView is one flag as this node sees it.
type FlagView struct {
	Document      configs.Flag
	ModRevision   int64
	State         rollout.Service
	StateRevision int64
	Refused       string // why the present document is not evaluated; empty: it is
	Killed        *Kill  // nil: it is not
	Variants      []VersionView
}

// maxFlags bounds the flags of a cluster.
const maxFlags = 2000

// Flag returns the flag of that name.
func (v *View) Flag(name string) (*FlagView, bool) {
	for i := range v.Flags {
		if v.Flags[i].Document.Name == name {
			return &v.Flags[i], true
		}
	}
	return nil, false
}

// documentKey is the key of the document of a service, or of the flag that
// stands among services by that name.
func documentKey(service string) string {
	if flag, ok := configs.FlagOf(service); ok {
		return store.FlagKey(flag)
	}
	return store.ServiceKey(service)
}

func (c *Controller) flagDocuments() documents[configs.Flag] {
	return documents[configs.Flag]{"flag", "flags", maxFlags, store.FlagKey, c.mirror.flags}
}

// killed returns the kill of a flag: one in etcd, or one that is on its way there.
func (c *Controller) killed(flag string) (Kill, bool) {
	if k, ok := c.kills[flag]; ok {
		return k, true
	}
	k, ok := c.mirror.kills[flag]
	return k.value, ok
}

// alive refuses to give a killed flag to anybody: nobody would meet the variant, so
// nothing could be proven of it, and the restore would give it to all of them at once.
func (c *Controller) alive(service string) error {
	flag, ok := configs.FlagOf(service)
	if !ok {
		return nil
	}
	if k, killed := c.killed(flag); killed {
		return refuse(Conflict, "restore it first: `weir flag restore "+flag+"`",
			"flag %q is killed, by %s at %s: everybody gets the default", flag, k.Actor, k.At.UTC().Format(time.RFC3339))
	}
	return nil
}

func (c *Controller) showFlags(now time.Time) []FlagView {
	var views []FlagView
	for _, name := range slices.Sorted(maps.Keys(c.mirror.flags)) {
		flag := c.mirror.flags[name]
		s := c.showService(configs.FlagService(name), now)
		v := FlagView{Document: flag.value, ModRevision: flag.mod, State: s.State, StateRevision: s.StateRevision, Refused: s.Refused, Variants: s.Versions}
		if k, ok := c.killed(name); ok {
			v.Killed = &k
		}
		views = append(views, v)
	}
	return views
}

// planApplyFlag writes a flag's document, and the first state of a new one.
func (c *Controller) planApplyFlag(cmd ApplyFlag, random string, now time.Time) (plan, error) {
	doc := cmd.Document
	if problems := doc.Validate(); len(problems) > 0 {
		return plan{}, &Error{Kind: Invalid, Text: fmt.Sprintf("flag %q cannot be used", doc.Name), Problems: texts(problems)}
	}
	service := doc.Service()
	state, hasState := c.mirror.states[service.Name]
	_, exists := c.mirror.flags[doc.Name]
	if exists && hasState {
		if err := c.keeps(service, state.value); err != nil {
			return plan{}, err
		}
	}
	p, err := planPut(c, c.flagDocuments(), putting[configs.Flag]{doc.Name, doc, cmd.IfMatch, cmd.DryRun, cmd.Actor}, now)
	if err != nil || !p.write {
		return p, err
	}
	p.reply.Warnings = c.withoutServices(doc)
	if exists && hasState {
		p.txn.If = append(p.txn.If, store.ModRevision(store.StateKey(service.Name), state.mod))
		return p, nil
	}
	// A kill that somebody wrote while the flag of that name was deleted is not of this one.
	p.txn.Then = append(p.txn.Then, store.Delete(store.KillKey(doc.Name)))
	return p, c.begins(&p.txn, &p.reply, rollout.NewService(service, now), service, random, now, cmd.Actor)
}

// withoutServices warns of services that are not there: they may come later.
func (c *Controller) withoutServices(doc configs.Flag) []string {
	var gone []string
	for _, name := range doc.Services {
		if _, ok := c.mirror.services[name]; !ok {
			gone = append(gone, name)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("no requests carry the flag for %s: there is no such service yet", strings.Join(gone, ", "))}
}

func (c *Controller) planDeleteFlag(cmd DeleteFlag, now time.Time) (plan, error) {
	p, err := planRemove(c, c.flagDocuments(), cmd.Name, cmd.IfMatch, cmd.Actor, now)
	if err != nil {
		return plan{}, err
	}
	id := configs.FlagService(cmd.Name)
	if r, ok := c.mirror.inForce(id); ok {
		return plan{}, &Error{Kind: Conflict, Allowed: r.Allowed(), Text: fmt.Sprintf("flag %q cannot be deleted: rollout %s is in force (%s)", cmd.Name, r.ID, r.Phase), Hint: "abort it first"}
	}
	if waiting := c.mirror.queuedOf(id); len(waiting) > 0 {
		return plan{}, refuse(Conflict, "abort it first", "flag %q cannot be deleted: rollout %s waits for it", cmd.Name, waiting[0].ID)
	}
	p.txn.If = append(p.txn.If, store.ModRevision(store.StateKey(id), c.mirror.states[id].mod))
	p.txn.Then = append(p.txn.Then, store.Delete(store.StateKey(id)), store.Delete(store.KillKey(cmd.Name)))
	return p, nil
}
