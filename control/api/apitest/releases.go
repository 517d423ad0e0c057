package apitest

import (
	"slices"

	"github.com/weirproxy/weir/control"
)

// releases carries out the commands on releases.
func (c *Controller) releases(cmd control.Command) (control.Reply, error) {
	switch cmd := cmd.(type) {
	case control.ApplyRelease:
		d := cmd.Document
		present := int64(0)
		if old, ok := c.view.Release(d.Application, d.Version); ok {
			present = old.ModRevision
		}
		if err := stale(cmd.IfMatch, present); err != nil {
			return control.Reply{}, err
		}
		if cmd.DryRun {
			return control.Reply{Name: d.Name(), Text: "would change " + d.Name()}, nil
		}
		revision := c.change(func(v *control.View, revision int64) {
			v.Releases = append(c.without(d.Application, d.Version), control.ReleaseView{Document: d, ModRevision: revision})
		})
		return control.Reply{Revision: revision, Name: d.Name(), Created: present == 0, Text: "release " + d.Name() + " applied"}, nil
	case control.DeleteRelease:
		old, ok := c.view.Release(cmd.Application, cmd.Version)
		if !ok {
			return control.Reply{}, refuse(control.NotFound, "", "there is no release %q of %q", cmd.Version, cmd.Application)
		}
		if err := stale(cmd.IfMatch, old.ModRevision); err != nil {
			return control.Reply{}, err
		}
		revision := c.change(func(v *control.View, _ int64) { v.Releases = c.without(cmd.Application, cmd.Version) })
		return control.Reply{Revision: revision, Text: "release deleted"}, nil
	case control.TakeForwarded:
		d := cmd.Deployment
		d.ID, d.Cluster, d.Seq = cmd.Cluster+"."+d.ID, cmd.Cluster, cmd.Seq
		revision := c.change(func(v *control.View, _ int64) { v.Deployments = append(slices.Clone(v.Deployments), d) })
		return control.Reply{Revision: revision, ID: d.ID, Name: d.Application, Created: true, Text: d.ID}, nil
	case control.ReportDeployment:
		d := cmd.Deployment
		if d.ID == "" {
			d.ID = "d1"
		}
		if d.StartedAt.IsZero() {
			d.StartedAt = epoch
		}
		if d.EndedAt.IsZero() && d.State.Final() {
			d.EndedAt = epoch
		}
		revision := c.change(func(v *control.View, _ int64) { v.Deployments = append(slices.Clone(v.Deployments), d) })
		return control.Reply{Revision: revision, ID: d.ID, Name: d.Application, Created: true, Text: d.Application + " " + d.Version + " in " + d.Environment + ": " + string(d.State)}, nil
	}
	panic("BUG: no command on releases")
}

// without are the releases but one.
func (c *Controller) without(application, version string) []control.ReleaseView {
	return slices.DeleteFunc(slices.Clone(c.view.Releases), func(r control.ReleaseView) bool {
		return r.Document.Application == application && r.Document.Version == version
	})
}
