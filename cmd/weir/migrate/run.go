package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/weirproxy/weir/configs"
)

// hookStep is what the one step of a migration with a hook is called.
const hookStep = "hook"

// Run is one migration and its database. It is for one goroutine. Close ends it.
type Run struct {
	m        *configs.Migration
	db       *sql.DB
	address  string
	ledger   *ledger
	progress func(string)
}

// Open prepares to carry out a valid migration, which is the caller's no more.
// Address is postgres://, mysql:// or sqlite:; nothing connects yet. Who is
// noted in the ledger. Progress is given a line for each thing that happens.
func Open(m *configs.Migration, address, who string, progress func(string)) (*Run, error) {
	m.SetDefaults()
	db, err := open(m, address)
	if err != nil {
		return nil, err
	}
	who = who[:min(len(who), 255)]
	return &Run{m: m, db: db, address: address, ledger: &ledger{m: m, who: who, now: time.Now}, progress: progress}, nil
}

// Close ends the connections.
func (r *Run) Close() error { return r.db.Close() }

// States of a step.
const (
	Pending = "pending"
	Begun   = "begun" // and interrupted, or at work right now
	Done    = "done"
)

// Step is what the ledger says of one step.
type Step struct {
	Name   string `json:"name"`
	State  string `json:"state"`
	Rows   int64  `json:"rows,omitempty"`    // that it changed
	DoneAt string `json:"done_at,omitempty"` // RFC 3339
	DoneBy string `json:"done_by,omitempty"`
}

// Status is a migration beside its ledger.
type Status struct {
	Migration   string   `json:"migration"`
	Application string   `json:"application"`
	Phase       string   `json:"phase"`
	Done        bool     `json:"done"`
	Missing     []string `json:"missing,omitempty"` // what it needs and is not done
	Breaks      []string `json:"breaks,omitempty"`
	Steps       []Step   `json:"steps"`

	// Against is why the control plane would not let a contract run now. It is
	// nothing that the database knows, and for the caller to fill in.
	Against []string `json:"against,omitempty"`
}

// Status reads the ledger and changes nothing. A step that was done and is not
// in the document as it was is an error.
func (r *Run) Status(ctx context.Context) (*Status, error) {
	rows, err := r.ledger.read(ctx, r.db, r.m.Name)
	if err != nil {
		return nil, fmt.Errorf("cannot read the state of migration %q: %w", r.m.Name, err)
	}
	s := &Status{Migration: r.m.Name, Application: r.m.Application, Phase: r.m.Phase, Breaks: r.m.Breaks, Steps: make([]Step, r.count()), Done: true}
	for i := range s.Steps {
		s.Steps[i] = Step{Name: r.ledger.row(int64(i + 1)).name, State: Pending}
	}
	for _, found := range rows {
		if found.step == 0 {
			continue
		}
		if err := r.same(found); err != nil {
			return nil, err
		}
		step := &s.Steps[found.step-1]
		step.State, step.Rows, step.DoneAt, step.DoneBy = Begun, found.rows, found.doneAt, found.doneBy
		if found.doneAt != "" {
			step.State = Done
		}
	}
	for _, step := range s.Steps {
		s.Done = s.Done && step.State == Done
	}
	for _, need := range r.m.Needs {
		done, err := r.ledger.done(ctx, r.db, need)
		if err != nil {
			return nil, fmt.Errorf("cannot read the state of migration %q: %w", need, err)
		}
		if !done {
			s.Missing = append(s.Missing, need)
		}
	}
	return s, nil
}

func (r *Run) count() int {
	if r.m.Hook != nil {
		return 1
	}
	return len(r.m.Steps)
}

// same holds a row of the ledger against the document. What was begun only may
// have been mended since.
func (r *Run) same(found row) error {
	if found.step > int64(r.count()) {
		return fmt.Errorf("migration %q has no step %d any more, and the database has seen it as %q; put it back", r.m.Name, found.step, found.name)
	}
	want := r.ledger.row(found.step)
	if found.doneAt == "" || found.name == want.name && found.digest == want.digest {
		return nil
	}
	return fmt.Errorf("step %d of migration %q was done as %q with another statement than %q has now; put it back, and write a new migration for what is new",
		found.step, r.m.Name, found.name, want.name)
}

// Up does what is pending, one run at a time. Interrupted at any moment, the
// next one goes on. What it needs must be done: else nothing happens.
func (r *Run) Up(ctx context.Context) error {
	status, err := r.Status(ctx)
	switch {
	case err != nil:
		return err
	case len(status.Missing) > 0:
		return fmt.Errorf("migration %q needs %q, which is not done in this database", r.m.Name, status.Missing)
	}
	lock, err := locker(r.m, r.address)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectCustom, r.db, nil, goose.WithStore(r.ledger), goose.WithSessionLocker(lock),
		goose.WithGoMigrations(r.steps()...), goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return fmt.Errorf("cannot prepare migration %q: %w", r.m.Name, err)
	}
	if _, err := provider.Up(ctx); err != nil {
		if partial, ok := errors.AsType[*goose.PartialError](err); ok {
			return fmt.Errorf("cannot do step %q of migration %q: %w", r.ledger.row(partial.Failed.Source.Version).name, r.m.Name, explained(partial.Err))
		}
		return fmt.Errorf("cannot do migration %q: %w", r.m.Name, err)
	}
	if done, err := r.ledger.done(ctx, r.db, r.m.Name); err != nil || done {
		return err
	}
	return r.ledger.finish(ctx, r.db)
}

func (r *Run) steps() []*goose.Migration {
	out := make([]*goose.Migration, r.count())
	for i := range out {
		step, run := int64(i+1), &goose.GoFunc{}
		switch {
		case r.m.Hook != nil:
			run.RunDB = func(ctx context.Context, db *sql.DB) error { return r.hook(ctx, db) }
		case r.m.Steps[i].Batch != nil:
			run.RunDB = func(ctx context.Context, db *sql.DB) error { return r.batches(ctx, db, step) }
		case r.m.Steps[i].OutsideTransaction:
			run.RunDB = func(ctx context.Context, db *sql.DB) error { return r.outside(ctx, db, step) }
		default:
			run.RunTx = func(ctx context.Context, tx *sql.Tx) error { return r.inside(ctx, tx, step) }
		}
		out[i] = goose.NewGoMigration(step, run, nil)
	}
	return out
}
