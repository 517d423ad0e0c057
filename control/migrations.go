package control

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/migration"
	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// TellMigration notes where a migration stands. With state contracting it asks
// leave for a contract, and is refused while a version that it breaks is in use.
type TellMigration struct {
	Told   migration.Record // At, GrantedAt and DoneAt are the Controller's
	DryRun bool
	Actor  string
}

// DeleteMigration forgets a migration, and with it what a contract has barred.
type DeleteMigration struct {
	Application, Environment, Name string
	Actor                          string
}

func (TellMigration) command()   {}
func (DeleteMigration) command() {}

// MigrationView is one migration as a person sees it.
type MigrationView struct {
	migration.Record
	ModRevision int64
}

// maxMigrations bounds the migrations of a cluster.
const maxMigrations = 5000

// Migration returns what was told of a migration.
func (v *View) Migration(application, environment, name string) (*MigrationView, bool) {
	for i := range v.Migrations {
		if m := &v.Migrations[i]; m.Application == application && m.Environment == environment && m.Name == name {
			return m, true
		}
	}
	return nil, false
}

// listMigrations returns all of them by ID. They must not be changed.
func (m *mirror) listMigrations() []MigrationView {
	if m.migrated == nil {
		m.migrated = make([]MigrationView, 0, len(m.migrations))
		for _, id := range slices.Sorted(maps.Keys(m.migrations)) {
			e := m.migrations[id]
			m.migrated = append(m.migrated, MigrationView{Record: e.value, ModRevision: e.mod})
		}
	}
	return m.migrated
}

// migrationsOf returns those of one application in one environment.
func (m *mirror) migrationsOf(application, environment string) []migration.Record {
	var records []migration.Record
	for _, v := range m.listMigrations() {
		if v.Application == application && v.Environment == environment {
			records = append(records, v.Record)
		}
	}
	return records
}

// historyOf is a service with all its rollouts, as guards look at it.
func (m *mirror) historyOf(service string, state rollout.Service) migration.Service {
	s := migration.Service{Name: service, State: state}
	for _, id := range m.newestFirst() {
		if r := m.rollouts[id].value; r.Service == service {
			s.Rollouts = append(s.Rollouts, r)
		}
	}
	return s
}

// uses are the versions of an application that are in use in an environment.
func (m *mirror) uses(application, environment string, now time.Time) []migration.Use {
	var uses []migration.Use
	for _, name := range m.serviceNames() {
		if doc := m.services[name].value; doc.Application == application && doc.Environment == environment {
			s := m.historyOf(name, m.states[name].value)
			uses = append(uses, s.Uses(now)...)
		}
	}
	last := map[string]release.Deployment{} // by the cluster that says so
	for _, d := range m.listShipped().deployments {
		_, own := m.services[d.Service]
		if ours := own && d.Cluster == ""; !ours && d.Application == application && d.Environment == environment && !d.StartedAt.Before(last[d.Cluster].StartedAt) {
			last[d.Cluster] = d
		}
	}
	for _, cluster := range slices.Sorted(maps.Keys(last)) {
		if d := last[cluster]; d.State == release.Live || !d.State.Final() {
			uses = append(uses, migration.Use{Service: cmp.Or(d.Service, "elsewhere"), Version: d.Version, As: []string{d.Version},
				Why: fmt.Sprintf("%s by deployment %s, the last that was reported", d.State, d.ID)})
		}
	}
	return uses
}

// planTell notes where a migration stands.
func (c *Controller) planTell(cmd TellMigration, now time.Time) (plan, error) {
	told := cmd.Told
	told.By = cmp.Or(told.By, cmd.Actor)
	old, known := c.mirror.migrations[told.ID()]
	if !known && len(c.mirror.migrations) >= maxMigrations {
		return plan{}, refuse(Conflict, "delete one that is long done", "there are %d migrations already, and no more are taken", len(c.mirror.migrations))
	}
	next, err := migration.Next(old.value, told, now)
	if err != nil {
		return plan{}, refuse(Conflict, "delete it first if its document has become another", "%v", err)
	}
	txn := store.Txn{If: []store.Compare{store.ModRevision(store.MigrationKey(told.Application, told.Environment, told.Name), old.mod)}}
	reply := Reply{Name: told.ID(), Created: !known, Text: fmt.Sprintf("migration %s is %s, %d of %d steps are done", told.ID(), next.State, next.StepsDone, next.Steps)}
	switch {
	case told.State == migration.Contracting && !old.value.Covered(&told):
		if err := c.leave(&txn, &told, now); err != nil {
			return plan{}, err
		}
		reply.Text = fmt.Sprintf("migration %s has leave: there is no way back to %s from now on", told.ID(), strings.Join(next.Breaks, ", "))
	case next.Bars() && !old.value.Bars():
		for _, use := range migration.Leave(&next, c.mirror.uses(told.Application, told.Environment, now)) {
			reply.Warnings = append(reply.Warnings, use+", and this contract was run without leave")
		}
	}
	if same := next; known {
		same.At, same.By = old.value.At, old.value.By
		if equalRecords(&same, &old.value) {
			return plan{reply: reply}, nil
		}
	}
	if cmd.DryRun {
		reply.Text, reply.Created = "would be: "+reply.Text, false
		return plan{reply: reply}, nil
	}
	value, err := c.encode(old.raw, next)
	if err != nil {
		return plan{}, err
	}
	txn.Then = []store.Op{
		store.Put(store.MigrationKey(told.Application, told.Environment, told.Name), value),
		c.audit(AuditView{At: now, Actor: cmd.Actor, Action: "migration " + string(next.State), Object: "migrations/" + told.ID(), Text: reply.Text}),
	}
	return plan{write: true, reply: reply, txn: txn}, nil
}

