package store

import (
	"context"
	"fmt"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// measureSpace records how much of its quota etcd uses, and warns at 80 % of
// it: at 100 % etcd refuses every write but deletions.
func (s *Store) measureSpace(ctx context.Context) {
	endpoint := ""
	if s.opts.External != nil {
		endpoint = s.opts.External.Endpoints[0]
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.tuning.probeTimeout)
	defer cancel()
	resp, err := s.client.Status(ctx, endpoint)
	if err != nil {
		// One member of a healthy cluster may be away: no reason to doubt the watch.
		s.log.Debug("size of etcd not known", zap.Error(err))
		return
	}
	if s.mirror.measured(resp.DbSize, resp.DbSizeQuota) {
		s.log.Warn("etcd has used 80 % of its space quota: compact and defragment it, or raise the quota",
			zap.Int64("bytes", resp.DbSize), zap.Int64("quota", resp.DbSizeQuota))
	}
}

// measured records etcd's size, and reports whether it just went above 80 % of quota.
func (m *mirror) measured(size, quota int64) (alarm bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	above := func(size, quota int64) bool { return quota > 0 && size > quota/10*8 }
	alarm = above(size, quota) && !above(m.size, m.quota)
	m.size, m.quota = size, quota
	return alarm
}

// clearSpaceAlarm lets an embedded etcd write again after a start that freed
// space: nobody else could tell it to. Without free space etcd raises the alarm anew.
func clearSpaceAlarm(ctx context.Context, c *clientv3.Client) error {
	list, err := c.AlarmList(ctx)
	if err != nil {
		return fmt.Errorf("cannot list etcd's alarms: %w", err)
	}
	for _, a := range list.Alarms {
		if a.Alarm != etcdserverpb.AlarmType_NOSPACE {
			continue
		}
		if _, err := c.AlarmDisarm(ctx, (*clientv3.AlarmMember)(a)); err != nil {
			return fmt.Errorf("cannot clear etcd's space alarm: %w", err)
		}
	}
	return nil
}
