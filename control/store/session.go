package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// session is the node's lease and what hangs on it: kept keys and leadership.
// One goroutine talks to etcd; the others say what they want and wake it.
type session struct {
	wake chan struct{}
	// changed is signalled when leadership may have changed.
	changed chan struct{}

	mu struct {
		sync.Mutex
		lease clientv3.LeaseID // 0: none
		// until is when the lease ends at the latest as far as this node can
		// know: its time to live after the last renewal that succeeded was sent.
		until time.Time
		renew time.Time
		kept  map[string]*kept
		// campaigning is true once Lead was called.
		campaigning bool
		// fence is the CreateRevision of our leader key; 0 while we do not lead.
		fence int64
		// former is the last fence that this process held under a lost lease.
		former int64
		// verify asks to read the leader key again: it is not as we left it.
		verify bool
	}
}

// kept is a key that must be there as long as the node is.
type kept struct {
	value []byte
	put   bool
}

func newSession() *session {
	n := &session{wake: make(chan struct{}, 1), changed: make(chan struct{}, 1)}
	n.mu.kept = map[string]*kept{}
	return n
}

// Keep keeps key at value under the node's lease: it vanishes within the
// lease's 5 s when the node does, and comes back with the next lease. It
// returns at once; of several values the latest wins, and nil deletes the key
// and ends its keeping. The store keeps value.
func (s *Store) Keep(key string, value []byte) {
	s.session.mu.Lock()
	s.session.mu.kept[key] = &kept{value: value}
	s.session.mu.Unlock()
	signal(s.session.wake)
}

// Announce keeps value at this node's key, nodes/<node>. See Keep.
func (s *Store) Announce(value []byte) { s.Keep(NodeKey(s.opts.Node), value) }

// Lead makes this node a candidate for leadership from now on. The channel is
// signalled, without piling up, whenever the answer of Leader may have changed.
func (s *Store) Lead() <-chan struct{} {
	s.session.mu.Lock()
	s.session.mu.campaigning = true
	s.session.mu.Unlock()
	signal(s.session.wake)
	return s.session.changed
}

// Leader reports whether this node leads, as far as it can know: a node that
// could not renew its lease in time says no by itself. Every write that needs
// leadership must carry fence, which fails once another node could lead, as
// only etcd knows that for certain.
func (s *Store) Leader() (fence Compare, ok bool) {
	n := s.session
	n.mu.Lock()
	defer n.mu.Unlock()
	ok = n.mu.fence != 0 && time.Now().Before(n.mu.until) && !s.mirror.isStranger()
	return Created(LeaderKey, n.mu.fence), ok
}

// observe looks for changes of the keys that the session answers for.
func (n *session) observe(u Update) {
	if u.Source == SourceDisk {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	leader := u.Full
	for _, kv := range u.Puts {
		leader = leader || kv.Key == LeaderKey && kv.CreateRevision != n.mu.fence
	}
	for _, key := range u.Deletes {
		leader = leader || key == LeaderKey
		if k := n.mu.kept[key]; k != nil {
			k.put = false
			signal(n.wake)
		}
	}
	if u.Full {
		// What was put may have been lost with a restored etcd.
		for _, k := range n.mu.kept {
			k.put = false
		}
	}
	if leader && n.mu.campaigning {
		n.mu.verify = true
		signal(n.wake)
	}
}

// runSession keeps the lease until ctx ends, and then gives it up.
func (s *Store) runSession(ctx context.Context) {
	n := s.session
	ttl := s.opts.tuning.leaseTTL
	for ctx.Err() == nil {
		wait := ttl / 3
		if err := s.holdLease(ctx); err != nil {
			wait = ttl / 20
			if ctx.Err() == nil {
				s.log.Debug("lease not in order yet", zap.Error(err))
			}
		}
		select {
		case <-ctx.Done():
		case <-n.wake:
		case <-time.After(wait):
		}
	}
	lease := n.drop()
	if lease == 0 || !s.mirror.isConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.opts.tuning.probeTimeout)
	defer cancel()
	if _, err := s.client.Revoke(ctx, lease); err != nil {
		s.log.Warn("lease not given up: the node stays listed until it runs out", zap.Error(err))
	}
}

