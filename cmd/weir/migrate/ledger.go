package migrate

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pressly/goose/v3/database"

	"github.com/weirproxy/weir/configs"
)

// table is the ledger's, in the database that is changed.
const table = "weir_migrations"

// row is one line of the ledger: a step, counted from 1, or with 0 the migration.
type row struct {
	step    int64
	name    string
	digest  string // of the statement
	rows    int64  // that it changed
	begunAt string // RFC 3339, UTC; empty: not noted
	doneAt  string // the same; empty: begun and not done
	doneBy  string
}

// ledger is the part of the table that is about one migration. To goose it is
// the store of versions, which are the steps.
type ledger struct {
	m   *configs.Migration
	who string
	now func() time.Time

	// rows are what a step has changed, until it is noted as done. Steps are done
	// one after the other, and so is what reads it.
	rows int64
}

var _ database.Store = (*ledger)(nil)

func (l *ledger) Tablename() string { return table }

func (l *ledger) q(query string) string { return rebound(l.m.Engine, query) }

// TableExists asks without an error that would end a transaction.
func (l *ledger) TableExists(ctx context.Context, db database.DBTxConn) (bool, error) {
	query := map[string]string{
		configs.EnginePostgres: "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('" + table + "')",
		configs.EngineMySQL:    "SELECT count(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '" + table + "'",
		configs.EngineSQLite:   "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = '" + table + "'",
	}[l.m.Engine]
	var n int
	if err := db.QueryRowContext(ctx, query).Scan(&n); err != nil {
		return false, fmt.Errorf("cannot look for table %q: %w", table, err)
	}
	return n > 0, nil
}

func (l *ledger) CreateVersionTable(ctx context.Context, db database.DBTxConn) error {
	_, err := db.ExecContext(ctx, `CREATE TABLE `+table+` (
		migration VARCHAR(63) NOT NULL,
		step INTEGER NOT NULL,
		name VARCHAR(63) NOT NULL,
		digest VARCHAR(64) NOT NULL,
		changed_rows BIGINT NOT NULL,
		begun_at VARCHAR(40) NOT NULL,
		done_at VARCHAR(40) NOT NULL,
		done_by VARCHAR(255) NOT NULL,
		PRIMARY KEY (migration, step))`)
	return err
}

// Insert notes a step as done. Version 0 is goose's own and is not noted.
func (l *ledger) Insert(ctx context.Context, db database.DBTxConn, req database.InsertRequest) error {
	if req.Version == 0 {
		return nil
	}
	r := l.row(req.Version)
	r.doneAt, r.doneBy, r.rows = l.clock(), l.who, l.rows
	return l.put(ctx, db, r)
}

// begin notes that a step was begun, where what follows is no transaction.
func (l *ledger) begin(ctx context.Context, db *sql.DB, step int64) error {
	r := l.row(step)
	r.begunAt = l.clock()
	return l.put(ctx, db, r)
}

// finish notes that the whole migration is done.
func (l *ledger) finish(ctx context.Context, db *sql.DB) error {
	return l.put(ctx, db, row{name: l.m.Name, doneAt: l.clock(), doneBy: l.who})
}

func (l *ledger) row(step int64) row {
	if l.m.Hook != nil {
		return row{step: step, name: hookStep, digest: digest(strings.Join(l.m.Hook.Command, "\x00"))}
	}
	s := &l.m.Steps[step-1]
	return row{step: step, name: s.Name, digest: digest(s.SQL)}
}

// put replaces a row. It is a transaction, or part of the one that db is.
func (l *ledger) put(ctx context.Context, db database.DBTxConn, r row) error {
	if whole, ok := db.(*sql.DB); ok {
		tx, err := whole.BeginTx(ctx, nil)
		if err != nil {
			return fmt.Errorf("cannot write the ledger: %w", err)
		}
		if err := l.put(ctx, tx, r); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		return tx.Commit()
	}
	if err := l.Delete(ctx, db, r.step); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, l.q("INSERT INTO "+table+" (migration, step, name, digest, changed_rows, begun_at, done_at, done_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
		l.m.Name, r.step, r.name, r.digest, r.rows, r.begunAt, r.doneAt, r.doneBy)
	if err != nil {
		return fmt.Errorf("cannot write the ledger: %w", err)
	}
	return nil
}

// Delete forgets a step.
func (l *ledger) Delete(ctx context.Context, db database.DBTxConn, version int64) error {
	if _, err := db.ExecContext(ctx, l.q("DELETE FROM "+table+" WHERE migration = ? AND step = ?"), l.m.Name, version); err != nil {
		return fmt.Errorf("cannot write the ledger: %w", err)
	}
	return nil
}

// read returns the rows of a migration in the order of its steps. A table that
// is not there has none.
func (l *ledger) read(ctx context.Context, db database.DBTxConn, migration string) ([]row, error) {
	if ok, err := l.TableExists(ctx, db); err != nil || !ok {
		return nil, err
	}
	found, err := db.QueryContext(ctx, l.q("SELECT step, name, digest, changed_rows, begun_at, done_at, done_by FROM "+table+" WHERE migration = ? ORDER BY step"), migration)
	if err != nil {
		return nil, fmt.Errorf("cannot read the ledger: %w", err)
	}
	defer found.Close()
	var out []row
	for found.Next() {
		var r row
		if err := found.Scan(&r.step, &r.name, &r.digest, &r.rows, &r.begunAt, &r.doneAt, &r.doneBy); err != nil {
			return nil, fmt.Errorf("cannot read the ledger: %w", err)
		}
		out = append(out, r)
	}
	return out, found.Err()
}

// done reports whether a migration is done as a whole.
func (l *ledger) done(ctx context.Context, db database.DBTxConn, migration string) (bool, error) {
	rows, err := l.read(ctx, db, migration)
	return len(rows) > 0 && rows[0].step == 0 && rows[0].doneAt != "", err
}

func (l *ledger) GetMigration(ctx context.Context, db database.DBTxConn, version int64) (*database.GetMigrationResult, error) {
	list, err := l.ListMigrations(ctx, db)
	if err != nil {
		return nil, err
	}
	for _, one := range list {
		if one.Version == version {
			return &database.GetMigrationResult{IsApplied: true}, nil
		}
	}
	return nil, database.ErrVersionNotFound
}

func (l *ledger) GetLatestVersion(ctx context.Context, db database.DBTxConn) (int64, error) {
	list, err := l.ListMigrations(ctx, db)
	if err != nil {
		return 0, err
	}
	return list[0].Version, nil
}

// ListMigrations lists the steps that are done, the last first. The version 0
// that goose wants to see is always there.
func (l *ledger) ListMigrations(ctx context.Context, db database.DBTxConn) ([]*database.ListMigrationsResult, error) {
	rows, err := l.read(ctx, db, l.m.Name)
	if err != nil {
		return nil, err
	}
	var list []*database.ListMigrationsResult
	for i := len(rows) - 1; i >= 0; i-- {
		if rows[i].step > 0 && rows[i].doneAt != "" {
			list = append(list, &database.ListMigrationsResult{Version: rows[i].step, IsApplied: true})
		}
	}
	return append(list, &database.ListMigrationsResult{IsApplied: true}), nil
}

func (l *ledger) clock() string { return l.now().UTC().Format(time.RFC3339) }

func digest(text string) string {
	sum := sha256.Sum256([]byte(strings.TrimSpace(text)))
	return hex.EncodeToString(sum[:])
}
