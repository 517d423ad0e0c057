package apitest

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
)

// flags carries out the commands on flags.
func (c *Controller) flags(cmd control.Command) (control.Reply, error) {
	switch cmd := cmd.(type) {
	case control.ApplyFlag:
		return c.applyFlag(cmd)
	case control.DeleteFlag:
		return c.changeFlag(cmd.Name, cmd.IfMatch, "deleted", func(v *control.View, name string) {
			v.Flags = slices.DeleteFunc(slices.Clone(v.Flags), func(f control.FlagView) bool { return f.Document.Name == name })
		})
	case control.KillFlag:
		return c.changeFlag(cmd.Name, 0, "killed", setKill(&control.Kill{At: epoch, Actor: cmd.Actor, Reason: cmd.Reason}))
	case control.RestoreFlag:
		return c.changeFlag(cmd.Name, 0, "restored", setKill(nil))
	}
	panic("BUG: no command on flags")
}

// TryFlag gives everybody the default: there is no table here.
func (c *Controller) TryFlag(name string, _ control.Tryout) (control.Tried, bool) {
	f, ok := c.View().Flag(name)
	if !ok {
		return control.Tried{}, false
	}
	doc := f.Document
	doc.SetDefaults()
	return control.Tried{Variant: doc.Default, Value: json.RawMessage(doc.Variants[doc.Default]), Reason: "static"}, true
}

func (c *Controller) applyFlag(cmd control.ApplyFlag) (control.Reply, error) {
	doc, present := cmd.Document, int64(0)
	view := control.FlagView{Document: doc}
	if old, ok := c.view.Flag(doc.Name); ok {
		present, view = old.ModRevision, *old
		view.Document = doc
	}
	if err := stale(cmd.IfMatch, present); err != nil {
		return control.Reply{}, err
	}
	if cmd.DryRun {
		return control.Reply{Name: doc.Name, Text: "would change " + doc.Name}, nil
	}
	doc.SetDefaults()
	view.State.Stable, view.Variants = cmp.Or(view.State.Stable, doc.Default), nil
	for _, name := range doc.Names() {
		variant := control.VersionView{Name: name, Role: "idle"}
		if name == view.State.Stable {
			variant.Role, variant.Weight = "stable", configs.Whole
		}
		view.Variants = append(view.Variants, variant)
	}
	revision := c.change(func(v *control.View, revision int64) {
		view.ModRevision = revision
		v.Flags = append(slices.DeleteFunc(slices.Clone(v.Flags), func(f control.FlagView) bool { return f.Document.Name == doc.Name }), view)
		slices.SortFunc(v.Flags, func(a, b control.FlagView) int { return cmp.Compare(a.Document.Name, b.Document.Name) })
	})
	return control.Reply{Revision: revision, Name: doc.Name, Created: present == 0, Text: "flag " + doc.Name + " applied"}, nil
}

func setKill(k *control.Kill) func(*control.View, string) {
	return func(v *control.View, name string) {
		v.Flags = slices.Clone(v.Flags)
		for i := range v.Flags {
			if v.Flags[i].Document.Name == name {
				v.Flags[i].Killed = k
			}
		}
	}
}

func (c *Controller) changeFlag(name string, ifMatch int64, done string, change func(*control.View, string)) (control.Reply, error) {
	f, ok := c.view.Flag(name)
	if !ok {
		return control.Reply{}, refuse(control.NotFound, "", "there is no flag %q", name)
	}
	if err := stale(ifMatch, f.ModRevision); err != nil {
		return control.Reply{}, err
	}
	revision := c.change(func(v *control.View, _ int64) { change(v, name) })
	return control.Reply{Revision: revision, Name: name, Text: "flag " + name + " " + done}, nil
}
