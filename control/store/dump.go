package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// dumpFormat is the version of Dump that this release writes and reads.
const dumpFormat = 1

// Dump is a whole state at one revision, as it goes from one etcd to another.
// It holds the keys of the sticky cookie: whoever has it can forge cookies.
//
// What lives under a lease is not part of it: nodes, tallies and the leader
// belong to the processes of the etcd that they are in.
type Dump struct {
	Format   int       `json:"weir_state"`
	At       time.Time `json:"at"`
	From     string    `json:"from"`     // the prefix
	Revision int64     `json:"revision"` // of the etcd that it comes from
	Keys     []DumpKey `json:"keys"`     // in the order of the keys
}

// DumpKey is one key with its value, which is JSON.
type DumpKey struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
}

// dumpOrder are the prefixes of what a Dump holds. Flags and services are imported
// last and with their states, so that what is routed is whole, and a killed flag comes
// killed.
var dumpOrder = [...]string{"keys/", Notifiers, Freezes, Kills, Releases, Deploys, Migrates, Rollouts, Evidences, Cuts, Outbox, Audit, Flags, Services, States}

func dumped(key string) bool {
	return slices.ContainsFunc(dumpOrder[:], func(p string) bool { return strings.HasPrefix(key, p) && len(key) > len(p) })
}

// Dump reads the whole state at one revision. While etcd has lost it, it is the
// one that this node serves.
func (s *Store) Dump(ctx context.Context) (Dump, error) {
	kvs, revision := s.mirror.all()
	if !s.mirror.isStranger() {
		var err error
		if kvs, revision, err = s.List(ctx, ""); err != nil {
			return Dump{}, err
		}
	}
	d := Dump{Format: dumpFormat, At: time.Now().UTC(), From: s.opts.Prefix, Revision: revision}
	for _, kv := range kvs {
		if !dumped(kv.Key) {
			continue
		}
		if !json.Valid(kv.Value) {
			return Dump{}, fmt.Errorf("cannot export %q: its value is not JSON", kv.Key)
		}
		d.Keys = append(d.Keys, DumpKey{kv.Key, kv.Value})
	}
	return d, nil
}

// Validate says all that is wrong with a dump that was read from a file.
func (d *Dump) Validate() error {
	if d.Format != dumpFormat {
		return fmt.Errorf("it has format %d, and this weir reads format %d", d.Format, dumpFormat)
	}
	var problems []error
	seen := make(map[string]bool, len(d.Keys))
	for i, k := range d.Keys {
		switch {
		case !dumped(k.Key):
			problems = append(problems, fmt.Errorf("keys[%d]: %q is no key of a state", i, k.Key))
		case seen[k.Key]:
			problems = append(problems, fmt.Errorf("keys[%d]: %q is there twice", i, k.Key))
		case len(k.Value) > maxTxnBytes:
			problems = append(problems, fmt.Errorf("keys[%d]: the value of %q is larger than etcd takes", i, k.Key))
		}
		seen[k.Key] = true
	}
	for _, k := range d.Keys {
		if name, ok := strings.CutPrefix(k.Key, States); ok && !seen[documentOf(name)] {
			problems = append(problems, fmt.Errorf("there is a state of %q, and no such service or flag", name))
		}
	}
	return errors.Join(problems...)
}

// Bounds of one transaction, below etcd's of 128 writes and 1.5 MiB.
const (
	maxTxnOps   = 100
	maxTxnBytes = 1 << 20
)

// Occupied returns a key that Restore would write over, empty if the state is
// as good as new: the cookie's keys and the audit trail of a new state are not
// missed by anybody.
func (s *Store) Occupied(ctx context.Context) (string, error) {
	for _, prefix := range []string{Services, States, Rollouts, Notifiers, Freezes, Flags, Releases, Deploys, Migrates, Outbox} {
		kvs, _, err := s.List(ctx, prefix)
		if err != nil {
			return "", err
		}
		if len(kvs) > 0 {
			return kvs[0].Key, nil
		}
	}
	return "", nil
}

// Restore writes a valid dump into the state, and what is in the state and not
// in the dump is deleted. It takes several transactions: a service comes, with
// its state, after all that it refers to. Cut short it is to be run again; it
// has the same effect as often as it is run.
//
// Into an etcd that lost the state the cookie's keys come last: they are what
// nodes know it by, and none must follow half of it.
func (s *Store) Restore(ctx context.Context, d Dump) (revision int64, err error) {
	present, _, err := s.List(ctx, "")
	if err != nil {
		return 0, err
	}
	wanted := make(map[string]bool, len(d.Keys))
	for _, k := range d.Keys {
		wanted[k.Key] = true
	}
	b := batch{store: s}
	order := dumpOrder[:len(dumpOrder)-1] // states come with their services
	lost := s.mirror.isStranger()
	if lost {
		order = append(slices.Clone(order[1:]), order[0])
		if err := b.drop(ctx, present, wanted); err != nil {
			return 0, err
		}
	}
	for _, together := range d.writes(order) {
		if err := b.add(ctx, together...); err != nil {
			return 0, err
		}
	}
	if !lost {
		if err := b.drop(ctx, present, wanted); err != nil {
			return 0, err
		}
	}
	if err := b.flush(ctx); err != nil {
		return 0, err
	}
	return b.revision, s.awaitRecognition(ctx)
}

// writes are what d comes to in the order of prefixes: each key, and a document with
// its state, which are to be in one transaction.
func (d *Dump) writes(order []string) [][]Op {
	states := make(map[string]DumpKey) // by the key of the document
	for _, k := range d.Keys {
		if name, ok := strings.CutPrefix(k.Key, States); ok {
			states[documentOf(name)] = k
		}
	}
	var all [][]Op
	for _, prefix := range order {
		for _, k := range d.Keys {
			if !strings.HasPrefix(k.Key, prefix) {
				continue
			}
			together := []Op{Put(k.Key, k.Value)}
			if state, ok := states[k.Key]; ok {
				together = append(together, Put(state.Key, state.Value))
			}
			all = append(all, together)
		}
	}
	return all
}

// batch gathers writes into transactions as large as etcd takes.
type batch struct {
	store    *Store
	ops      []Op
	bytes    int
	revision int64
}

// drop deletes what is present and not wanted.
func (b *batch) drop(ctx context.Context, present []KV, wanted map[string]bool) error {
	for _, kv := range present {
		if dumped(kv.Key) && !wanted[kv.Key] {
			if err := b.add(ctx, Delete(kv.Key)); err != nil {
				return err
			}
		}
	}
	return nil
}

// add puts ops into one transaction, together with others.
func (b *batch) add(ctx context.Context, ops ...Op) error {
	size := 0
	for _, op := range ops {
		size += op.Size()
	}
	if len(b.ops)+len(ops) > maxTxnOps || b.bytes+size > maxTxnBytes {
		if err := b.flush(ctx); err != nil {
			return err
		}
	}
	b.ops, b.bytes = append(b.ops, ops...), b.bytes+size
	return nil
}

func (b *batch) flush(ctx context.Context) error {
	if len(b.ops) == 0 {
		return nil
	}
	res, err := b.store.commit(ctx, Txn{Then: b.ops})
	if err != nil {
		return err
	}
	b.ops, b.bytes, b.revision = nil, 0, res.Revision
	return nil
}
