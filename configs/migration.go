package configs

import (
	"cmp"
	"time"
)

// Phases of a Migration.
const (
	PhaseExpand   = "expand"   // adds: every version that runs goes on as before
	PhaseMigrate  = "migrate"  // fills: rows are brought to the new shape
	PhaseContract = "contract" // takes away: the versions that it breaks must be gone
)

// Engines of a Migration.
const (
	EnginePostgres = "postgres"
	EngineMySQL    = "mysql"
	EngineSQLite   = "sqlite"
)

// Migration is one change of an application's database, by expand and contract:
// first a column is added, then versions write both, then old rows are filled,
// and what is no longer used is dropped when no version needs it. `weir migrate`
// carries it out from the machine that has the database's credentials; a node
// never sees them.
//
// What was done is in the database, in table weir_migrations. A step that was
// done is never done again, and one that was interrupted is taken up again.
type Migration struct {
	// Name identifies the migration in its database: lower-case letters, digits
	// and dashes, at most 63.
	Name string `json:"name" yaml:"name"`

	// Application whose database is changed, by its name.
	Application string `json:"application" yaml:"application"`

	// Engine is `postgres`, `mysql` or `sqlite`.
	Engine string `json:"engine" yaml:"engine"`

	// Phase is `expand`, `migrate` or `contract`. Only contract may take away what
	// a version still uses.
	Phase string `json:"phase" yaml:"phase"`

	// Needs are migrations of the same database that must be done before. Empty:
	// none.
	Needs []string `json:"needs,omitempty" yaml:"needs,omitempty"`

	// Breaks are the versions of the application that cannot run after it; there
	// is no way back to them. A contract names at least one. Empty: none.
	Breaks []string `json:"breaks,omitempty" yaml:"breaks,omitempty"`

	// LockTimeout is how long a statement waits for a lock. It is short, as every
	// query that comes after waits behind it. SQLite rounds it to milliseconds,
	// MySQL up to seconds. 0: the default, 5s. At most 10m.
	LockTimeout Duration `json:"lock_timeout,omitempty" yaml:"lock_timeout,omitempty"`

	// StatementTimeout is how long one statement may run, waiting included. 0: the
	// default, 30s. At most 24h.
	StatementTimeout Duration `json:"statement_timeout,omitempty" yaml:"statement_timeout,omitempty"`

	// Steps are done one after the other, at most 100. New ones may be added at
	// the end; one that was done cannot change. Empty: a hook does the work.
	Steps []MigrationStep `json:"steps,omitempty" yaml:"steps,omitempty"`

	// Hook is another tool that changes the database. Nil: the steps do.
	Hook *MigrationHook `json:"hook,omitempty" yaml:"hook,omitempty"`
}

// MigrationStep is one statement. On PostgreSQL and SQLite the statement and the
// note that it was done are one transaction. MySQL ends a transaction at every
// change of a table: a step that was interrupted there, and whose change turns
// out to be in place already, counts as done.
type MigrationStep struct {
	// Name is unique in the migration.
	Name string `json:"name" yaml:"name"`

	// SQL is one statement, in the engine's language, at most 64 KiB.
	SQL string `json:"sql" yaml:"sql"`

	// Unless is a query. A first row whose first column is not null, 0, false or
	// empty says that the step has been done already. Empty: it is not asked.
	Unless string `json:"unless,omitempty" yaml:"unless,omitempty"`

	// OutsideTransaction is for statements that PostgreSQL allows nowhere else,
	// such as CREATE INDEX CONCURRENTLY. If it is interrupted the statement runs
	// again, so it must bear that, or have an unless. False: in a transaction.
	OutsideTransaction bool `json:"outside_transaction,omitempty" yaml:"outside_transaction,omitempty"`

	// Batch repeats the statement until it changes no row. Nil: it runs once.
	Batch *MigrationBatch `json:"batch,omitempty" yaml:"batch,omitempty"`

	// StatementTimeout is how long this statement may run. 0: the migration's.
	StatementTimeout Duration `json:"statement_timeout,omitempty" yaml:"statement_timeout,omitempty"`
}

// MigrationBatch fills rows a few at a time, each time in a transaction of its
// own: no lock is held for long, and an interrupted fill goes on where it was.
type MigrationBatch struct {
	// Size is how many rows are changed at a time, at most 1000000; it is put where
	// the statement says {size}. 0: the default, 1000.
	Size int `json:"size,omitempty" yaml:"size,omitempty"`

	// Pause is between two times, so that others get their turn. 0: the default,
	// 100ms. At most 1h.
	Pause Duration `json:"pause,omitempty" yaml:"pause,omitempty"`

	// AtMost is how many rows all batches may change; one more fails the step. A
	// statement that finds again what it has changed would never end otherwise.
	// 0: no bound.
	AtMost int `json:"at_most,omitempty" yaml:"at_most,omitempty"`
}

// MigrationHook is a command on the machine that `weir migrate` runs on, with its
// environment. It is not given weir's credentials.
type MigrationHook struct {
	// Command is a program and its arguments; no shell reads them. Exit code 0
	// says that the migration is done. Interrupted, it is run again.
	Command []string `json:"command" yaml:"command"`

	// Timeout is how long it may run. 0: the default, 30m. At most 24h.
	Timeout Duration `json:"timeout,omitempty" yaml:"timeout,omitempty"`
}

// Defaults of a Migration.
const (
	DefaultLockTimeout      = 5 * time.Second
	DefaultStatementTimeout = 30 * time.Second
	DefaultBatchSize        = 1000
	DefaultBatchPause       = 100 * time.Millisecond
	DefaultMigrationHook    = 30 * time.Minute
)

// SetDefaults fills in what m leaves out. It changes what m's steps point to.
func (m *Migration) SetDefaults() {
	m.LockTimeout = orDuration(m.LockTimeout, DefaultLockTimeout)
	m.StatementTimeout = orDuration(m.StatementTimeout, DefaultStatementTimeout)
	for i := range m.Steps {
		if b := m.Steps[i].Batch; b != nil {
			b.Size = cmp.Or(b.Size, DefaultBatchSize)
			b.Pause = orDuration(b.Pause, DefaultBatchPause)
		}
	}
	if m.Hook != nil {
		m.Hook.Timeout = orDuration(m.Hook.Timeout, DefaultMigrationHook)
	}
}
