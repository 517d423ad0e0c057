package migrate

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3/database"

	"github.com/weirproxy/weir/configs"
)

// inside does a step in a transaction, which notes it as done as well.
func (r *Run) inside(ctx context.Context, tx *sql.Tx, step int64) error {
	s := &r.m.Steps[step-1]
	if done, err := r.already(ctx, tx, s); err != nil || done {
		return err
	}
	r.progress(s.Name + ": begun")
	if r.m.Engine != configs.EngineMySQL {
		if r.m.Engine == configs.EnginePostgres {
			if _, err := tx.ExecContext(ctx, "SET LOCAL statement_timeout = "+milliseconds(r.timeout(s))); err != nil {
				return err
			}
		}
		return r.once(ctx, tx, s, s.SQL)
	}
	return r.implicit(ctx, tx, step)
}

// implicit does a step of MySQL, whose transaction ends by itself if the
// statement changes a table. So it is noted first that the step was begun: if
// its change is found to be in place the next time, it was ours.
func (r *Run) implicit(ctx context.Context, tx *sql.Tx, step int64) error {
	s := &r.m.Steps[step-1]
	rows, err := r.ledger.read(ctx, r.db, r.m.Name)
	if err != nil {
		return err
	}
	again := slices.ContainsFunc(rows, func(o row) bool { return o.step == step && o.digest == digest(s.SQL) })
	if err := r.ledger.begin(ctx, r.db, step); err != nil {
		return err
	}
	err = r.once(ctx, tx, s, s.SQL)
	refused, ok := errors.AsType[*mysql.MySQLError](err)
	switch {
	case !ok:
		return err
	case again && slices.Contains(inPlace(), refused.Number):
		r.progress(s.Name + ": it was interrupted, and its change is in place")
		return nil
	}
	// The server has answered: nothing was changed, and nothing is left to find.
	return errors.Join(err, r.ledger.Delete(context.WithoutCancel(ctx), r.db, step))
}

// inPlace are the errors by which MySQL says that a change has been made before:
// a table, column or index that is there, or is there no more.
func inPlace() []uint16 { return []uint16{1050, 1051, 1060, 1061, 1068, 1091, 1826} }

// outside does a step of PostgreSQL that must not be in a transaction.
func (r *Run) outside(ctx context.Context, db *sql.DB, step int64) error {
	s := &r.m.Steps[step-1]
	if done, err := r.already(ctx, db, s); err != nil || done {
		return err
	}
	if err := r.ledger.begin(ctx, db, step); err != nil {
		return err
	}
	r.progress(s.Name + ": begun")
	conn, err := r.session(ctx, db, s)
	if err != nil {
		return err
	}
	return errors.Join(r.once(ctx, conn, s, s.SQL), conn.Close())
}

// session is a connection on which a step's own timeout holds. Whoever gets it
// next sets another one.
func (r *Run) session(ctx context.Context, db *sql.DB, s *configs.MigrationStep) (*sql.Conn, error) {
	conn, err := db.Conn(ctx)
	if err != nil || r.m.Engine != configs.EnginePostgres {
		return conn, err
	}
	if _, err := conn.ExecContext(ctx, "SET statement_timeout = "+milliseconds(r.timeout(s))); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// batches repeats a statement until it changes no row.
func (r *Run) batches(ctx context.Context, db *sql.DB, step int64) error {
	s := &r.m.Steps[step-1]
	if done, err := r.already(ctx, db, s); err != nil || done {
		return err
	}
	if err := r.ledger.begin(ctx, db, step); err != nil {
		return err
	}
	conn, err := r.session(ctx, db, s)
	if err != nil {
		return err
	}
	defer conn.Close()
	text := strings.ReplaceAll(s.SQL, "{size}", strconv.Itoa(s.Batch.Size))
	r.progress(s.Name + ": begun")
	var all int64
	for {
		if err := r.once(ctx, conn, s, text); err != nil {
			return err
		}
		changed := r.ledger.rows
		all += changed
		r.ledger.rows = all
		switch {
		case changed == 0:
			return nil
		case s.Batch.AtMost > 0 && all > int64(s.Batch.AtMost):
			return fmt.Errorf("%d rows were changed, more than at_most: does the statement find again what it has changed?", all)
		}
		r.progress(fmt.Sprintf("%s: %d rows", s.Name, all))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(s.Batch.Pause.Std()):
		}
	}
}

