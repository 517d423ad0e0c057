package api

import (
	"context"
	"net/http"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/migration"
)

// Migration is what was last told of a change of a database. The database and its
// credentials are known to `weir migrate` alone.
type Migration struct {
	migration.Record
	Revision int64 `json:"revision" doc:"Its ETag"`
}

func (a *API) registerMigrations() {
	register(a, route{
		method: http.MethodGet, path: "/v1/migrations", role: Viewer, id: "list-migrations", tag: "migrations",
		summary: "List migrations", description: "What was told of changes of databases, by application, environment and name.",
	}, a.listMigrations)
	register(a, route{
		method: http.MethodGet, path: "/v1/migrations/{application}/{environment}/{name}", role: Viewer, id: "get-migration", tag: "migrations",
		summary: "Read a migration",
	}, a.getMigration)
	register(a, route{
		method: http.MethodPut, path: "/v1/migrations/{application}/{environment}/{name}", role: Operator, id: "tell-migration", tag: "migrations",
		summary: "Tell where a migration stands",
		description: "For `weir migrate`, and for other tools that change databases. State `contracting` asks leave for a contract: refused (409) " +
			"while a version that it breaks is in use in that environment, is kept for undo, or was replaced just now. From then on nothing " +
			"gives such a version requests.",
	}, a.tellMigration)
	register(a, route{
		method: http.MethodDelete, path: "/v1/migrations/{application}/{environment}/{name}", role: Admin, id: "delete-migration", tag: "migrations",
		summary: "Forget a migration", description: "What a contract barred may have requests again: for a database that was put back.",
	}, a.deleteMigration)
}

// MigrationName is the path of a migration.
type MigrationName struct {
	Application string `path:"application" doc:"Name of the application" example:"shop" pattern:"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"`
	Environment string `path:"environment" doc:"Whose database it is" example:"production" pattern:"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"`
	Name        string `path:"name" doc:"Name of the migration" example:"users-email" pattern:"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"`
}

type migrationsOf struct {
	Application string `query:"application" doc:"Only those of this application"`
	Environment string `query:"environment" doc:"Only those of this environment"`
}

type migrations struct {
	Body []Migration
}

func (a *API) listMigrations(_ context.Context, in *migrationsOf) (*migrations, error) {
	out := &migrations{Body: []Migration{}}
	for _, m := range a.Control.View().Migrations {
		if (in.Application == "" || m.Application == in.Application) && (in.Environment == "" || m.Environment == in.Environment) {
			out.Body = append(out.Body, Migration{Record: m.Record, Revision: m.ModRevision})
		}
	}
	return out, nil
}

type migrationBody struct {
	ETag string `header:"ETag"`
	Body Migration
}

func (a *API) getMigration(_ context.Context, in *MigrationName) (*migrationBody, error) {
	m, ok := a.Control.View().Migration(in.Application, in.Environment, in.Name)
	if !ok {
		return nil, problem(http.StatusNotFound, "GET /v1/migrations lists what there is", "there is no migration %q of %q in %q", in.Name, in.Application, in.Environment)
	}
	return &migrationBody{ETag: etag(m.ModRevision), Body: Migration{Record: m.Record, Revision: m.ModRevision}}, nil
}

// MigrationReport is what is told of a migration. It holds no SQL.
type MigrationReport struct {
	Phase     string          `json:"phase" enum:"expand,migrate,contract"`
	State     migration.State `json:"state" enum:"pending,running,contracting,done" doc:"contracting asks leave for a contract"`
	Needs     []string        `json:"needs,omitempty" maxItems:"100" doc:"Migrations of the same database that must be done before"`
	Breaks    []string        `json:"breaks,omitempty" maxItems:"100" doc:"Versions that cannot run after it"`
	Steps     int             `json:"steps" minimum:"1" maximum:"1000"`
	StepsDone int             `json:"steps_done" minimum:"0" maximum:"1000"`
	By        string          `json:"by,omitempty" maxLength:"255" doc:"Who runs it; absent: whoever tells it"`
}

type tellMigration struct {
	MigrationName
	DryRun bool `query:"dry_run" doc:"Only say what would change, or what stands against it"`
	Body   MigrationReport
}

func (a *API) tellMigration(ctx context.Context, in *tellMigration) (*changed, error) {
	b := &in.Body
	told := migration.Record{
		Application: in.Application, Environment: in.Environment, Name: in.Name, Phase: b.Phase, State: b.State,
		Needs: b.Needs, Breaks: b.Breaks, Steps: b.Steps, StepsDone: b.StepsDone, By: b.By,
	}
	doc := configs.Migration{Name: told.Name, Application: told.Application, Phase: told.Phase, Needs: told.Needs, Breaks: told.Breaks}
	if problems := doc.ValidateNames(); len(problems) > 0 {
		refusal := &control.Error{Kind: control.Invalid, Text: "the migration cannot be told like this"}
		for _, one := range problems {
			refusal.Problems = append(refusal.Problems, one.String())
		}
		return nil, refusal
	}
	reply, err := a.do(ctx, control.TellMigration{Told: told, DryRun: in.DryRun, Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	return changedOf(reply, "/v1/migrations/"+told.ID()), nil
}

func (a *API) deleteMigration(ctx context.Context, in *MigrationName) (*changed, error) {
	reply, err := a.do(ctx, control.DeleteMigration{Application: in.Application, Environment: in.Environment, Name: in.Name, Actor: actorOf(ctx)})
	if err != nil {
		return nil, err
	}
	return changedOf(reply, ""), nil
}
