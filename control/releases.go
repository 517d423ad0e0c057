package control

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/store"
)

// ApplyRelease creates or replaces a Release.
type ApplyRelease struct {
	Document configs.Release
	IfMatch  int64 // ModRevision of the document; 0: any; -1: it must be absent
	DryRun   bool
	Actor    string

	// Forwarded says that another cluster sent it: this one does not tell a hub of its
	// own.
	Forwarded bool
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
	keepReleases    = 2000 // with what environments are on
	maxReleases     = keepReleases + 500
	keepDeployments = 5000 // with what was live last in each environment
)

// shipped is what a View shows of releases.
type shipped struct {
	releases    []ReleaseView
	deployments []release.Deployment
	since       time.Time
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
	for _, name := range m.oldestReleases() {
		e := m.releases[name]
		s.releases = append(s.releases, ReleaseView{Document: e.value, ModRevision: e.mod})
	}
	ids := m.oldestDeployments()
	if over := len(ids) - keepDeployments; over >= 0 {
		s.since = m.deploys[ids[over]].value.StartedAt
	}
	for _, id := range ids {
		s.deployments = append(s.deployments, m.deploys[id].value)
	}
	m.cut = s
	return s
}

// oldestReleases are the names of all releases in the order in which they were made.
func (m *mirror) oldestReleases() []string {
	return slices.SortedFunc(maps.Keys(m.releases), func(a, b string) int { return cmp.Compare(m.releases[a].made, m.releases[b].made) })
}

// pruneReleases deletes the oldest of too many releases, so that a pipeline is never
// told to tidy up first. What an environment is on, or is coming to, stays.
func (m *mirror) pruneReleases() []store.Op {
	over := len(m.releases) - keepReleases
	if over <= 0 {
		return nil
	}
	var ops []store.Op
	for _, name := range m.oldestReleases()[:over] {
		d := m.releases[name].value
		if !slices.ContainsFunc(m.whereabouts().Environments(d.Application), func(e release.Environment) bool {
			return e.Version == d.Version || e.Candidate == d.Version
		}) {
			ops = append(ops, store.Delete(store.Releases+name))
		}
	}
	return ops
}

// oldestDeployments are the ids of all reports, that which began first before others.
func (m *mirror) oldestDeployments() []string {
	return slices.SortedFunc(maps.Keys(m.deploys), func(a, b string) int {
		return cmp.Or(m.deploys[a].value.StartedAt.Compare(m.deploys[b].value.StartedAt), cmp.Compare(a, b))
	})
}

// pruneDeployments deletes the oldest of too many deployments. What an environment
// is on stays, however long ago it came there.
func (m *mirror) pruneDeployments() []store.Op {
	over := len(m.deploys) - keepDeployments
	if over <= 0 {
		return nil
	}
	type place struct{ application, environment string }
	ids, live := m.oldestDeployments(), map[place]string{}
	for _, id := range ids {
		if d := m.deploys[id].value; d.State == release.Live {
			live[place{d.Application, d.Environment}] = id
		}
	}
	var ops []store.Op
	for _, id := range ids[:over] {
		if d := m.deploys[id].value; live[place{d.Application, d.Environment}] != id {
			ops = append(ops, store.Delete(store.DeploymentKey(id)))
		}
	}
	return ops
}

// reportAhead is how far another system's clock may be ahead of this one's.
const reportAhead = 5 * time.Minute

