package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/cmd/weir/migrate"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/release"
)

type migrateFlags struct {
	file         string
	database     string
	databaseFile string
	environment  string
	offline      bool
	noWayBack    bool
	tell         bool
}

func (c *cli) newMigrateCommand() *cobra.Command {
	return group("migrate", "Change a database by expand and contract, from Migration documents",
		c.newMigrateVerb("plan", "Say what is done, what is pending, and what there is no way back from",
			`plan reads the documents and what the database says was done, and changes nothing.
Of a contract it also asks the control plane what still uses the versions that it
breaks.`, migratePlan),
		c.newMigrateVerb("up", "Do what is pending",
			`up does the pending steps of each migration, in the order of the file, one run at a
time. Whatever interrupts it, the next run goes on where it was. It ends at the
first step that fails. A contract takes --no-way-back: after it the versions that
it breaks cannot run any more. The control plane must give it leave, and keeps
requests from these versions from then on.`, migrateUp),
		c.newMigrateVerb("status", "Say what was done, when and by whom",
			`status is as plan is, for what has happened. --tell has the control plane know it.`, migrateStatus))
}

// migrating is one migration of a run.
type migrating struct {
	*migrateFlags
	m      *configs.Migration
	run    *migrate.Run
	status *migrate.Status // when it began
	plane  *plane
}

// migrateVerb does something with one migration.
type migrateVerb func(context.Context, *migrating) error

func (c *cli) newMigrateVerb(verb, short, long string, do migrateVerb) *cobra.Command {
	var f migrateFlags
	cmd := &cobra.Command{
		Use:   verb + " -f FILE",
		Short: short,
		Long: long + `

The database is named by a URL: postgres://user:password@host/name,
mysql://user:password@host/name or sqlite:PATH. Give it in WEIR_DATABASE or in a
file, where other users of the machine do not see it. It is never sent anywhere
else and never printed. The control plane is that of --control or WEIR_CONTROL, if
one of them is given; it hears what was done, and no SQL.`,
		Example: "  weir migrate " + verb + " -f users-email.yaml --database-file /run/secrets/shop-db\n" +
			"  weir migrate " + verb + " -f users-email.yaml --database sqlite:shop.db --offline",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			named := cmd.Flags().Changed("control") || os.Getenv("WEIR_CONTROL") != ""
			return c.migrate(cmd.Context(), verb, named, &f, do)
		},
	}
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "file of Migration documents, - for the standard input")
	cmd.Flags().StringVar(&f.database, "database", "", "URL of the database; better in WEIR_DATABASE or a file")
	cmd.Flags().StringVar(&f.databaseFile, "database-file", "", "file that holds the URL of the database")
	cmd.Flags().StringVar(&f.environment, "environment", release.DefaultEnvironment, "whose database it is, as services name it")
	cmd.Flags().BoolVar(&f.offline, "offline", false, "ask and tell no control plane")
	switch verb {
	case "up":
		cmd.Flags().BoolVar(&f.noWayBack, "no-way-back", false, "do contracts, too")
	case "status":
		cmd.Flags().BoolVar(&f.tell, "tell", false, "tell the control plane what was done")
	}
	return cmd
}

func (c *cli) migrate(ctx context.Context, verb string, named bool, f *migrateFlags, do migrateVerb) error {
	address, err := f.address()
	if err != nil {
		return err
	}
	migrations, err := c.migrations(f.file)
	if err != nil {
		return err
	}
	p := &plane{environment: f.environment, say: func(line string) { fmt.Fprintln(c.err, line) }}
	switch {
	case named && !f.offline:
		if p.client, err = c.client(); err != nil {
			return err
		}
	case f.tell:
		return usagef("which control plane is to be told? write --control ADDRESS or set WEIR_CONTROL")
	case verb == "up" && !f.offline:
		p.say("no control plane is told: neither --control nor WEIR_CONTROL is given")
	}
	var all []*migrate.Status
	var failed error
	for _, m := range migrations {
		status, err := c.migrateOne(ctx, m, address, f, p, do)
		if status != nil {
			all = append(all, status)
		}
		if failed = err; failed != nil {
			break
		}
	}
	if c.output != "table" {
		return errors.Join(failed, c.printValue(all))
	}
	return errors.Join(failed, c.printMigrations(all, verb))
}

func (c *cli) migrateOne(ctx context.Context, m *configs.Migration, address string, f *migrateFlags, p *plane, do migrateVerb) (*migrate.Status, error) {
	run, err := migrate.Open(m, address, migrator(), func(line string) { fmt.Fprintf(c.err, "%s: %s\n", m.Name, line) })
	if err != nil {
		return nil, usageError{err}
	}
	defer run.Close()
	status, err := run.Status(ctx)
	if err != nil {
		return nil, err
	}
	if err := do(ctx, &migrating{migrateFlags: f, m: m, run: run, status: status, plane: p}); err != nil {
		// What was done before it is told, if the database still answers.
		if now, unread := run.Status(ctx); unread == nil {
			status = now
		}
		return status, err
	}
	against := status.Against
	if status, err = run.Status(ctx); err == nil {
		status.Against = against
	}
	return status, err
}

