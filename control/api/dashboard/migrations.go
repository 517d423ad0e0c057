package dashboard

import (
	"fmt"
	"slices"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/migration"
	"github.com/weirproxy/weir/control/release"
)

// migrationRow is a change of databases with where it stands in each environment.
type migrationRow struct {
	Name, Phase string
	Breaks      []string
	Gone        bool // what its Breaks need is gone somewhere, or may be: there is no way back to them
	Places      []migrationPlace
}

// migrationPlace is a migration in one environment. A nil Record: nothing was told
// of it there.
type migrationPlace struct {
	Environment string
	Record      *migration.Record
}

// Text is how far it is.
func (p migrationPlace) Text() string {
	if r := p.Record; r.State != migration.Done && r.StepsDone > 0 {
		return fmt.Sprintf("%s, %d of %d steps", r.State, r.StepsDone, r.Steps)
	}
	return string(p.Record.State)
}

// migrationsOf are those of an application, the least ready first: what is under way
// or to come stands before what is done; and the environments with a database, in
// order.
func migrationsOf(v *control.View, application string) (environments []string, rows []migrationRow) {
	for i := range v.Migrations {
		if r := &v.Migrations[i].Record; r.Application == application && !slices.Contains(environments, r.Environment) {
			environments = append(environments, r.Environment)
		}
	}
	slices.SortFunc(environments, release.CompareEnvironments)
	at := map[string]int{}
	for i := range v.Migrations {
		r := &v.Migrations[i].Record
		if r.Application != application {
			continue
		}
		n, ok := at[r.Name]
		if !ok {
			n = len(rows)
			at[r.Name] = n
			row := migrationRow{Name: r.Name, Phase: r.Phase}
			for _, environment := range environments {
				row.Places = append(row.Places, migrationPlace{Environment: environment})
			}
			rows = append(rows, row)
		}
		row := &rows[n]
		row.Places[slices.Index(environments, r.Environment)].Record = r
		row.Gone = row.Gone || r.Bars()
		row.Breaks = append(row.Breaks, r.Breaks...)
	}
	for i := range rows {
		slices.Sort(rows[i].Breaks)
		rows[i].Breaks = slices.Compact(rows[i].Breaks)
	}
	slices.SortStableFunc(rows, func(a, b migrationRow) int { return one(a.done()) - one(b.done()) })
	return environments, rows
}

// done reports whether nothing of it is left to do wherever it was told of.
func (r *migrationRow) done() bool {
	return !slices.ContainsFunc(r.Places, func(p migrationPlace) bool { return p.Record != nil && p.Record.State != migration.Done })
}

// Grave reports whether it takes something away.
func (r *migrationRow) Grave() bool { return r.Phase == configs.PhaseContract }
