package apitest

import (
	"slices"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/migration"
)

// migrations does what people tell of migrations. A contract has no leave while
// a version that it breaks is stable or has a weight.
func (c *Controller) migrations(cmd control.Command) (control.Reply, error) {
	switch cmd := cmd.(type) {
	case control.TellMigration:
		return c.tell(cmd)
	case control.DeleteMigration:
		if _, ok := c.view.Migration(cmd.Application, cmd.Environment, cmd.Name); !ok {
			return control.Reply{}, refuse(control.NotFound, "", "there is no migration %q", cmd.Application+"/"+cmd.Environment+"/"+cmd.Name)
		}
		told := migration.Record{Application: cmd.Application, Environment: cmd.Environment, Name: cmd.Name}
		revision := c.change(func(v *control.View, _ int64) { v.Migrations = c.notTold(&told) })
		return control.Reply{Revision: revision, Name: told.ID(), Text: "migration " + told.ID() + " forgotten"}, nil
	}
	panic("BUG: no command on migrations")
}

func (c *Controller) tell(cmd control.TellMigration) (control.Reply, error) {
	told := cmd.Told
	old, known := c.view.Migration(told.Application, told.Environment, told.Name)
	if !known {
		old = &control.MigrationView{}
	}
	next, err := migration.Next(old.Record, told, epoch)
	if err != nil {
		return control.Reply{}, refuse(control.Conflict, "", "%v", err)
	}
	if told.State == migration.Contracting && !old.Covered(&told) {
		var uses []migration.Use
		for _, v := range c.view.Services {
			doc := v.Document
			if doc.SetDefaults(); doc.Application == told.Application && doc.Environment == told.Environment {
				s := migration.Service{Name: doc.Name, State: v.State}
				uses = append(uses, s.Uses(epoch)...)
			}
		}
		if against := migration.Leave(&told, uses); len(against) > 0 {
			return control.Reply{}, &control.Error{Kind: control.Conflict, Problems: against, Text: "contract \"" + told.Name + "\" has no leave"}
		}
	}
	reply := control.Reply{Name: told.ID(), Created: !known && !cmd.DryRun, Text: "migration " + told.ID() + " is " + string(next.State)}
	if !cmd.DryRun {
		reply.Revision = c.change(func(v *control.View, revision int64) {
			v.Migrations = append(c.notTold(&told), control.MigrationView{Record: next, ModRevision: revision})
		})
	}
	return reply, nil
}

// notTold are the migrations but one.
func (c *Controller) notTold(told *migration.Record) []control.MigrationView {
	return slices.DeleteFunc(slices.Clone(c.view.Migrations), func(m control.MigrationView) bool { return m.ID() == told.ID() })
}