func equalRecords(a, b *migration.Record) bool {
	return a.Phase == b.Phase && a.State == b.State && a.Steps == b.Steps && a.StepsDone == b.StepsDone && a.By == b.By && a.At.Equal(b.At) &&
		a.GrantedAt.Equal(b.GrantedAt) && a.DoneAt.Equal(b.DoneAt) && slices.Equal(a.Needs, b.Needs) && slices.Equal(a.Breaks, b.Breaks)
}

// leave refuses a contract that would break what is in use. The transaction then
// compares that no service, split or rollout has changed since they were looked
// at; whatever gives a version requests compares the same of migrations (mayGain),
// so that of two at the same moment one is decided again.
func (c *Controller) leave(txn *store.Txn, told *migration.Record, now time.Time) error {
	against := migration.Leave(told, c.mirror.uses(told.Application, told.Environment, now))
	for _, need := range told.Needs {
		if e, known := c.mirror.migrations[told.Application+"/"+told.Environment+"/"+need]; known && e.value.State != migration.Done {
			against = append(against, fmt.Sprintf("migration %s, which it needs, is %s", need, e.value.State))
		}
	}
	if len(against) > 0 {
		return &Error{Kind: Conflict, Problems: against, Hint: "run it when nothing asks for these versions any more",
			Text: fmt.Sprintf("contract %q has no leave in %s: it breaks %s", told.Name, told.Environment, strings.Join(told.Breaks, ", "))}
	}
	for _, prefix := range []string{store.Services, store.States, store.Rollouts} {
		txn.If = append(txn.If, store.UnchangedSince(prefix, c.mirror.revision))
	}
	return nil
}

func (c *Controller) planForget(cmd DeleteMigration, now time.Time) (plan, error) {
	id := cmd.Application + "/" + cmd.Environment + "/" + cmd.Name
	old, known := c.mirror.migrations[id]
	if !known {
		return plan{}, refuse(NotFound, "list them with `weir get migrations`", "there is no migration %q", id)
	}
	key, text := store.MigrationKey(cmd.Application, cmd.Environment, cmd.Name), fmt.Sprintf("migration %s forgotten", id)
	if old.value.Bars() {
		text += "; nothing keeps requests from " + strings.Join(old.value.Breaks, ", ") + " any more"
	}
	return plan{write: true, reply: Reply{Name: id, Text: text}, txn: store.Txn{
		If: []store.Compare{store.ModRevision(key, old.mod)},
		Then: []store.Op{store.Delete(key),
			c.audit(AuditView{At: now, Actor: cmd.Actor, Action: "delete", Object: "migrations/" + id, Text: text})},
	}}, nil
}

// mayGain refuses a change that gives requests to a version whose database a
// contract has taken what it needs, or that begins a rollout before what its code
// needs is there. What goes back to where it came from is asked nothing: an abort
// and a rollback are always possible, and nothing of migrations is in their way.
func (c *Controller) mayGain(txn *store.Txn, doc *configs.Service, before, after rollout.Pair) error {
	if _, flag := configs.FlagOf(doc.Name); flag {
		return nil
	}
	gained := migration.Gained(before, after)
	if len(gained) == 0 {
		return nil
	}
	records := c.mirror.migrationsOf(doc.Application, doc.Environment)
	history := c.mirror.historyOf(doc.Name, after.Service)
	begins := after.Rollout.ID != before.Rollout.ID && after.Rollout.Strategy != configs.StrategyManual
	if begins {
		history.Rollouts = append([]rollout.State{after.Rollout}, history.Rollouts...)
		if after.Rollout.Phase == rollout.Queued {
			history.Rollouts[0].Phase = rollout.Pending // it counts for what it will be
		}
	}
	for _, version := range gained {
		if why := migration.Barred(records, history.Releases(version)); why != "" {
			return refuse(Conflict, "release a version that does not need it", "%s", why)
		}
	}
	if begins {
		if missing := migration.Missing(records, doc.Environment, c.needed(doc, &after.Rollout.Plan)); len(missing) > 0 {
			return &Error{Kind: Conflict, Problems: missing, Hint: "change the database first, then release the code",
				Text: fmt.Sprintf("version %q of service %q cannot have requests yet", after.Rollout.To, doc.Name)}
		}
	}
	txn.If = append(txn.If, store.UnchangedSince(store.MigrationsOf(doc.Application, doc.Environment), c.mirror.revision))
	return nil
}

// needed are the migrations that a plan and its release name.
func (c *Controller) needed(doc *configs.Service, p *configs.Rollout) []string {
	r := c.mirror.releases[doc.Application+"/"+cmp.Or(p.Release, p.To)].value
	all := slices.Concat(p.Migrations, r.Migrations)
	slices.Sort(all)
	return slices.Compact(all)
}

// planApplyRelease writes a Release, unless it brings a contract along.
func (c *Controller) planApplyRelease(cmd ApplyRelease, now time.Time) (plan, error) {
	doc := cmd.Document
	for _, m := range c.mirror.listMigrations() {
		if m.Application != doc.Application || !slices.Contains(doc.Migrations, m.Name) || m.Phase != configs.PhaseContract || m.State == migration.Done {
			continue
		}
		return plan{}, refuse(Invalid, "leave it out, release the code, and run it when nothing needs what it takes away",
			"release %q names contract %q, which breaks %s: never in the same release as code", doc.Name(), m.Name, strings.Join(m.Breaks, ", "))
	}
	return c.planRelease(cmd, now)
}
