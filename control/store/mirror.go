package store

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
)

// mirror is the state as last delivered, and how fresh it is. The goroutine
// that follows etcd writes it, everybody reads it.
type mirror struct {
	mu sync.Mutex

	kvs    map[string]KV
	source Source
	// revision is that of the last update; 0 before the first.
	revision int64
	// proven is the greatest revision up to which the watch is known to be complete: at least revision.
	proven int64

	connected bool
	err       error
	// cluster is the etcd that the state came from; 0 before the first.
	cluster uint64
	// stranger is true while etcd holds another state than this one.
	stranger bool
	// size and quota are etcd's bytes.
	size, quota int64
	// fresh is when revision was last proven to be what etcd has.
	fresh time.Time
}

func newMirror() *mirror {
	return &mirror{kvs: map[string]KV{}, fresh: time.Now()}
}

// apply makes u part of the mirror. sent is when the call was made that proved it.
func (m *mirror) apply(u Update, sent time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u.Full {
		m.kvs = make(map[string]KV, len(u.Puts))
		m.proven = 0
	}
	for _, kv := range u.Puts {
		m.kvs[kv.Key] = kv
	}
	for _, k := range u.Deletes {
		delete(m.kvs, k)
	}
	m.source, m.revision = u.Source, u.Revision
	if u.Full && u.cluster != 0 {
		m.cluster = u.cluster
	}
	if u.Source == SourceDisk {
		return
	}
	m.proven = max(m.proven, u.Revision)
	m.connected, m.err, m.fresh = true, nil, sent
}

// prove records that at sent etcd had nothing newer than what was delivered, up to revision.
func (m *mirror) prove(revision int64, sent time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.proven = max(m.proven, revision)
	if sent.After(m.fresh) {
		m.fresh = sent
	}
}

// fail records that etcd does not answer, and reports whether that is news.
func (m *mirror) fail(err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.connected || m.err == nil
	m.connected, m.err = false, err
	return was
}

func (m *mirror) status(now time.Time) Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Status{
		Connected: m.connected,
		Revision:  m.revision,
		Age:       now.Sub(m.fresh),
		Source:    m.source,
		Size:      m.size,
		Quota:     m.quota,
		Err:       m.err,
	}
}

func (m *mirror) isConnected() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.connected
}

// reached reports whether everything was delivered that an etcd had at a revision.
func (m *mirror) reached(revision int64, cluster uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.connected && m.cluster == cluster && m.proven >= revision
}

// known is the revision up to which everything was delivered.
func (m *mirror) known() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.proven
}

// disown records whether etcd holds another state, and reports whether that is news.
func (m *mirror) disown(stranger bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.stranger
	m.stranger = stranger
	return was != stranger
}

func (m *mirror) isStranger() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stranger
}

// all returns everything, sorted by key, and its revision.
func (m *mirror) all() (kvs []KV, revision int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(m.kvs)) {
		kvs = append(kvs, m.kvs[k])
	}
	return kvs, m.revision
}

func (m *mirror) has(key string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.kvs[key]
	return ok
}

// toCache returns what the disk copy holds: sorted, so that equal states are equal files.
func (m *mirror) toCache() (kvs []KV, revision int64, cluster uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(m.kvs)) {
		if cached(k) {
			kvs = append(kvs, m.kvs[k])
		}
	}
	return kvs, m.revision, m.cluster
}

// relative turns etcd's keys into ours.
func (s *Store) relative(in []*mvccpb.KeyValue) []KV {
	out := make([]KV, 0, len(in))
	for _, kv := range in {
		out = append(out, s.relativeKV(kv))
	}
	return out
}

func (s *Store) relativeKV(kv *mvccpb.KeyValue) KV {
	return KV{
		Key:            strings.TrimPrefix(string(kv.Key), s.opts.Prefix+"/"),
		Value:          kv.Value,
		ModRevision:    kv.ModRevision,
		CreateRevision: kv.CreateRevision,
	}
}
