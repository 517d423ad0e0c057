package migrate

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/configs"
)

// story is a move from one column to another, in the three phases.
const story = `kind: Migration
name: expand
application: shop
engine: sqlite
phase: expand
steps:
  - {name: add, sql: ALTER TABLE users ADD COLUMN email_new TEXT}
  - {name: log, sql: INSERT INTO log VALUES ('expanded')}
---
kind: Migration
name: fill
application: shop
engine: sqlite
phase: migrate
needs: [expand]
steps:
  - name: fill
    sql: UPDATE users SET email_new = email WHERE id IN (SELECT id FROM users WHERE email_new IS NULL LIMIT {size})
    batch: {size: 10, pause: 1ms}
---
kind: Migration
name: contract
application: shop
engine: sqlite
phase: contract
needs: [fill]
breaks: [v1]
steps:
  - {name: drop, sql: ALTER TABLE users DROP COLUMN email}
  - {name: log, sql: INSERT INTO log VALUES ('contracted')}
`

// users makes one with 95 users, and returns its URL.
func users(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shop %41.db") // a name that a URL would read otherwise
	db, err := openFile(path, "rwc", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		"CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT)",
		"CREATE TABLE log (text TEXT)",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 95) INSERT INTO users SELECT i, 'u' || i FROM n",
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	return "sqlite:" + path
}

