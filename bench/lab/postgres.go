package lab

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Postgres is a real PostgreSQL in processes of its own. Close it.
type Postgres struct {
	*Process
	URL string // of an empty database, for whoever comes from loopback

	dir string
}

// Postgres makes a database and starts its server. Debian's package postgresql, or
// another one with initdb in the path, must be installed. The server will not run
// as root, so another user has it then.
func (l *Lab) Postgres() (_ *Postgres, err error) {
	initdb, err := postgresProgram("initdb")
	if err != nil {
		return nil, err
	}
	server, err := postgresProgram("postgres")
	if err != nil {
		return nil, err
	}
	address, err := l.Address()
	if err != nil {
		return nil, err
	}
	port := address[len("127.0.0.1:"):]
	p := &Postgres{URL: "postgres://weir@" + address + "/postgres?sslmode=disable"}
	if p.dir, err = os.MkdirTemp("", "weir-postgres-"); err != nil {
		return nil, fmt.Errorf("cannot make a folder for PostgreSQL: %w", err)
	}
	as, err := notRoot(p.dir)
	if err != nil {
		return nil, err
	}
	make := append(as, initdb, "-D", filepath.Join(p.dir, "data"), "-A", "trust", "-U", "weir", "-E", "UTF8", "--no-sync")
	if out, err := exec.Command(make[0], make[1:]...).CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot make a database: %w\n%s", err, out), p.remove())
	}
	run := append(as, server, "-D", filepath.Join(p.dir, "data"), "-h", "127.0.0.1", "-p", port, "-k", p.dir)
	if p.Process, err = l.start("postgres", run[0], run[1:]...); err != nil {
		return nil, errors.Join(err, p.remove())
	}
	db, err := p.Open()
	if err != nil {
		return nil, err
	}
	defer db.Close()
	return p, p.awaitReady(30*time.Second, func() bool { return db.Ping() == nil })
}

// Open connects to the database.
func (p *Postgres) Open() (*sql.DB, error) { return sql.Open("pgx", p.URL) }

// Close kills the server and removes its files.
func (p *Postgres) Close() error {
	p.Kill()
	return p.remove()
}

func (p *Postgres) remove() error { return os.RemoveAll(p.dir) }

// postgresProgram finds a program of the newest PostgreSQL; Debian keeps them out
// of the path.
func postgresProgram(name string) (string, error) {
	if found, err := exec.LookPath(name); err == nil {
		return found, nil
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err != nil || len(found) == 0 {
		return "", errors.New("PostgreSQL is not installed; on Debian: apt-get install postgresql")
	}
	return found[len(found)-1], nil
}

// notRoot is what to put before a command so that it runs in dir as somebody who
// is not root. Dir is theirs afterwards.
func notRoot(dir string) ([]string, error) {
	as := []string{"env", "-C", dir}
	if os.Geteuid() != 0 {
		return as, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("cannot find a user for PostgreSQL: %w", err)
		}
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return nil, err
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		return nil, err
	}
	return append(as, "setpriv", "--reuid="+u.Uid, "--regid="+u.Gid, "--clear-groups"), nil
}
