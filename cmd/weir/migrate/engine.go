// Package migrate carries out Migration documents on PostgreSQL, MySQL and
// SQLite. It is for the machine that has the database's credentials: neither a
// node nor the control API ever sees them.
package migrate

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"

	"github.com/weirproxy/weir/configs"
)

// ErrURL says that the address of a database makes no sense. Its text never
// holds the address, which may hold a password.
var ErrURL = errors.New("cannot read the database's URL")

// open connects lazily. Two connections are enough: one holds the lock, one
// works outside of transactions.
func open(m *configs.Migration, address string) (*sql.DB, error) {
	scheme, _, _ := strings.Cut(address, ":")
	engine := map[string]string{
		"postgres": configs.EnginePostgres, "postgresql": configs.EnginePostgres,
		"mysql": configs.EngineMySQL, "sqlite": configs.EngineSQLite,
	}[scheme]
	switch {
	case engine == "":
		return nil, fmt.Errorf("%w: begin it with sqlite:, mysql:// or postgres://", ErrURL)
	case engine != m.Engine:
		return nil, fmt.Errorf("%w: it is of %s, and migration %q is for %s", ErrURL, engine, m.Name, m.Engine)
	}
	var db *sql.DB
	var err error
	switch engine {
	case configs.EnginePostgres:
		db, err = openPostgres(m, address)
	case configs.EngineMySQL:
		db, err = openMySQL(m, address)
	default:
		db, err = openSQLite(m, address)
	}
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(3)
	return db, nil
}

func openPostgres(m *configs.Migration, address string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, fmt.Errorf("%w: write postgres://user:password@host:5432/name, with special characters percent-encoded", ErrURL)
	}
	config.RuntimeParams["application_name"] = cmp.Or(config.RuntimeParams["application_name"], "weir migrate")
	config.RuntimeParams["lock_timeout"] = milliseconds(m.LockTimeout.Std())
	config.RuntimeParams["statement_timeout"] = milliseconds(m.StatementTimeout.Std())
	// A client that just goes away leaves its statement running.
	config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
		return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: 5 * time.Second}
	}
	return stdlib.OpenDB(*config), nil
}

func openMySQL(m *configs.Migration, address string) (*sql.DB, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || len(u.Path) < 2 {
		return nil, fmt.Errorf("%w: write mysql://user:password@host:3306/name, with special characters percent-encoded", ErrURL)
	}
	config, err := mysql.ParseDSN("/?" + u.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: its parameters are not those of github.com/go-sql-driver/mysql", ErrURL)
	}
	password, _ := u.User.Password()
	config.User, config.Passwd = u.User.Username(), password
	config.Net, config.Addr = "tcp", u.Host
	if u.Port() == "" {
		config.Addr += ":3306"
	}
	config.DBName = u.Path[1:]
	config.ClientFoundRows = false // a batch ends when no row changes, not when none is found
	if config.Params == nil {
		config.Params = map[string]string{}
	}
	wait := strconv.Itoa(max(1, int(math.Ceil(m.LockTimeout.Std().Seconds()))))
	config.Params["lock_wait_timeout"] = wait
	config.Params["innodb_lock_wait_timeout"] = wait
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return nil, fmt.Errorf("%w: its parameters contradict each other", ErrURL)
	}
	return sql.OpenDB(connector), nil
}

// openSQLite opens the file of sqlite:PATH or sqlite:///PATH. It must exist: a
// misspelt path would else be a new and empty database.
func openSQLite(m *configs.Migration, address string) (*sql.DB, error) {
	path, err := sqlitePath(address)
	if err != nil {
		return nil, err
	}
	return openFile(path, "rw", m.LockTimeout.Std())
}

func sqlitePath(address string) (string, error) {
	path := strings.TrimPrefix(strings.TrimPrefix(address, "sqlite:"), "//")
	if path == "" || strings.ContainsAny(path, "?#") {
		return "", fmt.Errorf("%w: write sqlite:PATH", ErrURL)
	}
	return path, nil
}

// busy reports whether SQLite waited for a lock in vain.
func busy(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && e.Code()&0xff == 5 // SQLITE_BUSY and its kin
}

func openFile(path, mode string, wait time.Duration) (*sql.DB, error) {
	query := url.Values{"mode": {mode}, "_txlock": {"immediate"}, "_pragma": {"busy_timeout(" + milliseconds(wait) + ")"}}
	return sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+query.Encode())
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(max(1, d.Milliseconds()), 10) }

// rebound writes the places of arguments as the engine does.
func rebound(engine, query string) string {
	if engine != configs.EnginePostgres {
		return query
	}
	parts := strings.Split(query, "?")
	var b strings.Builder
	for i, part := range parts {
		if i > 0 {
			b.WriteString("$" + strconv.Itoa(i))
		}
		b.WriteString(part)
	}
	return b.String()
}

// kill ends what a connection of MySQL does: one that its client has left goes on.
func kill(db *sql.DB, connection int64) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	// An error says that it has ended already, or that the server is gone.
	_, _ = db.ExecContext(ctx, "KILL "+strconv.FormatInt(connection, 10))
}
