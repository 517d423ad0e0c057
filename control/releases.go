package control

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// ApplyRelease creates or replaces a Release.
type ApplyRelease struct {
	Document configs.Release
	IfMatch  int64 // ModRevision of the document; 0: any; -1: it must be absent
	DryRun   bool
	Actor    string
}

// DeleteRelease removes a Release.
type DeleteRelease struct {
	Application, Version string
	IfMatch              int64
	Actor                string
}

// ReportDeployment notes what another system deployed. One with an ID that is known
// replaces it: a deployment is reported when it begins and when it ends.
type ReportDeployment struct {
	Deployment release.Deployment // without ID: a new one
	Actor      string
}

func (ApplyRelease) command()     {}
func (DeleteRelease) command()    {}
func (ReportDeployment) command() {}

// ReleaseView is one Release as a person sees it.
type ReleaseView struct {
	Document    configs.Release
	ModRevision int64
}

// Bounds of what a cluster knows of releases.
const (
	maxReleases     = 2000
	keepDeployments = 1000
)

// shipped is what a View shows of releases.
type shipped struct {
	releases    []ReleaseView
	deployments []release.Deployment
}

func (c *Controller) releaseDocuments() documents[configs.Release] {
	key := func(name string) string { return store.Releases + name }
	return documents[configs.Release]{"release", "releases", maxReleases, key, c.mirror.releases}
}

// listShipped returns releases and deployments. They must not be changed.
func (m *mirror) listShipped() *shipped {
	if m.cut != nil {
		return m.cut
	}
	s := &shipped{}
	for _, e := range m.releases {
		s.releases = append(s.releases, ReleaseView{Document: e.value, ModRevision: e.mod})
	}
	// A release is seldom written twice, so this is the order in which they came.
	slices.SortFunc(s.releases, func(a, b ReleaseView) int { return cmp.Compare(a.ModRevision, b.ModRevision) })
	for _, id := range slices.Sorted(maps.Keys(m.deploys)) {
		s.deployments = append(s.deployments, m.deploys[id].value)
	}
	m.cut = s
	return s
}

// pruneDeployments deletes the oldest of too many reports.
func (m *mirror) pruneDeployments() []store.Op {
	over := len(m.deploys) - keepDeployments
	if over <= 0 {
		return nil
	}
	ids := slices.SortedFunc(maps.Keys(m.deploys), func(a, b string) int {
		return m.deploys[a].value.StartedAt.Compare(m.deploys[b].value.StartedAt)
	})
	var ops []store.Op
	for _, id := range ids[:over] {
		ops = append(ops, store.Delete(store.DeploymentKey(id)))
	}
	return ops
}

// planReport notes a deployment.
func (c *Controller) planReport(cmd ReportDeployment, random string, now time.Time) (plan, error) {
	d := cmd.Deployment
	old, known := c.mirror.deploys[d.ID]
	switch {
	case d.ID != "" && !known:
		return plan{}, refuse(NotFound, "leave the id out to report a new one", "there is no reported deployment %q", d.ID)
	case known && (old.value.Application != d.Application || old.value.Environment != d.Environment || old.value.Version != d.Version):
		return plan{}, refuse(Conflict, "report another deployment", "deployment %q is of %s %s in %s", d.ID, old.value.Application, old.value.Version, old.value.Environment)
	case d.ID == "":
		d.ID = newID(d.Application+"-"+d.Environment, random, now)
	}
	d.By = cmp.Or(d.By, cmd.Actor)
	if d.StartedAt.IsZero() {
		d.StartedAt = now
		if known {
			d.StartedAt = old.value.StartedAt
		}
	}
	if d.EndedAt.IsZero() && d.State.Final() {
		d.EndedAt = now
	}
	if !d.EndedAt.IsZero() && d.EndedAt.Before(d.StartedAt) {
		return plan{}, refuse(Invalid, "write a later end, or an earlier start", "the deployment would end before it began")
	}
	value, err := c.encode(old.raw, d)
	if err != nil {
		return plan{}, err
	}
	text := fmt.Sprintf("%s %s in %s: %s", d.Application, d.Version, d.Environment, d.State)
	return plan{write: true, reply: Reply{Name: d.Application, ID: d.ID, Created: !known, Text: text}, txn: store.Txn{
		If: []store.Compare{store.ModRevision(store.DeploymentKey(d.ID), old.mod)},
		Then: []store.Op{
			store.Put(store.DeploymentKey(d.ID), value),
			c.audit(AuditView{At: now, Actor: cmd.Actor, Action: "deployment " + string(d.State), Object: "deployments/" + d.ID, Text: text}),
		},
	}}, nil
}

// Board is what is where by this View.
func (v *View) Board() *release.Board {
	in := release.Input{Deployments: slices.Clone(v.Deployments)}
	for i := range v.Releases {
		in.Releases = append(in.Releases, v.Releases[i].Document)
	}
	type version struct{ service, name string }
	shipped := map[version]string{}
	for i := range v.Rollouts {
		r := &v.Rollouts[i].State
		s, ok := v.Service(r.Service)
		if !ok {
			continue
		}
		if d, counts := release.FromRollout(r, &s.Document); counts {
			in.Deployments = append(in.Deployments, d)
		}
		// The newest come first: what the version was released as in the end.
		if id := (version{r.Service, r.To}); shipped[id] == "" && r.Phase == rollout.Succeeded {
			shipped[id] = r.Plan.Release
		}
	}
	for i := range v.Services {
		s := v.Services[i]
		doc := s.Document
		doc.SetDefaults()
		in.Running = append(in.Running, release.Running{
			Application: doc.Application, Environment: doc.Environment, Service: doc.Name,
			Version: cmp.Or(shipped[version{doc.Name, s.State.Stable}], s.State.Stable),
		})
	}
	return release.NewBoard(in)
}

// Release returns the release of that application and version.
func (v *View) Release(application, version string) (*ReleaseView, bool) {
	for i := range v.Releases {
		if d := &v.Releases[i].Document; d.Application == application && d.Version == version {
			return &v.Releases[i], true
		}
	}
	return nil, false
}
