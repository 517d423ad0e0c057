package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Store is a node's connection to the shared state, and its files.
//
// All methods are safe for concurrent use. Open it, Run it, Close it; reads,
// Commit, Cut and the fuses also work before Run.
type Store struct {
	opts Options
	log  *zap.Logger

	// client is nil if the embedded etcd did not open: read-only.
	client   *clientv3.Client
	embedded *embedded
	lock     *os.File

	updates chan Update
	mirror  *mirror
	session *session
	journal *journal // of cuts
	kills   *journal
	owed    *owed
	disk    *disk
	fenced  atomic.Uint64 // writes as a leader that etcd refused

	closing sync.Once
}

// Open locks the node's directory, reads its journal and opens etcd: the
// embedded one is ready when Open returns, of an external one nothing is
// asked yet. The caller must Close the store.
//
// If the embedded etcd does not open and there is a copy of the state, Open
// succeeds and the store is read-only; if another process has the directory, it fails with ErrLocked.
func Open(ctx context.Context, opts Options, log *zap.Logger) (*Store, error) {
	if err := opts.fill(); err != nil {
		return nil, err
	}
	if err := makePrivateDir(opts.Dir); err != nil {
		return nil, err
	}
	lock, err := lockDir(opts.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		opts:    opts,
		log:     log.Named("store"),
		lock:    lock,
		updates: make(chan Update, 16),
		mirror:  newMirror(),
		session: newSession(),
		disk:    newDisk(opts.Cache, filepath.Join(opts.Dir, "fuses")),
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context) error {
	var err error
	if s.journal, err = s.openJournal("cuts.journal", "cut of rollout"); err != nil {
		return err
	}
	if s.kills, err = s.openJournal("kills.journal", "kill of flag"); err != nil {
		return err
	}
	s.owed = newOwed()

	if s.opts.External != nil {
		s.client, err = dial(*s.opts.External, s.log)
		return err
	}
	s.embedded, err = startEmbedded(ctx, *s.opts.Embedded, s.opts.tuning, s.log)
	if err == nil {
		s.client = s.embedded.client
		return s.settleEmbedded(ctx)
	}
	if errors.Is(err, ErrLocked) {
		return err
	}
	if _, cerr := readCopy(s.opts.Cache, s.opts.Prefix); cerr != nil {
		return errors.Join(err, cerr)
	}
	s.log.Error("embedded etcd did not open: serving the last copy, read-only", zap.Error(err))
	s.mirror.fail(err)
	return nil
}

func (s *Store) openJournal(name, what string) (*journal, error) {
	j, aside, err := openJournal(filepath.Join(s.opts.Dir, name), what)
	if err == nil && aside != "" {
		s.log.Error("journal was damaged; what could be read is kept", zap.String("original", aside))
	}
	return j, err
}

// settleEmbedded clears what the last life of this process left in etcd: a full
// quota's alarm, and its leadership. An embedded etcd has no other node, so
// nobody need wait for that lease to run out.
func (s *Store) settleEmbedded(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.tuning.callTimeout)
	defer cancel()
	if err := clearSpaceAlarm(ctx, s.client); err != nil {
		return err
	}
	if _, err := s.client.Delete(ctx, s.key(LeaderKey)); err != nil {
		return fmt.Errorf("cannot drop the old leader key: %w", err)
	}
	return nil
}

// Run follows etcd, keeps the lease, puts journalled cuts and writes the disk
// copy until ctx ends, and then returns nil: nothing that etcd does ends it.
// It gives the lease up on the way out, so that the node is gone at once.
// Call it once.
func (s *Store) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.runDisk(ctx) })
	if s.client == nil {
		s.serveCopy(ctx)
	} else {
		wg.Go(func() { s.runSession(ctx) })
		wg.Go(func() { s.runCuts(ctx) })
		s.follow(ctx)
	}
	<-ctx.Done()
	wg.Wait()
	close(s.updates)
	return nil
}

// Close releases etcd, the files and the directory. Call it after Run returned.
// Closing twice is fine.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() {
		switch {
		case s.embedded != nil:
			err = s.embedded.close()
		case s.client != nil:
			err = s.client.Close()
		}
		for _, j := range []*journal{s.journal, s.kills} {
			if j == nil {
				continue
			}
			err = errors.Join(err, j.close())
		}
		err = errors.Join(err, s.flush(), s.lock.Close())
	})
	return err
}

// Updates delivers the state and then every change of it, in the order of its
// revisions, to exactly one consumer. A slow consumer loses nothing: the store
// waits for it. The channel is closed when Run ends.
func (s *Store) Updates() <-chan Update { return s.updates }

// Status is the state of the connection. It is cheap: one short lock.
func (s *Store) Status() Status {
	st := s.mirror.status(time.Now())
	st.ReadOnly, st.Fenced = s.client == nil, s.fenced.Load()
	if s.embedded != nil && st.Err == nil {
		// A server that died of its disk answers nothing; this is its reason.
		st.Err = s.embedded.failure()
	}
	return st
}

// Get reads key from etcd, not from memory: it sees every write committed before.
// ok is false if there is none. It fails with ErrUnavailable or ErrReadOnly.
func (s *Store) Get(ctx context.Context, key string) (kv KV, ok bool, err error) {
	kvs, _, err := s.read(ctx, key)
	if err != nil || len(kvs) == 0 {
		return KV{}, false, err
	}
	return kvs[0], true, nil
}

// List reads every key that begins with prefix, in order of the keys, and the
// revision at which they were so. An empty prefix reads everything.
func (s *Store) List(ctx context.Context, prefix string) (kvs []KV, revision int64, err error) {
	return s.read(ctx, prefix, clientv3.WithPrefix())
}

func (s *Store) read(ctx context.Context, key string, opts ...clientv3.OpOption) ([]KV, int64, error) {
	if s.client == nil {
		return nil, 0, fmt.Errorf("cannot read %q: %w", key, ErrReadOnly)
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.tuning.callTimeout)
	defer cancel()
	resp, err := s.client.Get(ctx, s.key(key), opts...)
	if err != nil {
		return nil, 0, fmt.Errorf("cannot read %q: %w", key, classify(err))
	}
	return s.relative(resp.Kvs), resp.Header.Revision, nil
}

// key returns the key as etcd has it.
func (s *Store) key(k string) string { return s.opts.Prefix + "/" + k }
