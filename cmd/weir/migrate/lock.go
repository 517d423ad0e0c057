package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/pressly/goose/v3/lock"

	"github.com/weirproxy/weir/configs"
)

// ErrLocked says that somebody else migrates the same database.
var ErrLocked = errors.New("another `weir migrate up` is at work on this database")

// mostWait bounds how long a run waits for another one to end.
const mostWait = 10 * time.Minute

// locker makes the lock that one run at a time has of a database. All end with
// the process that holds them. What a killed run had begun on the server holds
// its lock until it ends too, so wait is longer than a statement may take.
func locker(m *configs.Migration, address string) (lock.SessionLocker, error) {
	wait := min(m.LockTimeout.Std()+m.StatementTimeout.Std(), mostWait)
	switch m.Engine {
	case configs.EnginePostgres:
		l, err := lock.NewPostgresSessionLocker(lock.WithLockID(lockID), lock.WithLockTimeout(1, uint64(wait.Seconds())+1))
		return postgresLock{l}, err
	case configs.EngineMySQL:
		return mysqlLock{wait}, nil
	}
	path, err := sqlitePath(address)
	return &sqliteLock{path: path, wait: wait}, err
}

// lockID is "weir" in ASCII.
const lockID = 0x77656972

// postgresLock is an advisory lock of the session.
type postgresLock struct{ lock.SessionLocker }

func (l postgresLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	if err := l.SessionLocker.SessionLock(ctx, conn); err != nil {
		if ctx.Err() == nil && conn.PingContext(ctx) == nil {
			return ErrLocked
		}
		return err
	}
	return nil
}

// mysqlLock is a named lock of the session.
type mysqlLock struct{ wait time.Duration }

func (l mysqlLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	var got sql.NullInt64
	err := conn.QueryRowContext(ctx, "SELECT GET_LOCK(CONCAT('weir ', LEFT(SHA2(DATABASE(), 256), 40)), ?)", int(l.wait.Seconds())+1).Scan(&got)
	if err == nil && got.Int64 != 1 {
		return ErrLocked
	}
	return err
}

func (l mysqlLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "DO RELEASE_LOCK(CONCAT('weir ', LEFT(SHA2(DATABASE(), 256), 40)))")
	return err
}

// sqliteLock is the lock of a second, empty database beside the first: one on
// the first would keep the application out.
type sqliteLock struct {
	path string
	wait time.Duration

	db *sql.DB
	tx *sql.Tx
}

func (l *sqliteLock) SessionLock(ctx context.Context, _ *sql.Conn) error {
	db, err := openFile(l.path+".weir-lock", "rwc", l.wait)
	if err != nil {
		return fmt.Errorf("cannot lock %q: %w", l.path, err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		db.Close()
		if busy(err) {
			return ErrLocked
		}
		return fmt.Errorf("cannot lock %q: %w", l.path, err)
	}
	l.db, l.tx = db, tx
	return nil
}

func (l *sqliteLock) SessionUnlock(context.Context, *sql.Conn) error {
	return errors.Join(l.tx.Rollback(), l.db.Close())
}
