package apitest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/notify"
)

func (c *Controller) applyNotifier(cmd control.ApplyNotifier) (control.Reply, error) {
	name := cmd.Document.Name
	present := int64(0)
	if old, ok := c.view.Notifier(name); ok {
		present = old.ModRevision
	}
	if err := stale(cmd.IfMatch, present); err != nil {
		return control.Reply{}, err
	}
	if cmd.DryRun {
		return control.Reply{Name: name, Text: "would change " + name}, nil
	}
	revision := c.change(func(v *control.View, revision int64) {
		v.Notifiers = slices.DeleteFunc(slices.Clone(v.Notifiers), func(n control.NotifierView) bool { return n.Document.Name == name })
		v.Notifiers = append(v.Notifiers, control.NotifierView{Document: cmd.Document, ModRevision: revision})
		slices.SortFunc(v.Notifiers, func(a, b control.NotifierView) int { return cmp.Compare(a.Document.Name, b.Document.Name) })
	})
	text := "notifier " + name + " changed"
	if present == 0 {
		text = "notifier " + name + " created"
	}
	return control.Reply{Revision: revision, Name: name, Created: present == 0, Text: text}, nil
}

func (c *Controller) deleteNotifier(cmd control.DeleteNotifier) (control.Reply, error) {
	n, ok := c.view.Notifier(cmd.Name)
	if !ok {
		return control.Reply{}, refuse(control.NotFound, "", "there is no notifier %q", cmd.Name)
	}
	if err := stale(cmd.IfMatch, n.ModRevision); err != nil {
		return control.Reply{}, err
	}
	revision := c.change(func(v *control.View, _ int64) {
		v.Notifiers = slices.DeleteFunc(slices.Clone(v.Notifiers), func(n control.NotifierView) bool { return n.Document.Name == cmd.Name })
	})
	return control.Reply{Revision: revision, Name: cmd.Name, Text: "notifier " + cmd.Name + " deleted"}, nil
}

// CheckPlan warns of nothing.
func (c *Controller) CheckPlan(*configs.Rollout) []string { return nil }

// CheckNotifier warns of Slack's secret.
func (c *Controller) CheckNotifier(n *configs.Notifier) []string {
	if n.Slack == nil {
		return nil
	}
	return []string{"on node n1: cannot read secret \"" + n.Slack.WebhookURLFile + "\""}
}

// TestNotifier reaches every notifier but one named broken.
func (c *Controller) TestNotifier(_ context.Context, name, _ string) (control.Reply, error) {
	if _, ok := c.View().Notifier(name); !ok {
		return control.Reply{}, refuse(control.NotFound, "", "there is no notifier %q", name)
	}
	if name == "broken" {
		return control.Reply{}, refuse(control.Undelivered, "mend it, and try again", "cannot deliver to notifier %q", name)
	}
	return control.Reply{Name: name, Text: "a test message was sent to notifier " + name}, nil
}

// Bury puts a dead letter into the View.
func (c *Controller) Bury(e notify.Entry) {
	c.Change(func(v *control.View, _ int64) {
		v.Outbox, v.DeadLetters = append(slices.Clone(v.Outbox), e), append(slices.Clone(v.DeadLetters), e)
		v.OutboxSize, v.OutboxDead = v.OutboxSize+1, v.OutboxDead+1
	})
}

func (c *Controller) resend(cmd control.Resend) (control.Reply, error) {
	meant := func(e notify.Entry) bool {
		_, name, _ := strings.Cut(e.To, ":")
		return (cmd.Letter == "" || cmd.Letter == e.Letter()) && (cmd.Recipient == "" || cmd.Recipient == name)
	}
	if !slices.ContainsFunc(c.view.DeadLetters, meant) {
		return control.Reply{}, refuse(control.NotFound, "", "there is no dead letter %q", cmd.Letter+cmd.Recipient)
	}
	revision := c.change(func(v *control.View, _ int64) {
		v.DeadLetters = slices.DeleteFunc(slices.Clone(v.DeadLetters), meant)
		v.OutboxDead = len(v.DeadLetters)
	})
	return control.Reply{Revision: revision, Text: "sent again"}, nil
}
