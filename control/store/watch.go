package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// errRelist ends one round of following without anything being wrong.
var errRelist = errors.New("time to read everything again")

// follow keeps the mirror and the consumer at what etcd has, until ctx ends.
// Whatever goes wrong, the answer is the same: load everything again. What is
// loaded and is not this node's state is not taken in: see recognize.
func (s *Store) follow(ctx context.Context) {
	wait := pause{least: 50 * time.Millisecond, most: 2 * time.Second}
	timeout := s.opts.tuning.firstLoad
	for ctx.Err() == nil {
		loaded, err := s.followOnce(ctx, timeout)
		if ctx.Err() != nil {
			return
		}
		timeout = 5 * s.opts.tuning.callTimeout
		if loaded {
			wait.reset()
		}
		if errors.Is(err, errRelist) {
			continue
		}
		if s.mirror.fail(err) {
			s.log.Warn("state disconnected: the last state stays in force", zap.Error(err))
		}
		if !loaded && s.mirror.status(time.Now()).Revision == 0 {
			s.serveCopy(ctx)
		}
		wait.sleep(ctx)
	}
}

// followOnce loads the state and follows its watch until something casts doubt
// on it. loaded is true if the state was delivered.
func (s *Store) followOnce(ctx context.Context, timeout time.Duration) (loaded bool, err error) {
	// Without a leader a member would serve a watch that never fires.
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()

	full, cluster, err := s.load(ctx, timeout)
	if err != nil {
		return false, err
	}
	events := s.client.Watch(ctx, s.key(""), clientv3.WithPrefix(), clientv3.WithRev(full.Revision+1),
		clientv3.WithProgressNotify(), clientv3.WithFragment())

	probes := make(chan error)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.probe(ctx, cluster, probes)
	}()
	defer func() {
		cancel()
		<-ended
	}()

	relist := time.NewTimer(s.opts.tuning.relistEvery)
	defer relist.Stop()
	for {
		select {
		case <-ctx.Done():
			return true, ctx.Err()
		case <-relist.C:
			return true, errRelist
		case err := <-probes:
			return true, err
		case resp, ok := <-events:
			if !ok {
				return true, errors.New("the watch ended")
			}
			if err := s.watched(ctx, resp, cluster); err != nil {
				return true, err
			}
		}
	}
}

// load reads everything and delivers it. cluster identifies the etcd it came from.
func (s *Store) load(ctx context.Context, timeout time.Duration) (full Update, cluster uint64, err error) {
	callCtx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	sent := time.Now()
	resp, err := s.client.Get(callCtx, s.key(""), clientv3.WithPrefix())
	if err != nil {
		return Update{}, 0, fmt.Errorf("cannot load the state: %w", err)
	}
	full = Update{Full: true, Revision: resp.Header.Revision, Puts: s.relative(resp.Kvs), cluster: resp.Header.ClusterId}
	if err := s.recognize(kinOf(full.cluster, full.Revision, full.Puts)); err != nil {
		return Update{}, 0, err
	}
	was := s.mirror.status(sent)
	if full.Revision < was.Revision {
		s.log.Warn("etcd was restored from a backup: its revision went back",
			zap.Int64("from", was.Revision), zap.Int64("to", full.Revision))
		s.disk.keepPrevious()
	}
	if !was.Connected {
		s.log.Info("state connected", zap.Int64("revision", full.Revision), zap.Int("keys", len(full.Puts)))
	}
	return full, resp.Header.ClusterId, s.deliver(ctx, full, sent)
}

// watched delivers the events of one answer of the watch, one update per revision.
func (s *Store) watched(ctx context.Context, resp clientv3.WatchResponse, cluster uint64) error {
	if err := resp.Err(); err != nil {
		return fmt.Errorf("the watch failed: %w", err)
	}
	if resp.Header.ClusterId != cluster {
		return errors.New("etcd is another cluster than before")
	}
	now := time.Now()
	for _, u := range s.batches(resp.Events) {
		// An event that was seen already must not undo what came after it.
		if u.Revision <= s.mirror.status(now).Revision {
			continue
		}
		if err := s.deliver(ctx, u, now); err != nil {
			return err
		}
	}
	if resp.IsProgressNotify() {
		s.mirror.prove(resp.Header.Revision, now)
	}
	return nil
}

