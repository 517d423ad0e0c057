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
)

type migrateFlags struct {
	file         string
	database     string
	databaseFile string
	noWayBack    bool
}

func (c *cli) newMigrateCommand() *cobra.Command {
	return group("migrate", "Change a database by expand and contract, from Migration documents",
		c.newMigrateVerb("plan", "Say what is done, what is pending, and what there is no way back from",
			`plan reads the documents and what the database says was done, and changes nothing.`,
			func(context.Context, *migrate.Run, *migrateFlags, *migrate.Status) error { return nil }),
		c.newMigrateVerb("up", "Do what is pending",
			`up does the pending steps of each migration, in the order of the file, one run at a
time. Whatever interrupts it, the next run goes on where it was. It ends at the
first step that fails. A contract takes --no-way-back: after it the versions that
it breaks cannot run any more.`, migrateUp),
		c.newMigrateVerb("status", "Say what was done, when and by whom",
			`status is as plan is, for what has happened.`,
			func(context.Context, *migrate.Run, *migrateFlags, *migrate.Status) error { return nil }))
}

// migrateVerb does something with one migration, of which it is told the state.
type migrateVerb func(context.Context, *migrate.Run, *migrateFlags, *migrate.Status) error

func (c *cli) newMigrateVerb(verb, short, long string, do migrateVerb) *cobra.Command {
	var f migrateFlags
	cmd := &cobra.Command{
		Use:   verb + " -f FILE",
		Short: short,
		Long: long + `

The database is named by a URL: postgres://user:password@host/name,
mysql://user:password@host/name or sqlite:PATH. Give it in WEIR_DATABASE or in a
file, where other users of the machine do not see it. It is never sent anywhere
else and never printed.`,
		Example: "  weir migrate " + verb + " -f users-email.yaml --database-file /run/secrets/shop-db\n" +
			"  weir migrate " + verb + " -f users-email.yaml --database sqlite:shop.db",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.migrate(cmd.Context(), verb, &f, do) },
	}
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "file of Migration documents, - for the standard input")
	cmd.Flags().StringVar(&f.database, "database", "", "URL of the database; better in WEIR_DATABASE or a file")
	cmd.Flags().StringVar(&f.databaseFile, "database-file", "", "file that holds the URL of the database")
	if verb == "up" {
		cmd.Flags().BoolVar(&f.noWayBack, "no-way-back", false, "do contracts, too")
	}
	return cmd
}

func (c *cli) migrate(ctx context.Context, verb string, f *migrateFlags, do migrateVerb) error {
	address, err := f.address()
	if err != nil {
		return err
	}
	migrations, err := c.migrations(f.file)
	if err != nil {
		return err
	}
	var all []*migrate.Status
	var failed error
	for _, m := range migrations {
		status, err := c.migrateOne(ctx, m, address, f, do)
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

func (c *cli) migrateOne(ctx context.Context, m *configs.Migration, address string, f *migrateFlags, do migrateVerb) (*migrate.Status, error) {
	run, err := migrate.Open(m, address, migrator(), func(line string) { fmt.Fprintf(c.err, "%s: %s\n", m.Name, line) })
	if err != nil {
		return nil, usageError{err}
	}
	defer run.Close()
	status, err := run.Status(ctx)
	if err != nil {
		return nil, err
	}
	if err := do(ctx, run, f, status); err != nil {
		// What was done before it is told, if the database still answers.
		if now, unread := run.Status(ctx); unread == nil {
			status = now
		}
		return status, err
	}
	return run.Status(ctx)
}

func migrateUp(ctx context.Context, run *migrate.Run, f *migrateFlags, s *migrate.Status) error {
	if s.Phase == configs.PhaseContract && !s.Done && !f.noWayBack {
		return fmt.Errorf("migration %q is a contract: there is %s; if none of its requests come any more, run it again with --no-way-back",
			s.Migration, noWayBack(s))
	}
	return run.Up(ctx)
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
	}
	return nil
}
