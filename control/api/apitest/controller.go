// Package apitest holds an in-memory Controller for tests of the control API
// and of the CLI.
package apitest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// epoch is when everything happened in a Controller's world.
var epoch = time.Date(2026, 1, 5, 14, 2, 10, 0, time.UTC)

// Controller keeps services and rollouts in memory. It follows the rules of
// commands as far as the API's answers depend on them, judges nothing and moves
// no time. Safe for concurrent use.
type Controller struct {
	// Fault, when set, is what Do returns.
	Fault error
	// Lag is what Applied returns.
	Lag error
	// Behind is what CatchUp returns.
	Behind error
	// Recordings are what Recording returns, by rollout.
	Recordings map[string]*control.Recording

	// Events are what RecentEvents returns.
	Events []control.Event

	// State is what ExportState returns.
	State store.Dump

	mu          sync.Mutex
	view        *control.View
	seq         uint64
	subscribers map[chan control.Event]bool
	commands    []control.Command
}

// New returns a Controller of one node without services.
func New() *Controller {
	return &Controller{
		view: &control.View{
			Keys: []control.KeyView{{ID: firstKey, State: control.KeySigning}},
			At:   epoch, Node: "n1", Leader: true, LeaderNode: "n1",
			Store: control.StoreView{Connected: true, Revision: 10, Source: "etcd"},
			Nodes: []control.NodeView{{Name: "n1", Boot: "b1", Version: "v0.1.0", Revision: 10, Leader: true, Self: true, SeenAt: epoch}},
		},
		subscribers: make(map[chan control.Event]bool),
	}
}

// View returns the present state.
func (c *Controller) View() *control.View {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view
}

// Recording returns what a test put there.
func (c *Controller) Recording(_ context.Context, id string) (*control.Recording, error) {
	return c.Recordings[id], nil
}

// Overview returns the same.
func (c *Controller) Overview(_ context.Context, id string) (*control.Recording, error) {
	return c.Recordings[id], nil
}

// Audit returns what a query chooses of the View's trail.
func (c *Controller) Audit(_ context.Context, q control.AuditQuery) ([]control.AuditView, error) {
	var out []control.AuditView
	for _, a := range c.View().Audit {
		if len(out) < q.Limit && q.Takes(&a) {
			out = append(out, a)
		}
	}
	return out, nil
}

// ExportState returns the State that a test or Import put there.
func (c *Controller) ExportState(context.Context) (store.Dump, error) { return c.State, nil }

// Import keeps the state for ExportState.
func (c *Controller) Import(_ context.Context, cmd control.ImportState) (control.Reply, error) {
	switch {
	case c.Fault != nil:
		return control.Reply{}, c.Fault
	case cmd.DryRun:
		return control.Reply{Text: "would import"}, nil
	}
	c.State = cmd.Dump
	return control.Reply{Text: "imported", Revision: c.View().Store.Revision}, nil
}

// Commands are all that Do was asked for, oldest first.
func (c *Controller) Commands() []control.Command {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.commands)
}

// Change edits a copy of the View and publishes it under a new revision, which
// it returns.
func (c *Controller) Change(edit func(v *control.View, revision int64)) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.change(edit)
}

func (c *Controller) change(edit func(v *control.View, revision int64)) int64 {
	next := *c.view
	next.Services = copies(next.Services)
	next.Rollouts = copies(next.Rollouts)
	next.Audit = slices.Clone(next.Audit)
	next.Store.Revision++
	edit(&next, next.Store.Revision)
	slices.SortFunc(next.Services, func(a, b *control.ServiceView) int { return cmp.Compare(a.Document.Name, b.Document.Name) })
	c.view = &next
	return next.Store.Revision
}

func copies[T any](of []*T) []*T {
	out := make([]*T, len(of))
	for i, one := range of {
		made := *one
		out[i] = &made
	}
	return out
}

// Subscribe delivers what Publish is given.
func (c *Controller) Subscribe(buffer int) (<-chan control.Event, func()) {
	events := make(chan control.Event, buffer)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subscribers[events] = true
	return events, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.subscribers, events)
	}
}

// RecentEvents returns what a test put there.
func (c *Controller) RecentEvents() []control.Event { return c.Events }

func (c *Controller) note(cmd control.Note) (control.Reply, error) {
	revision := c.change(func(v *control.View, _ int64) {
		v.Audit = append([]control.AuditView{{At: epoch, Actor: cmd.Actor, Action: cmd.Action, Object: cmd.Object, Text: cmd.Text}}, v.Audit...)
	})
	return control.Reply{Revision: revision, Text: cmd.Text}, nil
}

// Subscribers is how many subscriptions are open.
func (c *Controller) Subscribers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.subscribers)
}

// Publish gives an event to all subscribers.
func (c *Controller) Publish(e control.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	e.Seq, e.At = c.seq, epoch
	for s := range c.subscribers {
		s <- e
	}
}

// Applied returns Lag.
func (c *Controller) Applied(context.Context, int64) error { return c.Lag }