// batches groups events, which come in order, by the revision that made them.
func (s *Store) batches(events []*clientv3.Event) []Update {
	var out []Update
	for _, e := range events {
		if len(out) == 0 || out[len(out)-1].Revision != e.Kv.ModRevision {
			out = append(out, Update{Revision: e.Kv.ModRevision})
		}
		u := &out[len(out)-1]
		kv := s.relativeKV(e.Kv)
		if e.Type == mvccpb.DELETE {
			u.Deletes = append(u.Deletes, kv.Key)
		} else {
			u.Puts = append(u.Puts, kv)
		}
	}
	return out
}

// deliver applies u to the mirror and hands it to the consumer, and to those
// within the store who act on it.
func (s *Store) deliver(ctx context.Context, u Update, sent time.Time) error {
	s.mirror.apply(u, sent)
	s.disk.changed(u)
	s.session.observe(u)
	if u.Full && u.Source == SourceEtcd {
		s.owed.resynced()
	}
	select {
	case s.updates <- u:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// probe asks etcd once a second what its revision is, and sends the reason to
// failed if the answer, or its absence, casts doubt on the watch. A watch alone
// proves nothing: one on a restored etcd waits in silence for a revision that
// is years away.
func (s *Store) probe(ctx context.Context, cluster uint64, failed chan<- error) {
	t := s.opts.tuning
	tick := time.NewTicker(t.probeEvery)
	defer tick.Stop()
	var lag lag
	var measured time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if time.Since(measured) > t.spaceEvery {
			measured = time.Now()
			s.measureSpace(ctx)
		}
		sent, known := time.Now(), s.mirror.known()
		revision, err := s.probeOnce(ctx, cluster)
		if err == nil && revision < known {
			err = fmt.Errorf("etcd was wiped or restored: its revision is %d, it was %d", revision, known)
		}
		if err == nil && revision <= s.mirror.known() {
			s.mirror.prove(revision, sent)
			continue
		}
		if err == nil && lag.over(s.mirror.known(), revision, sent, t.watchSilence) {
			err = fmt.Errorf("the watch has been silent for %s although etcd is at revision %d", t.watchSilence, revision)
		}
		if err == nil {
			// Keys of others may account for the difference; the answer says so.
			err = s.requestProgress(ctx)
		}
		if err != nil {
			select {
			case failed <- err:
			case <-ctx.Done():
			}
			return
		}
	}
}

// lag is a revision that the watch still owes, and since when.
type lag struct {
	owed  int64
	since time.Time
}

// over reports whether the watch owes a revision for longer than limit. Each
// revision is measured by itself: on a busy etcd there is always a newer one.
func (l *lag) over(known, revision int64, now time.Time, limit time.Duration) bool {
	if known >= l.owed {
		l.owed, l.since = revision, now
	}
	return now.Sub(l.since) > limit
}

// probeOnce returns etcd's revision by a linearizable read.
func (s *Store) probeOnce(ctx context.Context, cluster uint64) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.tuning.probeTimeout)
	defer cancel()
	resp, err := s.client.Get(ctx, s.key(LeaderKey), clientv3.WithCountOnly())
	if err != nil {
		return 0, fmt.Errorf("etcd does not answer: %w", err)
	}
	if resp.Header.ClusterId != cluster {
		return 0, errors.New("etcd is another cluster than before")
	}
	return resp.Header.Revision, nil
}

func (s *Store) requestProgress(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.tuning.probeTimeout)
	defer cancel()
	if err := s.client.RequestProgress(ctx); err != nil {
		return fmt.Errorf("the watch does not answer: %w", err)
	}
	return nil
}

// pause is a wait that grows from least to most, with full jitter above least.
type pause struct {
	least, most time.Duration
	next        time.Duration
}

func (b *pause) reset() { b.next = 0 }

func (b *pause) sleep(ctx context.Context) {
	b.next = min(max(2*b.next, b.least), b.most)
	select {
	case <-time.After(b.least + rand.N(b.next)):
	case <-ctx.Done():
	}
}