// completeReport fills what a report left out from what was reported before, and
// refuses times that cannot be.
func completeReport(d, before *release.Deployment, actor string, now time.Time) error {
	d.By, d.Via, d.Link = cmp.Or(d.By, before.By, actor), cmp.Or(d.Via, before.Via), cmp.Or(d.Link, before.Link)
	if d.StartedAt.IsZero() {
		if d.StartedAt = before.StartedAt; d.StartedAt.IsZero() {
			d.StartedAt = now
		}
	}
	if d.EndedAt.IsZero() && d.State == before.State {
		d.EndedAt, d.Reason = before.EndedAt, cmp.Or(d.Reason, before.Reason) // told again
	}
	if d.EndedAt.IsZero() && d.State.Final() {
		d.EndedAt = now
	}
	latest := d.StartedAt
	if !d.EndedAt.IsZero() {
		latest = d.EndedAt
	}
	switch {
	case latest.Before(d.StartedAt):
		return refuse(Invalid, "write a later end, or an earlier start", "the deployment would end before it began")
	case !d.EndedAt.IsZero() && !d.State.Final():
		return refuse(Invalid, "leave the end out, or write state: live", "the deployment would have ended and be %s", d.State)
	case latest.After(now.Add(reportAhead)) || d.StartedAt.After(now.Add(reportAhead)):
		return refuse(Invalid, "leave the times out: they are now", "%s is in the future", latest.UTC().Format(time.RFC3339))
	}
	return nil
}

// planReport notes a deployment.
func (c *Controller) planReport(cmd ReportDeployment, random string, now time.Time) (plan, error) {
	d := cmd.Deployment
	old, known := c.mirror.deploys[d.ID]
	switch {
	case d.ID != "" && !known:
		return plan{}, refuse(NotFound, "leave the id out to report a new one", "there is no reported deployment %q", d.ID)
	case old.value.Cluster != "":
		return plan{}, refuse(Conflict, "report it there", "deployment %q is of cluster %s", d.ID, old.value.Cluster)
	case old.value.Rollout != "":
		return plan{}, refuse(Conflict, "report another deployment", "deployment %q is a rollout of weir's own", d.ID)
	case known && (old.value.Application != d.Application || old.value.Environment != d.Environment || old.value.Version != d.Version):
		return plan{}, refuse(Conflict, "report another deployment", "deployment %q is of %s %s in %s", d.ID, old.value.Application, old.value.Version, old.value.Environment)
	case d.ID == "":
		d.ID = newID(d.Application+"-"+d.Environment, random, now)
	}
	if err := completeReport(&d, &old.value, cmd.Actor, now); err != nil {
		return plan{}, err
	}
	value, err := c.encode(old.raw, d)
	if err != nil {
		return plan{}, err
	}
	text := d.String()
	p := plan{write: true, reply: Reply{Name: d.Application, ID: d.ID, Created: !known, Text: text}, txn: store.Txn{
		If: []store.Compare{store.ModRevision(store.DeploymentKey(d.ID), old.mod)},
		Then: []store.Op{
			store.Put(store.DeploymentKey(d.ID), value),
			c.audit(AuditView{At: now, Actor: cmd.Actor, Action: "deployment " + string(d.State), Object: "deployments/" + d.ID, Text: text}),
		},
	}}
	c.tellTrackers(&p.txn, cause{d.Application, d.ID, now, notify.Moves{Actor: d.By, Link: d.Link}}, reported(d))
	c.tellHubs(&p.txn, d.Application, "hub:"+d.ID, now, notify.Forward{Deployment: &d})
	return p, nil
}

// planRelease creates or replaces a release.
func (c *Controller) planRelease(cmd ApplyRelease, now time.Time) (plan, error) {
	doc := cmd.Document
	p, err := planPut(c, c.releaseDocuments(), putting[configs.Release]{doc.Name(), doc, cmd.IfMatch, cmd.DryRun, cmd.Actor}, now)
	if err != nil || !p.write {
		return p, err
	}
	c.tellTrackers(&p.txn, cause{doc.Application, doc.Version, now, notify.Moves{Actor: cmd.Actor, Link: doc.Link}}, func(is *situation) {
		same := func(o ReleaseView) bool { return o.Document.Name() == doc.Name() }
		if i := slices.IndexFunc(is.releases, same); i >= 0 {
			is.releases[i].Document = doc
		} else {
			is.releases = append(is.releases, ReleaseView{Document: doc})
		}
	})
	if !cmd.Forwarded {
		c.tellHubs(&p.txn, doc.Application, streamOf(&doc), now, notify.Forward{Release: doc.Name()})
	}
	return p, nil
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
