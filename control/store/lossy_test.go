package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// loss is what happens to a transaction on its way.
type loss int

const (
	delivered loss = iota
	requestLost
	answerLost
)

// lossy loses transactions that write, as next says, and runs between after each loss.
type lossy struct {
	clientv3.KV
	next    func() loss
	between func()
}

type lossyTxn struct {
	clientv3.Txn
	kv     *lossy
	writes bool
}

func (l *lossy) Txn(ctx context.Context) clientv3.Txn { return &lossyTxn{Txn: l.KV.Txn(ctx), kv: l} }

func (x *lossyTxn) If(c ...clientv3.Cmp) clientv3.Txn {
	x.Txn = x.Txn.If(c...)
	return x
}

func (x *lossyTxn) Then(ops ...clientv3.Op) clientv3.Txn {
	x.Txn, x.writes = x.Txn.Then(ops...), !ops[0].IsGet()
	return x
}

func (x *lossyTxn) Else(ops ...clientv3.Op) clientv3.Txn {
	x.Txn = x.Txn.Else(ops...)
	return x
}

func (x *lossyTxn) Commit() (*clientv3.TxnResponse, error) {
	how := delivered
	if x.writes {
		how = x.kv.next()
	}
	var resp *clientv3.TxnResponse
	var err error
	if how != requestLost {
		resp, err = x.Txn.Commit()
	}
	if how == delivered {
		return resp, err
	}
	if x.kv.between != nil {
		x.kv.between()
	}
	return nil, status.Error(codes.Unavailable, "the connection was reset")
}

// testLostAnswers goes through what can become of a transaction whose answer did not come.
func testLostAnswers(t *testing.T, opts Options) {
	n := openNode(t, opts)
	direct := n.raw().KV
	f := func(name string, txn func(rev int64) Txn, losses []loss, rival func(key string), committed bool, want string, wantErr error) {
		t.Helper()
		key := "state/" + name
		rev := n.put(key, "before").Revision
		l := &lossy{KV: direct, next: func() loss {
			if len(losses) == 0 {
				return delivered
			}
			how := losses[0]
			losses = losses[1:]
			return how
		}}
		if rival != nil {
			l.between = func() { rival(n.key(key)); l.between = nil }
		}
		n.raw().KV = l
		res, err := n.Commit(t.Context(), txn(rev))
		n.raw().KV = direct
		if !errors.Is(err, wantErr) || (err == nil) != (wantErr == nil) {
			t.Errorf("%s: error %v, want %v", name, err, wantErr)
		}
		if err == nil && res.Committed != committed {
			t.Errorf("%s: %+v, want committed %v", name, res, committed)
		}
		resp, gerr := direct.Get(t.Context(), n.key(key), clientv3.WithRev(max(res.Revision, 0)))
		if gerr != nil || err == nil && string(resp.Kvs[0].Value) != want {
			t.Errorf("%s: at revision %d there is %v, %v; want %q", name, res.Revision, resp, gerr, want)
		}
		if err == nil && !res.Committed && string(res.Existing[0].Value) != want {
			t.Errorf("%s: existing %v, want %q", name, res.Existing, want)
		}
	}
	cas := func(name string) func(int64) Txn {
		return func(rev int64) Txn {
			return Txn{
				If:   []Compare{ModRevision("state/"+name, rev)},
				Then: []Op{Put("state/"+name, []byte("ours")), Put("audit/"+name, []byte("entry"))},
			}
		}
	}
	blind := func(name string) func(int64) Txn {
		return func(int64) Txn { return Txn{Then: []Op{Put("state/"+name, []byte("ours"))}} }
	}
	overwrite := func(value string) func(string) {
		return func(key string) {
			if _, err := direct.Put(context.Background(), key, value); err != nil {
				t.Error(err)
			}
		}
	}
	f("answer", cas("answer"), []loss{answerLost}, nil, true, "ours", nil)
	f("request", cas("request"), []loss{requestLost}, nil, true, "ours", nil)
	f("twice", cas("twice"), []loss{requestLost, answerLost}, nil, true, "ours", nil)
	f("overwritten", cas("overwritten"), []loss{answerLost}, overwrite("theirs"), true, "ours", nil)
	f("beaten", cas("beaten"), []loss{requestLost}, overwrite("theirs"), false, "theirs", nil)
	// The rival wrote our value to this key, but not our audit entry with it.
	f("alike", cas("alike"), []loss{requestLost}, overwrite("ours"), false, "ours", nil)
	n.put("audit/again", "entry")
	f("again", cas("again"), []loss{requestLost}, overwrite("ours"), false, "ours", nil)
	f("blindly", blind("blindly"), []loss{answerLost}, nil, true, "ours", nil)
	f("doubt", blind("doubt"), []loss{requestLost}, nil, false, "", ErrUnknown)
}

// testLostAnswersHistory lets two writers count up one key while half of all
// messages are lost, and compares what they were told with what etcd's history has.
func testLostAnswersHistory(t *testing.T, opts Options) {
	opts.tuning.callTimeout = 2 * time.Second
	n := openNode(t, opts)
	direct := n.raw().KV
	random := rand.New(rand.NewPCG(7, 11))
	n.raw().KV = &lossy{
		KV:   direct,
		next: func() loss { return loss(random.IntN(3)) },
		between: func() {
			if random.IntN(3) == 0 {
				if _, err := direct.Put(context.Background(), n.key("state/shop"), "rival"); err != nil {
					t.Error(err)
				}
			}
		},
	}
	base := n.put1(direct, "state/shop", "start")
	told := map[string]int64{}
	for i := range 30 {
		kv, _, err := n.Get(t.Context(), "state/shop")
		if err != nil {
			t.Fatal(err)
		}
		value := fmt.Sprint("ours ", i)
		res, err := n.Commit(t.Context(), Txn{
			If:   []Compare{ModRevision("state/shop", kv.ModRevision)},
			Then: []Op{Put("state/shop", []byte(value))},
		})
		if err != nil && !errors.Is(err, ErrUnknown) {
			t.Fatal(err)
		}
		if err == nil && res.Committed {
			told[value] = res.Revision
		}
		if errors.Is(err, ErrUnknown) {
			told[value] = -1
		}
	}
	n.raw().KV = direct
	n.put("state/shop", "end")
	now, _, err := n.Get(t.Context(), "state/shop")
	if err != nil {
		t.Fatal(err)
	}
	events, err := n.history(t.Context(), "state/shop", base, now.ModRevision)
	if err != nil {
		t.Fatal(err)
	}
	happened := map[string]int64{}
	for _, e := range events {
		value := string(e.Kv.Value)
		if _, again := happened[value]; again && value != "rival" {
			t.Errorf("%q took place twice", value)
		}
		happened[value] = e.Kv.ModRevision
	}
	delete(happened, "rival")
	delete(happened, "end")
	unknown := 0
	for value, rev := range told {
		if rev == -1 {
			unknown++
			delete(happened, value)
			continue
		}
		if happened[value] != rev {
			t.Errorf("%q was said to be committed at %d, history has it at %d", value, rev, happened[value])
		}
		delete(happened, value)
	}
	if len(happened) != 0 {
		t.Errorf("took place although said not to: %v", happened)
	}
	if len(told) < 10 || unknown > len(told)/2 {
		t.Errorf("%d told, %d unknown: the test proves little", len(told), unknown)
	}
}

func (n *node) put1(kv clientv3.KV, key, value string) int64 {
	n.t.Helper()
	resp, err := kv.Put(n.t.Context(), n.key(key), value)
	if err != nil {
		n.t.Fatal(err)
	}
	return resp.Header.Revision
}
