package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
)

// owed are the cuts that etcd does not have yet.
type owed struct {
	wake chan struct{}
	// full is signalled after each full load.
	full chan struct{}

	mu   sync.Mutex
	cuts map[string]Cut // by key
}

func newOwed() *owed {
	return &owed{wake: make(chan struct{}, 1), full: make(chan struct{}, 1), cuts: map[string]Cut{}}
}

func (c Cut) key() string { return CutKey(c.Rollout, c.Node) }

func (o *owed) add(c Cut) {
	o.mu.Lock()
	o.cuts[c.key()] = c
	o.mu.Unlock()
	signal(o.wake)
}

func (o *owed) resynced() { signal(o.full) }

func (o *owed) next() (Cut, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.cuts {
		return c, true
	}
	return Cut{}, false
}

func (o *owed) paid(c Cut) {
	o.mu.Lock()
	defer o.mu.Unlock()
	// A newer value may have come while this one was put.
	if bytes.Equal(o.cuts[c.key()].Value, c.Value) {
		delete(o.cuts, c.key())
	}
}

func (o *owed) forget(rollout string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for key, c := range o.cuts {
		if c.Rollout == rollout {
			delete(o.cuts, key)
		}
	}
}

// Cut records that this node took a rollout's candidate to 0. Part tells the
// cuts of several candidates apart; empty where there is one. When Cut returns
// nil the fact is on disk; the store puts it in etcd at once or whenever etcd
// is back, without a lease or a condition, and again should etcd lose it,
// until Forget. Call it after the table was swapped. It waits for an fsync.
func (s *Store) Cut(rollout, part string, value []byte) error {
	c := Cut{Rollout: rollout, Node: s.opts.Node, Value: value}
	if part != "" {
		c.Node += "/" + part
	}
	// etcd hears of it even if the disk does not take it: half a promise is better than none.
	err := s.journal.append(c)
	s.owed.add(c)
	return err
}

// Cuts returns the cuts that this node journalled and did not forget, its
// former lives included, oldest first.
func (s *Store) Cuts() []Cut { return s.journal.all() }

// Forget drops the cuts and the fuse of a rollout that ended. The keys in etcd
// are the caller's to delete, with the transaction that ends the rollout. The
// disk copy is brought up to date first: a node that restarts without etcd must
// find the cut or the state that made it void, never neither.
func (s *Store) Forget(rollout string) error {
	if err := s.flush(); err != nil {
		return fmt.Errorf("cannot forget the cuts of rollout %q: %w", rollout, err)
	}
	err := s.journal.forget(rollout, nil)
	s.owed.forget(rollout)
	return errors.Join(err, s.disk.forgetFuse(rollout))
}

// runCuts puts what is owed until ctx ends.
func (s *Store) runCuts(ctx context.Context) {
	wait := pause{least: 100 * time.Millisecond, most: 2 * time.Second}
	var grace <-chan time.Time
	for ctx.Err() == nil {
		c, ok := s.owed.next()
		if ok {
			if err := s.putCut(ctx, c); err == nil {
				wait.reset()
			} else {
				s.log.Debug("cut not put yet", zap.String("rollout", c.Rollout), zap.Error(err))
				wait.sleep(ctx)
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-s.owed.wake:
		case <-s.owed.full:
			grace = time.After(s.opts.tuning.cutGrace)
		case <-grace:
			s.oweMissing()
		}
	}
}

// putCut puts one owed cut.
func (s *Store) putCut(ctx context.Context, c Cut) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.tuning.callTimeout)
	defer cancel()
	if _, err := s.client.Put(ctx, s.key(c.key()), string(c.Value)); err != nil {
		return err
	}
	s.log.Info("cut persisted", zap.String("rollout", c.Rollout), zap.String("node", c.Node))
	s.owed.paid(c)
	return nil
}

// oweMissing owes the journalled cuts that a full load did not bring: etcd was
// wiped or restored. A cut deleted while etcd was up is not put back, for its
// rollout has ended; one that ended while this node was away is forgotten by
// the consumer, who gets cutGrace for it.
func (s *Store) oweMissing() {
	for _, c := range s.journal.all() {
		if s.mirror.has(c.key()) {
			continue
		}
		s.owed.add(c)
		// Forget takes from the journal first: one that ran meanwhile shows here.
		if !s.journal.has(c) {
			s.owed.forget(c.Rollout)
		}
	}
}