// CatchUp returns Behind.
func (c *Controller) CatchUp(context.Context) error { return c.Behind }

// Do carries out a command.
func (c *Controller) Do(_ context.Context, cmd control.Command) (control.Reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.commands = append(c.commands, cmd)
	if c.Fault != nil {
		return control.Reply{}, c.Fault
	}
	switch cmd := cmd.(type) {
	case control.ApplyFreeze:
		return c.applyFreeze(cmd)
	case control.DeleteFreeze:
		return c.deleteFreeze(cmd)
	case control.ApplyFlag, control.DeleteFlag, control.KillFlag, control.RestoreFlag:
		return c.flags(cmd)
	case control.Resend:
		return c.resend(cmd)
	case control.ApplyRelease, control.DeleteRelease, control.ReportDeployment, control.TakeForwarded:
		return c.releases(cmd)
	case control.TellMigration, control.DeleteMigration:
		return c.migrations(cmd)
	case control.ApplyNotifier:
		return c.applyNotifier(cmd)
	case control.DeleteNotifier:
		return c.deleteNotifier(cmd)
	case control.ApplyService:
		return c.applyService(cmd)
	case control.DeleteService:
		return c.deleteService(cmd)
	case control.SetWeights:
		return c.setWeights(cmd)
	case control.StartRollout:
		return c.startRollout(cmd)
	case control.Act:
		return c.act(cmd)
	case control.RotateKeys:
		return c.rotateKeys(cmd)
	case control.Note:
		return c.note(cmd)
	}
	panic(fmt.Sprintf("BUG: unknown command %T", cmd))
}

func refuse(kind control.ErrorKind, hint, format string, args ...any) error {
	return &control.Error{Kind: kind, Text: fmt.Sprintf(format, args...), Hint: hint}
}

func stale(ifMatch, present int64) error {
	if ifMatch == 0 || ifMatch == present || ifMatch == -1 && present == 0 {
		return nil
	}
	return refuse(control.Stale, "read it again", "it is at revision %d, not %d", present, ifMatch)
}

func (c *Controller) applyService(cmd control.ApplyService) (control.Reply, error) {
	name := cmd.Document.Name
	old, exists := c.view.Service(name)
	present := int64(0)
	if exists {
		present = old.ModRevision
	}
	if err := stale(cmd.IfMatch, present); err != nil {
		return control.Reply{}, err
	}
	if cmd.DryRun {
		return control.Reply{Name: name, Text: "would change " + name, Changes: []string{"routes change"}}, nil
	}
	revision := c.change(func(v *control.View, revision int64) {
		state := rollout.Service{Name: name, Stable: cmd.Document.Stable, Weights: cmd.Document.Weights}
		if exists && !cmd.ResetWeights {
			state = old.State
		}
		v.Services = slices.DeleteFunc(v.Services, func(s *control.ServiceView) bool { return s.Document.Name == name })
		v.Services = append(v.Services, serviceView(cmd.Document, state, revision))
		v.Audit = append([]control.AuditView{{At: epoch, Actor: cmd.Actor, Action: "apply", Object: "services/" + name, Text: "applied"}}, v.Audit...)
	})
	text := "service " + name + " changed"
	if !exists {
		text = "service " + name + " created"
	}
	return control.Reply{Revision: revision, Name: name, Created: !exists, Text: text}, nil
}

func serviceView(doc configs.Service, state rollout.Service, revision int64) *control.ServiceView {
	s := &control.ServiceView{Document: doc, ModRevision: revision, State: state, StateRevision: revision}
	for name, version := range doc.Versions {
		v := control.VersionView{Name: name, Revision: version.Revision, Role: "idle", Weight: state.Weights[name]}
		switch {
		case name == state.Stable:
			v.Role = "stable"
		case v.Weight > 0:
			v.Role = "candidate"
		}
		for _, address := range version.Endpoints {
			v.Endpoints = append(v.Endpoints, control.EndpointView{Address: address, Up: true, State: control.EndpointUp})
		}
		s.Versions = append(s.Versions, v)
	}
	slices.SortFunc(s.Versions, func(a, b control.VersionView) int { return cmp.Compare(a.Name, b.Name) })
	return s
}

func (c *Controller) deleteService(cmd control.DeleteService) (control.Reply, error) {
	s, ok := c.view.Service(cmd.Name)
	switch {
	case !ok:
		return control.Reply{}, refuse(control.NotFound, "", "there is no service %q", cmd.Name)
	case s.State.Rollout != "":
		return control.Reply{}, refuse(control.Conflict, "abort it first", "rollout %s of %q is in force", s.State.Rollout, cmd.Name)
	}
	if err := stale(cmd.IfMatch, s.ModRevision); err != nil {
		return control.Reply{}, err
	}
	revision := c.change(func(v *control.View, _ int64) {
		v.Services = slices.DeleteFunc(v.Services, func(s *control.ServiceView) bool { return s.Document.Name == cmd.Name })
	})
	return control.Reply{Revision: revision, Name: cmd.Name, Text: "service " + cmd.Name + " deleted"}, nil
}
