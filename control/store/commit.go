package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// commitAttempts bounds the time of a Commit together with the calls' timeout.
const commitAttempts = 3

// Commit carries t out and returns its proven outcome. A condition that does
// not hold is no error: Result.Committed is false and Existing says why.
//
// If etcd does not answer, Commit looks for the transaction in etcd's history,
// and sends it again if it is certain that only one of the two can take place:
// t has a condition that t itself breaks, like ModRevision of a key it puts.
// What remains in doubt after about 6 s is ErrUnknown.
// Other errors mean that nothing was changed: ErrUnavailable, ErrReadOnly,
// ErrFull, ErrNoLease, or what etcd has against t.
func (s *Store) Commit(ctx context.Context, t Txn) (Result, error) {
	if s.client == nil {
		return Result{}, fmt.Errorf("cannot commit: %w", ErrReadOnly)
	}
	if err := s.writable(); err != nil {
		return Result{}, fmt.Errorf("cannot commit: %w", err)
	}
	return s.commit(ctx, t)
}

func (s *Store) commit(ctx context.Context, t Txn) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, commitAttempts*s.opts.tuning.callTimeout)
	defer cancel()
	base, err := s.baseRevision(ctx)
	if err != nil {
		return Result{}, fmt.Errorf("cannot commit: %w", err)
	}
	for again := false; ; again = true {
		res, err := s.send(ctx, t)
		switch {
		case err == nil && (res.Committed || !again):
			if !res.Committed && t.fencedOff(res) {
				s.fenced.Add(1)
				s.log.Warn("write of a leader that was relieved refused by etcd", zap.Uint64("refused", s.fenced.Load()))
			}
			return res, nil
		case err != nil && !ambiguous(err) && !again:
			return Result{}, fmt.Errorf("cannot commit: %w", classify(err))
		}
		// From here on an attempt may have been carried out without our knowing.
		found, ferr := s.findCommit(ctx, t, base)
		switch {
		case ferr == nil && found != 0:
			return Result{Committed: true, Revision: found}, nil
		case ferr == nil && err == nil:
			return res, nil
		case ferr == nil && !t.breaksItself(), ctx.Err() != nil:
			return Result{}, fmt.Errorf("cannot commit: %w (%w)", ErrUnknown, errors.Join(err, ferr))
		}
		// A member that just lost its leader refuses at once; do not spin.
		select {
		case <-time.After(s.opts.tuning.callTimeout / 40):
		case <-ctx.Done():
		}
	}
}

// baseRevision is a revision before that of the transaction to come. While
// etcd is not known to answer it is asked first, so that a transaction which
// was never sent is not in doubt.
func (s *Store) baseRevision(ctx context.Context) (int64, error) {
	if s.mirror.isConnected() {
		return s.mirror.known(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.tuning.probeTimeout)
	defer cancel()
	resp, err := s.client.Get(ctx, s.key(LeaderKey), clientv3.WithCountOnly())
	if err != nil {
		return 0, fmt.Errorf("%w (%w)", ErrUnavailable, err)
	}
	return resp.Header.Revision, nil
}

// send makes one attempt.
func (s *Store) send(ctx context.Context, t Txn) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.tuning.callTimeout)
	defer cancel()
	ifs, then, read, err := t.build(s.opts.Prefix, s.session.leaseID())
	if err != nil {
		return Result{}, err
	}
	resp, err := s.client.Txn(ctx).If(ifs...).Then(then...).Else(read...).Commit()
	if err != nil {
		return Result{}, err
	}
	res := Result{Committed: resp.Succeeded, Revision: resp.Header.Revision}
	if !resp.Succeeded {
		for _, r := range resp.Responses {
			res.Existing = append(res.Existing, s.relative(r.GetResponseRange().Kvs)...)
		}
	}
	return res, nil
}

// breaksItself reports whether t can take place once only: one of its
// conditions is false after it.
func (t Txn) breaksItself() bool {
	for _, c := range t.If {
		for _, o := range t.Then {
			put := o.kind == opPut || o.kind == opPutLeased
			gone := o.kind == opDelete && o.key == c.key ||
				o.kind == opDeleteRange && strings.HasPrefix(c.key, o.key)
			switch {
			case c.kind == compareEmpty && put && strings.HasPrefix(o.key, c.key),
				c.kind == compareMod && put && o.key == c.key,
				c.kind == compareCreate && c.rev == 0 && put && o.key == c.key,
				(c.kind == compareMod || c.kind == compareCreate) && c.rev != 0 && gone:
				return true
			}
		}
	}
	return false
}

// fencedOff reports whether t needed the leadership of a node that had lost it.
func (t Txn) fencedOff(res Result) bool {
	for _, c := range t.If {
		if c.key == LeaderKey && c.kind == compareCreate {
			return !slices.ContainsFunc(res.Existing, func(kv KV) bool { return kv.Key == LeaderKey && kv.CreateRevision == c.rev })
		}
	}
	return false
}

