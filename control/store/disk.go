package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	copyKind = "weir-state"
	fuseKind = "weir-fuse"

	fuseSuffix = ".fuse"
)

// diskCopy is the payload of the disk copy: what a node needs to serve with etcd gone.
type diskCopy struct {
	Prefix   string    `json:"prefix"`
	Revision int64     `json:"revision"`
	Cluster  uint64    `json:"cluster,omitempty"` // the etcd that it came from; 0: unknown
	SavedAt  time.Time `json:"saved_at"`
	KVs      []KV      `json:"kvs"`
}

// disk is what waits to be written. Who changes something never waits for the
// disk, and a burst of changes is one write.
type disk struct {
	copyPath string
	fuseDir  string
	wake     chan struct{}

	mu struct {
		sync.Mutex
		// stale is true if the copy differs from the mirror.
		stale bool
		// previous asks that the copy as it is be kept beside the next one.
		previous bool
		// fuses are the states to write, by rollout.
		fuses map[string][]byte
	}

	// writing is held while files are written, so that a forgotten fuse is not written after its removal.
	writing sync.Mutex
}

func newDisk(copyPath, fuseDir string) *disk {
	d := &disk{copyPath: copyPath, fuseDir: fuseDir, wake: make(chan struct{}, 1)}
	d.mu.fuses = map[string][]byte{}
	return d
}

// changed notes that u changed the state, if the copy holds any of it.
func (d *disk) changed(u Update) {
	matters := slices.ContainsFunc(u.Puts, func(kv KV) bool { return cached(kv.Key) }) ||
		slices.ContainsFunc(u.Deletes, cached)
	if u.Source == SourceDisk || !u.Full && !matters {
		return
	}
	d.mu.Lock()
	d.mu.stale = true
	d.mu.Unlock()
	signal(d.wake)
}

// keepPrevious keeps the copy of a state that etcd lost: it may be the only one.
func (d *disk) keepPrevious() {
	d.mu.Lock()
	d.mu.previous = true
	d.mu.Unlock()
}

// runDisk writes what waits, at most once in diskEvery, until ctx ends. Close writes the rest.
func (s *Store) runDisk(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.disk.wake:
		}
		if err := s.flush(); err != nil {
			// What was not written still waits; the next change tries again.
			s.log.Error("state not written to disk", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(s.opts.tuning.diskEvery):
		}
	}
}

// flush writes what waits now.
func (s *Store) flush() error {
	s.disk.writing.Lock()
	defer s.disk.writing.Unlock()
	return errors.Join(s.flushCopy(), s.disk.flushFuses())
}

func (s *Store) flushCopy() error {
	d := s.disk
	d.mu.Lock()
	stale, previous := d.mu.stale, d.mu.previous
	d.mu.stale, d.mu.previous = false, false
	d.mu.Unlock()
	if !stale {
		return nil
	}
	if previous {
		if err := os.Rename(d.copyPath, d.copyPath+".previous"); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.log.Error("disk copy of the lost state not kept", zap.Error(err))
		}
	}
	kvs, revision, cluster := s.mirror.toCache()
	err := writeCopy(d.copyPath, diskCopy{s.opts.Prefix, revision, cluster, time.Now().UTC(), kvs})
	if err != nil {
		d.mu.Lock()
		d.mu.stale = true
		d.mu.Unlock()
	}
	return err
}

func writeCopy(path string, c diskCopy) error {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(c); err != nil {
		return fmt.Errorf("cannot encode disk copy %q: %w", path, err)
	}
	return writeFile(path, seal(copyKind, b.Bytes()))
}

// readCopy returns the disk copy at path, or an error that wraps os.ErrNotExist or ErrDamaged.
func readCopy(path, prefix string) (diskCopy, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return diskCopy{}, fmt.Errorf("cannot read disk copy: %w", err)
	}
	c, err := parseCopy(b)
	if err != nil {
		return diskCopy{}, fmt.Errorf("cannot read disk copy %q: %w", path, err)
	}
	if c.Prefix != prefix {
		return diskCopy{}, fmt.Errorf("cannot use disk copy %q: it is of the state under %q, this node's is under %q", path, c.Prefix, prefix)
	}
	return c, nil
}