// holdLease does what is due: a lease, its renewal, the kept keys, the campaign.
func (s *Store) holdLease(ctx context.Context) error {
	if s.opts.tuning.stopped() {
		return errors.New("stopped by a test")
	}
	n := s.session
	n.mu.Lock()
	lease, until, renew := n.mu.lease, n.mu.until, n.mu.renew
	n.mu.Unlock()
	now := time.Now()
	var err error
	switch {
	case lease != 0 && now.After(until):
		s.lost("it ran out before it could be renewed")
		lease, err = s.grant(ctx)
	case lease == 0:
		lease, err = s.grant(ctx)
	case now.After(renew):
		err = s.renew(ctx, lease, until)
	}
	if err == nil {
		err = s.putKept(ctx, lease)
	}
	if err == nil {
		err = s.campaign(ctx, lease)
	}
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		s.lost("etcd no longer has it")
	}
	return err
}

func (s *Store) grant(ctx context.Context) (clientv3.LeaseID, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.tuning.callTimeout)
	defer cancel()
	ttl := s.opts.tuning.leaseTTL
	sent := time.Now()
	resp, err := s.client.Grant(ctx, int64(ttl/time.Second))
	if err != nil {
		return 0, fmt.Errorf("cannot get a lease: %w", err)
	}
	n := s.session
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.lease, n.mu.until, n.mu.renew = resp.ID, sent.Add(ttl), sent.Add(ttl/4)
	n.mu.verify = n.mu.campaigning
	for _, k := range n.mu.kept {
		k.put = false
	}
	return resp.ID, nil
}

// renew prolongs the lease. It waits for an answer no longer than the lease lasts.
func (s *Store) renew(ctx context.Context, lease clientv3.LeaseID, until time.Time) error {
	sent := time.Now()
	deadline := sent.Add(s.opts.tuning.callTimeout)
	if until.Before(deadline) {
		deadline = until
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if _, err := s.client.KeepAliveOnce(ctx, lease); err != nil {
		return fmt.Errorf("cannot renew the lease: %w", err)
	}
	ttl := s.opts.tuning.leaseTTL
	n := s.session
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.until, n.mu.renew = sent.Add(ttl), sent.Add(ttl/4)
	return nil
}

// putKept puts the kept keys that etcd does not have.
func (s *Store) putKept(ctx context.Context, lease clientv3.LeaseID) error {
	n := s.session
	for {
		n.mu.Lock()
		key, k := n.unputLocked()
		if k == nil {
			n.mu.Unlock()
			return nil
		}
		// Before the call: a deletion seen from now on must lead to another one.
		k.put = true
		n.mu.Unlock()
		err := s.putOne(ctx, key, k.value, lease)
		n.mu.Lock()
		switch {
		case err != nil:
			k.put = false
		case k.value == nil && n.mu.kept[key] == k:
			delete(n.mu.kept, key)
		}
		n.mu.Unlock()
		if err != nil {
			return fmt.Errorf("cannot put %q: %w", key, err)
		}
	}
}

// unputLocked returns a kept key that etcd does not have, nil if it has all.
func (n *session) unputLocked() (string, *kept) {
	for key, k := range n.mu.kept {
		if !k.put {
			return key, k
		}
	}
	return "", nil
}

func (s *Store) putOne(ctx context.Context, key string, value []byte, lease clientv3.LeaseID) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.tuning.callTimeout)
	defer cancel()
	if value == nil {
		_, err := s.client.Delete(ctx, s.key(key))
		return err
	}
	_, err := s.client.Put(ctx, s.key(key), string(value), clientv3.WithLease(lease))
	return err
}

// lost records that the lease is no more, and with it leadership.
func (s *Store) lost(reason string) {
	s.session.drop()
	s.session.mu.Lock()
	if fence := s.session.mu.fence; fence != 0 {
		s.session.mu.former, s.session.mu.verify = fence, true
	}
	s.session.mu.Unlock()
	s.log.Warn("lease lost", zap.String("reason", reason))
	s.setFence(0)
	signal(s.session.wake)
}

// drop forgets the lease and returns it.
func (n *session) drop() clientv3.LeaseID {
	n.mu.Lock()
	defer n.mu.Unlock()
	lease := n.mu.lease
	n.mu.lease, n.mu.until = 0, time.Time{}
	return lease
}

// leaseID is the node's lease if it surely still has one, else 0.
func (n *session) leaseID() clientv3.LeaseID {
	n.mu.Lock()
	defer n.mu.Unlock()
	if time.Now().After(n.mu.until) {
		return 0
	}
	return n.mu.lease
}