func migratePlan(ctx context.Context, g *migrating) (err error) {
	if s := g.status; g.plane.client != nil && s.Phase == configs.PhaseContract && !s.Done {
		s.Against, err = g.plane.against(ctx, g.m, s)
	}
	return err
}

func migrateStatus(ctx context.Context, g *migrating) error {
	if !g.tell {
		return nil
	}
	return g.plane.tell(ctx, g.m, g.status)
}

func migrateUp(ctx context.Context, g *migrating) error {
	s := g.status
	if !s.Done && len(s.Missing) == 0 {
		if err := g.mayBegin(ctx); err != nil {
			return err
		}
	}
	failed := g.run.Up(ctx)
	ctx = context.WithoutCancel(ctx) // what was done is told of all the same
	now, err := g.run.Status(ctx)
	if err != nil {
		return cmp.Or(failed, err)
	}
	return errors.Join(failed, g.plane.tellAfter(ctx, g.m, now))
}

// mayBegin has the control plane know of what begins. A contract needs its leave.
func (g *migrating) mayBegin(ctx context.Context) error {
	s := g.status
	if s.Phase != configs.PhaseContract {
		g.plane.begins(ctx, g.m, s)
		return nil
	}
	if !g.noWayBack {
		return fmt.Errorf("migration %q is a contract: there is %s; if that is meant, run it again with --no-way-back", s.Migration, noWayBack(s))
	}
	if g.plane.client == nil && !g.offline {
		return usagef("contract %q needs the leave of the control plane, which knows who uses %s: write --control ADDRESS, or --offline if there is none",
			s.Migration, strings.Join(s.Breaks, ", "))
	}
	return g.plane.leave(ctx, g.m, s)
}

func noWayBack(s *migrate.Status) string { return "no way back to " + strings.Join(s.Breaks, ", ") }

// address reads the URL of the database from where it was given.
func (f *migrateFlags) address() (string, error) {
	address := f.database
	switch {
	case address != "" && f.databaseFile != "":
		return "", usagef("write --database or --database-file, not both")
	case f.databaseFile != "":
		data, err := os.ReadFile(f.databaseFile)
		if err != nil {
			return "", fmt.Errorf("cannot read the database's URL: %w", err)
		}
		address = string(data)
	}
	address = strings.TrimSpace(cmp.Or(address, os.Getenv("WEIR_DATABASE")))
	if address == "" {
		return "", usagef("which database? set WEIR_DATABASE, or write --database-file FILE")
	}
	return address, nil
}

// migrations reads a file of nothing else.
func (c *cli) migrations(file string) ([]*configs.Migration, error) {
	if file == "" {
		return nil, usagef("which migrations? write -f FILE, or -f - for the standard input")
	}
	documents, err := c.documents(file)
	if err != nil {
		return nil, err
	}
	var out []*configs.Migration
	for _, d := range documents {
		if d.Migration == nil {
			return nil, fmt.Errorf("%s:%d: %s %q is no Migration; give it a file of its own", d.File, d.Line, d.Kind(), d.Name())
		}
		out = append(out, d.Migration)
	}
	return out, nil
}

// migrator is who a ledger says has done a step.
func migrator() string {
	name := cmp.Or(os.Getenv("USER"), "somebody")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

func (c *cli) printMigrations(all []*migrate.Status, verb string) error {
	if len(all) == 0 {
		return nil
	}
	out := c.page()
	t := newTable(out, "MIGRATION", "PHASE", "STEP", "STATE", "ROWS", "DONE", "BY").yield("BY", "ROWS")
	for _, s := range all {
		for _, step := range s.Steps {
			rows := "-"
			if step.Rows > 0 {
				rows = count(uint64(step.Rows))
			}
			t.row(s.Migration, s.Phase, step.Name, step.State, rows, orDash(step.DoneAt), orDash(step.DoneBy))
		}
	}
	if err := t.end(); err != nil {
		return err
	}
	for _, s := range all {
		if len(s.Missing) > 0 {
			fmt.Fprintf(out, "%s waits for %s.\n", s.Migration, strings.Join(s.Missing, ", "))
		}
		if len(s.Breaks) > 0 && verb == "plan" && !s.Done {
			fmt.Fprintf(out, "%s is a contract: after it there is %s.\n", s.Migration, noWayBack(s))
		}
		if len(s.Against) > 0 {
			fmt.Fprintf(out, "%s has no leave now:\n  %s\n", s.Migration, strings.Join(s.Against, "\n  "))
		}
	}
	return nil
}