func parseCopy(b []byte) (diskCopy, error) {
	payload, err := unseal(copyKind, b)
	if err != nil {
		return diskCopy{}, err
	}
	var c diskCopy
	if err := json.Unmarshal(payload, &c); err != nil {
		return diskCopy{}, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	return c, nil
}

// serveCopy delivers the disk copy. A damaged one is set aside; without one
// there is nothing to serve, and the node waits for etcd.
func (s *Store) serveCopy(ctx context.Context) {
	c, err := readCopy(s.opts.Cache, s.opts.Prefix)
	switch {
	case err == nil:
		s.log.Warn("serving the state from disk: etcd cannot be reached",
			zap.String("file", s.opts.Cache), zap.Time("saved_at", c.SavedAt), zap.Int64("revision", c.Revision))
		// Its only error is the end of ctx, which the caller sees too.
		_ = s.deliver(ctx, Update{Full: true, Revision: c.Revision, Puts: c.KVs, Source: SourceDisk, cluster: c.Cluster}, time.Now())
	case errors.Is(err, os.ErrNotExist):
	case errors.Is(err, ErrDamaged):
		aside, aerr := setAside(s.opts.Cache)
		s.log.Error("disk copy is damaged: nothing to serve until etcd is back",
			zap.Error(errors.Join(err, aerr)), zap.String("set_aside", aside))
	default:
		s.log.Error("disk copy cannot be used: nothing to serve until etcd is back", zap.Error(err))
	}
}

// SaveFuse keeps the judge's state of this node for a rollout. It returns at
// once; the latest state is on disk within a second or so, and at Close. After
// a crash LoadFuse may return a state that is that much older. The store keeps state.
func (s *Store) SaveFuse(rollout string, state []byte) {
	s.disk.mu.Lock()
	s.disk.mu.fuses[rollout] = state
	s.disk.mu.Unlock()
	signal(s.disk.wake)
}

// LoadFuse returns what SaveFuse kept, also across restarts; ok is false if
// there is nothing. A file that is not what was written is an error that wraps
// ErrDamaged: the node then has no fuse for this rollout.
func (s *Store) LoadFuse(rollout string) (state []byte, ok bool, err error) {
	s.disk.writing.Lock()
	defer s.disk.writing.Unlock()
	s.disk.mu.Lock()
	state, ok = s.disk.mu.fuses[rollout]
	s.disk.mu.Unlock()
	if ok {
		return state, true, nil
	}
	b, err := os.ReadFile(s.disk.fusePath(rollout))
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	if err == nil {
		state, err = unseal(fuseKind, b)
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot load fuse of rollout %q: %w", rollout, err)
	}
	return state, true, nil
}

// Fuses are the rollouts that SaveFuse kept a state of on disk, of whichever life
// of this node.
func (s *Store) Fuses() ([]string, error) {
	entries, err := os.ReadDir(s.disk.fuseDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("cannot list the fuses: %w", err)
	}
	var rollouts []string
	for _, e := range entries {
		name, is := strings.CutSuffix(e.Name(), fuseSuffix)
		if rollout, err := url.PathUnescape(name); is && err == nil {
			rollouts = append(rollouts, rollout)
		}
	}
	return rollouts, nil
}

func (d *disk) flushFuses() error {
	d.mu.Lock()
	fuses := d.mu.fuses
	d.mu.fuses = map[string][]byte{}
	d.mu.Unlock()
	var errs []error
	for rollout, state := range fuses {
		err := makePrivateDir(d.fuseDir)
		if err == nil {
			err = writeFile(d.fusePath(rollout), seal(fuseKind, state))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot save fuse of rollout %q: %w", rollout, err))
			d.again(rollout, state)
		}
	}
	return errors.Join(errs...)
}

// again puts back a fuse that was not written, unless a newer state came meanwhile.
func (d *disk) again(rollout string, state []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, newer := d.mu.fuses[rollout]; !newer {
		d.mu.fuses[rollout] = state
	}
}

// forgetFuse removes the fuse of a rollout that ended.
func (d *disk) forgetFuse(rollout string) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	d.mu.Lock()
	delete(d.mu.fuses, rollout)
	d.mu.Unlock()
	if err := removeIfThere(d.fusePath(rollout)); err != nil {
		return fmt.Errorf("cannot forget fuse of rollout %q: %w", rollout, err)
	}
	return nil
}

// fusePath escapes rollout: a name from the state must not choose a directory.
func (d *disk) fusePath(rollout string) string {
	return filepath.Join(d.fuseDir, url.PathEscape(rollout)+fuseSuffix)
}

// signal wakes the reader of c, which has room for one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