// already reports whether a step's own query says that it has been done.
func (r *Run) already(ctx context.Context, db database.DBTxConn, s *configs.MigrationStep) (bool, error) {
	r.ledger.rows = 0
	if s.Unless == "" {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout(s))
	defer cancel()
	var first sql.NullString
	rows, err := db.QueryContext(ctx, s.Unless)
	if err != nil {
		return false, fmt.Errorf("cannot ask its unless: %w", err)
	}
	defer rows.Close()
	if !rows.Next() {
		return false, rows.Err()
	}
	columns, err := rows.Columns()
	if err != nil {
		return false, err
	}
	into := make([]any, len(columns))
	for i := range into {
		into[i] = new(any)
	}
	into[0] = &first
	if err := rows.Scan(into...); err != nil {
		return false, fmt.Errorf("cannot read the answer of its unless: %w", err)
	}
	done := first.Valid && !slices.Contains([]string{"", "0", "false", "f"}, first.String)
	if done {
		r.progress(s.Name + ": has been done already, its unless says")
	}
	return done, rows.Close()
}

func (r *Run) timeout(s *configs.MigrationStep) time.Duration {
	return cmp.Or(s.StatementTimeout, r.m.StatementTimeout).Std()
}

// once runs one statement and notes how many rows it changed.
func (r *Run) once(ctx context.Context, db database.DBTxConn, s *configs.MigrationStep, text string) error {
	limit := r.timeout(s)
	if r.m.Engine == configs.EnginePostgres {
		limit += 10 * time.Second // the server's own limit comes first, and tells why
	}
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var connection int64
	if r.m.Engine == configs.EngineMySQL {
		if err := db.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&connection); err != nil {
			return err
		}
	}
	result, err := db.ExecContext(timed, text)
	if timed.Err() != nil && connection != 0 {
		kill(r.db, connection)
	}
	switch {
	case timed.Err() != nil && ctx.Err() == nil && err != nil:
		return fmt.Errorf("the statement ran longer than statement_timeout, %s: %w", configs.Duration(r.timeout(s)), err)
	case err != nil:
		return err
	}
	r.ledger.rows, err = result.RowsAffected()
	return err
}

// explained adds what to do to what a database says.
func explained(err error) error {
	hint := ""
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case "55P03":
			hint = "a lock was not free within lock_timeout, and nothing was changed: run it again, or find what holds it in pg_stat_activity"
		case "57014":
			hint = "the statement ran longer than statement_timeout, or was cancelled; nothing was changed"
		case "25001":
			hint = "write outside_transaction: true"
		}
	}
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok && e.Number == 1205 {
		hint = "a lock was not free within lock_timeout, and nothing was changed: run it again"
	}
	if busy(err) {
		hint = "the database was not free within lock_timeout, and nothing was changed: run it again"
	}
	if hint == "" {
		return err
	}
	return fmt.Errorf("%w\n  hint: %s", err, hint)
}

// hook runs the command of another tool.
func (r *Run) hook(ctx context.Context, db *sql.DB) error {
	if err := r.ledger.begin(ctx, db, 1); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.m.Hook.Timeout.Std())
	defer cancel()
	r.progress(hookStep + ": " + r.m.Hook.Command[0])
	cmd := exec.CommandContext(ctx, r.m.Hook.Command[0], r.m.Hook.Command[1:]...)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "WEIR_DATABASE") || strings.HasPrefix(v, "WEIR_TOKEN")
	})
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.WaitDelay = 10 * time.Second
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("the command was ended: %w", ctx.Err())
		}
		return fmt.Errorf("the command failed: %w", err)
	}
	return nil
}
