package store

import (
	"context"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// campaign takes the leader key if nobody has it, and learns who has it if that is in doubt.
func (s *Store) campaign(ctx context.Context, lease clientv3.LeaseID) error {
	if s.mirror.isStranger() {
		return s.resign(ctx)
	}
	n := s.session
	n.mu.Lock()
	due := n.mu.campaigning && (n.mu.verify || n.mu.fence == 0 && !s.mirror.has(LeaderKey))
	n.mu.verify = false
	n.mu.Unlock()
	if !due {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.tuning.callTimeout)
	defer cancel()
	key := s.key(LeaderKey)
	resp, err := s.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, s.opts.Node, clientv3.WithLease(lease))).
		Else(clientv3.OpGet(key)).Commit()
	if err != nil {
		n.mu.Lock()
		n.mu.verify = true
		n.mu.Unlock()
		return fmt.Errorf("cannot campaign: %w", err)
	}
	fence := resp.Header.Revision
	if !resp.Succeeded {
		fence = 0
		if kvs := resp.Responses[0].GetResponseRange().Kvs; len(kvs) == 1 {
			fence = s.ownFence(ctx, kvs[0], lease)
		}
	}
	s.setFence(fence)
	return nil
}

// ownFence is the fence of a leader key that is this process's own, else 0. It
// may be from a campaign whose answer was lost, or still hang on a lease that
// etcd lost sight of: nobody else can have led since, so it is taken over
// instead of waiting for that lease to expire.
func (s *Store) ownFence(ctx context.Context, held *mvccpb.KeyValue, lease clientv3.LeaseID) int64 {
	if held.Lease == int64(lease) {
		return held.CreateRevision
	}
	n := s.session
	n.mu.Lock()
	former := n.mu.former
	n.mu.Unlock()
	if former == 0 || held.CreateRevision != former {
		return 0
	}
	key := s.key(LeaderKey)
	resp, err := s.client.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", held.ModRevision)).
		Then(clientv3.OpPut(key, s.opts.Node, clientv3.WithLease(lease))).Commit()
	if err != nil || !resp.Succeeded {
		return 0 // the next campaign looks again
	}
	return former
}

func (s *Store) setFence(fence int64) {
	n := s.session
	n.mu.Lock()
	was := n.mu.fence
	n.mu.fence = fence
	n.mu.Unlock()
	if was == fence {
		return
	}
	s.log.Debug("fence changed", zap.Int64("fence", fence)) // the Controller tells who leads
	signal(n.changed)
}
