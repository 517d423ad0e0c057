package apitest

import (
	"cmp"
	"slices"

	"github.com/weirproxy/weir/control"
)

func (c *Controller) applyFreeze(cmd control.ApplyFreeze) (control.Reply, error) {
	name := cmd.Document.Name
	present := int64(0)
	if old, ok := c.view.Freeze(name); ok {
		present = old.ModRevision
	}
	if err := stale(cmd.IfMatch, present); err != nil {
		return control.Reply{}, err
	}
	if cmd.DryRun {
		return control.Reply{Name: name, Text: "would change " + name}, nil
	}
	revision := c.change(func(v *control.View, revision int64) {
		v.Freezes = slices.DeleteFunc(slices.Clone(v.Freezes), func(f control.FreezeView) bool { return f.Document.Name == name })
		f := control.FreezeView{Document: cmd.Document, ModRevision: revision}
		f.Until, f.Active = cmd.Document.Active(epoch)
		v.Freezes = append(v.Freezes, f)
		slices.SortFunc(v.Freezes, func(a, b control.FreezeView) int { return cmp.Compare(a.Document.Name, b.Document.Name) })
	})
	return control.Reply{Revision: revision, Name: name, Created: present == 0, Text: "freeze " + name + " applied"}, nil
}

func (c *Controller) deleteFreeze(cmd control.DeleteFreeze) (control.Reply, error) {
	f, ok := c.view.Freeze(cmd.Name)
	if !ok {
		return control.Reply{}, refuse(control.NotFound, "", "there is no freeze %q", cmd.Name)
	}
	if err := stale(cmd.IfMatch, f.ModRevision); err != nil {
		return control.Reply{}, err
	}
	revision := c.change(func(v *control.View, _ int64) {
		v.Freezes = slices.DeleteFunc(slices.Clone(v.Freezes), func(f control.FreezeView) bool { return f.Document.Name == cmd.Name })
	})
	return control.Reply{Revision: revision, Name: cmd.Name, Text: "freeze " + cmd.Name + " deleted"}, nil
}
