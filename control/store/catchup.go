package store

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// CatchUp waits until everything that etcd had when it was called was delivered,
// and returns the revision of the last update then. Who has taken that update in
// knows all that was committed before the call. It fails with ErrUnavailable or
// ErrReadOnly.
func (s *Store) CatchUp(ctx context.Context) (int64, error) {
	if s.client == nil {
		return 0, fmt.Errorf("cannot catch up with etcd: %w", ErrReadOnly)
	}
	if err := s.writable(); err != nil {
		return 0, fmt.Errorf("cannot catch up with etcd: %w", err)
	}
	ctx, cancel := context.WithTimeout(clientv3.WithRequireLeader(ctx), s.opts.tuning.callTimeout)
	defer cancel()
	resp, err := s.client.Get(ctx, s.key(LeaderKey), clientv3.WithCountOnly())
	if err != nil {
		return 0, fmt.Errorf("cannot catch up with etcd: %w (%w)", ErrUnavailable, err)
	}
	// Keys of others may account for what is missing; the watch is asked for that,
	// and once is not enough while it has not caught up itself.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !s.mirror.reached(resp.Header.Revision, resp.Header.ClusterId) {
		if err := s.client.RequestProgress(ctx); err != nil {
			return 0, fmt.Errorf("cannot catch up with etcd: %w (%w)", ErrUnavailable, err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("cannot catch up with etcd: %w (%w)", ErrUnavailable, ctx.Err())
		}
	}
	return s.mirror.status(time.Now()).Revision, nil
}
