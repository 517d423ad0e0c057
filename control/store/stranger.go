package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// errStranger is why a state that etcd holds is not taken in: it is not the
// one that this node serves, and no later form of it.
var errStranger = errors.New("etcd has lost the state that this node serves: the last good one stays in force; " +
	"put it back with weir state export and weir state import, or begin anew with this node's state folder removed")

// kin is how a node knows its state again: by its history, which goes on, and
// else by the salt beside the keys of its sticky cookie, which every state has of
// its own, keeps in exports and backups, and keeps when the keys are rotated.
type kin struct {
	cluster  uint64 // of the etcd; 0: unknown
	revision int64
	salt     []byte
	services bool // or flags: there is something to lose
}

func kinOf(cluster uint64, revision int64, kvs []KV) kin {
	k := kin{cluster: cluster, revision: revision}
	for _, kv := range kvs {
		if kv.Key == CookieKey {
			k.salt = saltOf(kv.Value)
		}
		k.services = k.services || strings.HasPrefix(kv.Key, Services) || strings.HasPrefix(kv.Key, Flags)
	}
	return k
}

// saltOf is the salt of the cookie's keys, or all of a value that has none.
func saltOf(value []byte) []byte {
	var v struct {
		Salt []byte `json:"salt"`
	}
	if json.Unmarshal(value, &v) != nil || len(v.Salt) == 0 {
		return value
	}
	return v.Salt
}

// disowns reports whether found cannot be what became of k. An etcd that was
// wiped must not take the routes of a whole fleet away; one that was restored
// from a backup, or into which the state was imported, has k's salt.
func (k kin) disowns(found kin) bool {
	goesOn := found.revision >= k.revision && (k.cluster == 0 || k.cluster == found.cluster)
	return k.services && len(k.salt) > 0 && !goesOn && !bytes.Equal(k.salt, found.salt)
}

// kin is how this node's state would be known again: as it was last delivered,
// else as the last process left it on disk.
func (s *Store) kin() kin {
	if kvs, revision, cluster := s.mirror.toCache(); revision > 0 {
		return kinOf(cluster, revision, kvs)
	}
	c, err := readCopy(s.opts.Cache, s.opts.Prefix)
	if err != nil {
		return kin{} // whoever has nothing has nothing to lose
	}
	return kinOf(c.Cluster, c.Revision, c.KVs)
}

// recognize fails if what was loaded is not this node's state. The node then
// neither leads nor writes until it is.
func (s *Store) recognize(found kin) error {
	known := s.kin()
	stranger := known.disowns(found)
	if s.mirror.disown(stranger) && stranger {
		s.log.Error("etcd does not hold the state that this node serves",
			zap.Int64("known_revision", known.revision), zap.Int64("found_revision", found.revision),
			zap.Bool("other_cluster", known.cluster != 0 && known.cluster != found.cluster), zap.Bool("services_found", found.services))
	}
	if stranger {
		return errStranger
	}
	return nil
}

// writable fails while etcd holds a state that is not this node's.
func (s *Store) writable() error {
	if s.mirror.isStranger() {
		return fmt.Errorf("%w (%w)", ErrUnavailable, errStranger)
	}
	return nil
}

// resign gives up the lead of a fleet whose state is not this node's.
func (s *Store) resign(ctx context.Context) error {
	s.session.mu.Lock()
	fence := s.session.mu.fence
	s.session.mu.Unlock()
	if fence == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.tuning.callTimeout)
	defer cancel()
	key := s.key(LeaderKey)
	_, err := s.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), "=", fence)).
		Then(clientv3.OpDelete(key)).Commit()
	if err != nil {
		return fmt.Errorf("cannot resign: %w", err)
	}
	s.setFence(0)
	return nil
}

// awaitRecognition waits until this node follows the state that it put back.
func (s *Store) awaitRecognition(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for s.mirror.isStranger() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the state is written, but this node does not follow it yet: %w", ctx.Err())
		}
	}
	return nil
}
