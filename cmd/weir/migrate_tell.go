package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/weirproxy/weir/cmd/weir/migrate"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/migration"
)

// plane is the control plane that is told of migrations. Without a client it asks
// and tells nobody.
type plane struct {
	client      *client
	environment string
	say         func(line string)
}

func (p *plane) path(m *configs.Migration) string {
	return "/v1/migrations/" + url.PathEscape(m.Application) + "/" + url.PathEscape(p.environment) + "/" + url.PathEscape(m.Name)
}

// put tells where a migration stands: names and numbers, and nothing of its SQL.
func (p *plane) put(ctx context.Context, m *configs.Migration, s *migrate.Status, state migration.State, query string) (*api.Result, error) {
	report := api.MigrationReport{Phase: m.Phase, State: state, Needs: m.Needs, Breaks: m.Breaks, Steps: len(s.Steps), By: migrator()}
	for _, step := range s.Steps {
		if step.State == migrate.Done {
			report.StepsDone++
		}
	}
	a, err := p.client.do(ctx, call{method: http.MethodPut, path: p.path(m) + query, body: report, bare: true})
	if err != nil {
		return nil, err
	}
	var result api.Result
	return &result, a.into(&result)
}

// begins tells that something is begun. Only a contract waits for the answer.
func (p *plane) begins(ctx context.Context, m *configs.Migration, s *migrate.Status) {
	if p.client == nil {
		return
	}
	if _, err := p.put(ctx, m, s, migration.Running, ""); err != nil {
		p.say(fmt.Sprintf("%s: goes on, and the control plane does not know of it: %v", m.Name, err))
	}
}

// leave asks for a contract's leave.
func (p *plane) leave(ctx context.Context, m *configs.Migration, s *migrate.Status) error {
	if p.client == nil {
		return nil
	}
	result, err := p.put(ctx, m, s, migration.Contracting, "")
	if err != nil {
		return fmt.Errorf("contract %q was not begun: %w", m.Name, err)
	}
	p.say(m.Name + ": " + result.Text)
	return nil
}

// against is what keeps a contract from its leave now.
func (p *plane) against(ctx context.Context, m *configs.Migration, s *migrate.Status) ([]string, error) {
	_, err := p.put(ctx, m, s, migration.Contracting, "?dry_run=true")
	refused, ok := errors.AsType[*refusedError](err)
	var unreachable *unreachableError
	switch {
	case ok && refused.Status == http.StatusConflict && len(refused.Problems) > 0:
		return refused.Problems, nil
	case ok && refused.Status == http.StatusConflict:
		return []string{refused.Detail}, nil
	case ok, errors.As(err, &unreachable):
		p.say(fmt.Sprintf("%s: who uses what it breaks is not known: %v", m.Name, err))
		return nil, nil
	}
	return nil, err
}

// tell says where a migration stands by its ledger.
func (p *plane) tell(ctx context.Context, m *configs.Migration, s *migrate.Status) error {
	if p.client == nil {
		return nil
	}
	state := migration.Pending
	if s.Done {
		state = migration.Done
	}
	result, err := p.put(ctx, m, s, state, "")
	if err != nil {
		return err
	}
	for _, warning := range result.Warnings {
		p.say(m.Name + ": warning: " + warning)
	}
	return nil
}

// tellAfter says what a run came to, which is done whether or not it is heard.
func (p *plane) tellAfter(ctx context.Context, m *configs.Migration, s *migrate.Status) error {
	err := p.tell(ctx, m, s)
	if err == nil {
		return nil
	}
	what := "is not done"
	if s.Done {
		what = "is done in the database"
	}
	return fmt.Errorf("migration %q %s, and the control plane does not know it: %w\n  hint: tell it with `weir migrate status -f FILE --environment %s --tell`", m.Name, what, err, p.environment)
}

func (c *cli) getMigrations(ctx context.Context, client *client, name string) error {
	if name != "" {
		return c.getMigration(ctx, client, name)
	}
	var list []api.Migration
	a, err := client.get(ctx, "/v1/migrations", &list)
	if err != nil {
		return err
	}
	return c.print(a, func(w io.Writer) error {
		if len(list) == 0 {
			fmt.Fprintln(w, "There are no migrations. `weir migrate up` tells of what it does.")
			return nil
		}
		return writeMigrations(w, list)
	})
}

// migrationPath is the path of one, by its name as lists show it.
func migrationPath(name string) string {
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return "/v1/migrations/" + strings.Join(parts, "/")
}

func (c *cli) getMigration(ctx context.Context, client *client, name string) error {
	if strings.Count(name, "/") != 2 {
		return usagef("there is no migration %q; write APPLICATION/ENVIRONMENT/NAME", name)
	}
	var one api.Migration
	a, err := client.get(ctx, migrationPath(name), &one)
	if err != nil {
		return err
	}
	return c.print(a, func(w io.Writer) error { return writeMigrations(w, []api.Migration{one}) })
}

func writeMigrations(w io.Writer, list []api.Migration) error {
	t := newTable(w, "MIGRATION", "PHASE", "STATE", "STEPS", "BREAKS", "TOLD", "BY").yield("BY", "BREAKS")
	for _, m := range list {
		t.row(m.ID(), m.Phase, string(m.State), fmt.Sprintf("%d/%d", m.StepsDone, m.Steps), orDash(strings.Join(m.Breaks, ",")), ago(m.At), orDash(m.By))
	}
	return t.end()
}