// findCommit looks for t among what happened after base, and returns its
// revision, 0 if it did not take place so far. It follows the history of one
// key that t writes: another transaction that wrote the very same to all keys
// of t at one revision cannot be told from t, nor need it be.
func (s *Store) findCommit(ctx context.Context, t Txn, base int64) (int64, error) {
	var anchor *Op
	for i := range t.Then {
		if t.Then[i].kind != opDeleteRange {
			anchor = &t.Then[i]
			break
		}
	}
	if anchor == nil {
		return 0, errors.New("a transaction that only deletes ranges leaves no trace")
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.tuning.callTimeout)
	defer cancel()
	now, err := s.client.Get(ctx, s.key(anchor.key))
	if err != nil {
		return 0, err
	}
	if len(now.Kvs) == 1 && now.Kvs[0].ModRevision <= base {
		return 0, nil
	}
	events, err := s.history(ctx, anchor.key, base, now.Header.Revision)
	if err != nil {
		return 0, err
	}
	for _, e := range events {
		if !anchor.made(e) {
			continue
		}
		if ok, err := s.tookPlace(ctx, t, e.Kv.ModRevision); err != nil || ok {
			return e.Kv.ModRevision, err
		}
	}
	return 0, nil
}

func (o *Op) made(e *clientv3.Event) bool {
	if o.kind == opDelete {
		return e.Type == clientv3.EventTypeDelete
	}
	return e.Type == clientv3.EventTypePut && bytes.Equal(e.Kv.Value, o.value)
}

// history returns what happened to key after revision base up to and including to.
func (s *Store) history(ctx context.Context, key string, base, to int64) ([]*clientv3.Event, error) {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	watch := s.client.Watch(ctx, s.key(key), clientv3.WithRev(base+1), clientv3.WithProgressNotify())
	// The history has no end of its own; the answer to this is it. It is not
	// answered before the watch caught up, so it is asked again.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	var events []*clientv3.Event
	for {
		select {
		case <-tick.C:
			if err := s.client.RequestProgress(ctx); err != nil {
				return nil, err
			}
		case resp, ok := <-watch:
			if !ok {
				return nil, errors.Join(errors.New("the watch ended"), ctx.Err())
			}
			if err := resp.Err(); err != nil {
				return nil, err
			}
			events = append(events, resp.Events...)
			if resp.IsProgressNotify() && resp.Header.Revision >= to {
				return events, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tookPlace reports whether all writes of t are what revision made.
func (s *Store) tookPlace(ctx context.Context, t Txn, revision int64) (bool, error) {
	gets := make([]clientv3.Op, 0, len(t.Then))
	for _, o := range t.Then {
		opts := []clientv3.OpOption{clientv3.WithRev(revision)}
		if o.kind == opDeleteRange {
			opts = append(opts, clientv3.WithPrefix(), clientv3.WithCountOnly())
		}
		gets = append(gets, clientv3.OpGet(s.key(o.key), opts...))
	}
	resp, err := s.client.Txn(ctx).Then(gets...).Commit()
	if err != nil {
		return false, err
	}
	for i, o := range t.Then {
		if !o.holds(resp.Responses[i].GetResponseRange(), revision) {
			return false, nil
		}
	}
	return true, nil
}

// holds reports whether got, read at revision, is what o leaves behind.
func (o *Op) holds(got *etcdserverpb.RangeResponse, revision int64) bool {
	switch o.kind {
	case opDelete, opDeleteRange:
		return got.Count == 0
	}
	return len(got.Kvs) == 1 && got.Kvs[0].ModRevision == revision && bytes.Equal(got.Kvs[0].Value, o.value)
}

// code is err's gRPC code, whether it came over a socket or from this process.
func code(err error) codes.Code {
	var e rpctypes.EtcdError
	if errors.As(err, &e) {
		return e.Code()
	}
	return status.Code(err)
}

// ambiguous reports whether a transaction that ended in err may have been
// carried out all the same. Only refusals are certain.
func ambiguous(err error) bool {
	if errors.Is(err, ErrNoLease) {
		return false
	}
	switch code(err) {
	case codes.InvalidArgument, codes.ResourceExhausted, codes.FailedPrecondition, codes.NotFound,
		codes.AlreadyExists, codes.PermissionDenied, codes.Unauthenticated, codes.Unimplemented:
		return false
	}
	return true
}

// classify wraps err in the sentinel that callers branch on.
func classify(err error) error {
	switch {
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fmt.Errorf("%w (%w)", ErrFull, err)
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		return fmt.Errorf("%w (%w)", ErrNoLease, err)
	case ambiguous(err):
		return fmt.Errorf("%w (%w)", ErrUnavailable, err)
	}
	return err
}