func documents(t *testing.T, text string) []*configs.Migration {
	t.Helper()
	decoded, err := configs.Decode("story.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var out []*configs.Migration
	for _, d := range decoded {
		out = append(out, d.Migration)
	}
	return out
}

// up carries out one migration, telling watch what happens.
func up(ctx context.Context, t *testing.T, m *configs.Migration, address string, watch func(string)) (*Status, error) {
	t.Helper()
	run, err := Open(m, address, "tester", watch)
	if err != nil {
		t.Fatal(err)
	}
	defer run.Close()
	failed := run.Up(ctx)
	status, err := run.Status(t.Context())
	return status, errors.Join(failed, err)
}

func quiet(string) {}

// one reads a number.
func one(t *testing.T, address, query string) int {
	t.Helper()
	db, err := openFile(strings.TrimPrefix(address, "sqlite:"), "rw", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var n int
	if err := db.QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestUp_DoesEachStepOnce(t *testing.T) {
	address := users(t)
	for range 2 {
		for _, m := range documents(t, story) {
			status, err := up(t.Context(), t, m, address, quiet)
			if err != nil || !status.Done {
				t.Fatalf("%s: %+v, %v", m.Name, status, err)
			}
			if m.Name == "fill" && status.Steps[0].Rows != 95 {
				t.Errorf("the fill says that it changed %d rows, want 95", status.Steps[0].Rows)
			}
			if m.Name == "expand" && (status.Steps[0].DoneBy != "tester" || status.Steps[0].DoneAt == "") {
				t.Errorf("nobody has done it: %+v", status.Steps[0])
			}
		}
	}
	if n := one(t, address, "SELECT count(*) FROM log"); n != 2 {
		t.Errorf("the log has %d lines, want one of each phase", n)
	}
	if n := one(t, address, "SELECT count(*) FROM users WHERE email_new = 'u' || id"); n != 95 {
		t.Errorf("%d users were filled, want 95", n)
	}
}

// TestUp_GoesOnWhereItWasInterrupted ends the run at each thing it tells, and
// runs it again until that is the end.
func TestUp_GoesOnWhereItWasInterrupted(t *testing.T) {
	address := users(t)
	interrupted := 0
	for i := range 3 {
		for stop := 1; ; stop++ {
			ctx, cancel := context.WithCancel(t.Context())
			told := 0
			status, err := up(ctx, t, documents(t, story)[i], address, func(string) {
				if told++; told == stop {
					cancel()
				}
			})
			cancel()
			if err == nil {
				if !status.Done {
					t.Fatalf("not done, without an error: %+v", status)
				}
				break
			}
			if interrupted++; interrupted > 100 || !errors.Is(err, context.Canceled) && !strings.Contains(err.Error(), "interrupted") {
				t.Fatalf("interrupted %d times: %v", interrupted, err)
			}
		}
	}
	if interrupted < 4 {
		t.Errorf("it was interrupted %d times only", interrupted)
	}
	if n := one(t, address, "SELECT count(*) FROM log"); n != 2 {
		t.Errorf("the log has %d lines, want one of each phase", n)
	}
	if n := one(t, address, "SELECT count(*) FROM users WHERE email_new = 'u' || id"); n != 95 {
		t.Errorf("%d users were filled, want 95", n)
	}
}

func TestUp_NeedsWhatIsNotDone(t *testing.T) {
	address := users(t)
	fill := documents(t, story)[1]
	status, err := up(t.Context(), t, fill, address, quiet)
	if err == nil || !strings.Contains(err.Error(), `"expand"`) || len(status.Missing) != 1 {
		t.Errorf("%+v, %v", status, err)
	}
	if n := one(t, address, "SELECT count(*) FROM sqlite_master WHERE name = '"+table+"'"); n != 0 {
		t.Error("a run that was refused has made the ledger")
	}
}

func TestUp_RefusesAStepThatWasDoneAndChanged(t *testing.T) {
	address := users(t)
	if _, err := up(t.Context(), t, documents(t, story)[0], address, quiet); err != nil {
		t.Fatal(err)
	}
	f := func(want string, change func(*configs.Migration)) {
		t.Helper()
		m := documents(t, story)[0]
		change(m)
		if _, err := up(t.Context(), t, m, address, quiet); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	f("another statement", func(m *configs.Migration) { m.Steps[0].SQL = "ALTER TABLE users ADD COLUMN other TEXT" })
	f("another statement", func(m *configs.Migration) { m.Steps[0], m.Steps[1] = m.Steps[1], m.Steps[0] })
	f("no step 2", func(m *configs.Migration) { m.Steps = m.Steps[:1] })
	longer := documents(t, story)[0]
	longer.Steps = append(longer.Steps, configs.MigrationStep{Name: "more", SQL: "INSERT INTO log VALUES ('more')"})
	if status, err := up(t.Context(), t, longer, address, quiet); err != nil || !status.Done || one(t, address, "SELECT count(*) FROM log") != 2 {
		t.Errorf("a step at the end was not done: %+v, %v", status, err)
	}
}

func TestUp_LeavesNothingOfAStepThatFails(t *testing.T) {
	address := users(t)
	m := documents(t, story)[0]
	m.Steps[1].SQL = "INSERT INTO log SELECT 'half' FROM users; INSERT INTO nowhere VALUES (1)"
	status, err := up(t.Context(), t, m, address, quiet)
	if err == nil || !strings.Contains(err.Error(), `step "log"`) || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("the error is %v", err)
	}
	if status.Steps[0].State != Done || status.Steps[1].State != Pending || status.Done {
		t.Errorf("%+v", status)
	}
	if n := one(t, address, "SELECT count(*) FROM log"); n != 0 {
		t.Errorf("%d lines are left of it", n)
	}
}

func TestUp_OneRunAtATime(t *testing.T) {
	address := users(t)
	m := documents(t, story)[1]
	m.Needs = nil
	m.Steps[0].SQL = "UPDATE users SET email = email || 'x' WHERE id IN (SELECT id FROM users WHERE length(email) < 10 LIMIT {size})"
	second := documents(t, story)[0]
	second.LockTimeout, second.StatementTimeout = configs.Duration(1e6), configs.Duration(1e6)
	tried := false
	_, err := up(t.Context(), t, m, address, func(string) {
		if tried {
			return
		}
		tried = true
		if _, err := up(t.Context(), t, second, address, quiet); !errors.Is(err, ErrLocked) {
			t.Errorf("a second run beside the first: %v, want %v", err, ErrLocked)
		}
	})
	if err != nil || !tried {
		t.Errorf("tried %t, %v", tried, err)
	}
}

func TestUp_UnlessSkipsAndAtMostEnds(t *testing.T) {
	address := users(t)
	m := documents(t, story)[0]
	m.Steps[0].Unless = "SELECT count(*) FROM users"
	m.Steps[1].Unless = "SELECT text FROM log"
	if status, err := up(t.Context(), t, m, address, quiet); err != nil || !status.Done {
		t.Fatalf("%+v, %v", status, err)
	}
	if n := one(t, address, "SELECT count(*) FROM pragma_table_info('users') WHERE name = 'email_new'"); n != 0 {
		t.Error("the step that its unless calls done was done")
	}
	if n := one(t, address, "SELECT count(*) FROM log"); n != 1 {
		t.Errorf("the log has %d lines, want 1", n)
	}
	endless := documents(t, story)[1]
	endless.Steps[0].SQL = "UPDATE users SET email = email WHERE id <= {size}"
	endless.Steps[0].Batch.AtMost = 50
	if _, err := up(t.Context(), t, endless, address, quiet); err == nil || !strings.Contains(err.Error(), "at_most") {
		t.Errorf("a fill without an end: %v", err)
	}
}

func TestUp_HookRunsOnceAndIsNotGivenThePassword(t *testing.T) {
	address := users(t)
	t.Setenv("WEIR_DATABASE", address)
	out := filepath.Join(t.TempDir(), "ran")
	hook := func(script string) *configs.Migration {
		return &configs.Migration{Name: "hook", Application: "shop", Engine: "sqlite", Phase: "expand",
			Hook: &configs.MigrationHook{Command: []string{"sh", "-c", script}}}
	}
	if _, err := up(t.Context(), t, hook("exit 3"), address, quiet); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("a command that failed: %v", err)
	}
	script := fmt.Sprintf(`test -z "$WEIR_DATABASE" && mkdir '%s'`, out) // mkdir fails the second time
	for range 2 {
		if status, err := up(t.Context(), t, hook(script), address, quiet); err != nil || !status.Done {
			t.Fatalf("%+v, %v", status, err)
		}
	}
}

func TestOpen_NeverShowsThePassword(t *testing.T) {
	m := documents(t, story)[0]
	for _, engine := range []string{"sqlite", "postgres", "mysql"} {
		m.Engine = engine
		for _, address := range []string{
			"postgres://u:hunter2@%%/x", "mysql://u:hunter2@[/x", "mysql://u:hunter2@h", "mysql://u:hunter2@h/x?timeout=hunter2",
			"u:hunter2@tcp(h)/x", "sqlite:hunter2?x", "postgres://u:hunter2@h:port/x", "",
		} {
			run, err := Open(m, address, "tester", quiet)
			if err == nil {
				t.Errorf("%s: %q is taken", engine, address)
				run.Close()
				continue
			}
			if !errors.Is(err, ErrURL) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %q: %v", engine, address, err)
			}
		}
	}
}
