package store

import (
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Compare is one condition of a transaction. Make it with ModRevision, Absent,
// Empty, or take the leader's fence from Leader.
type Compare struct {
	kind compareKind
	key  string
	rev  int64
}

type compareKind uint8

const (
	compareMod compareKind = iota
	compareCreate
	compareEmpty
	compareNoneSince
	compareUnchanged
)

// ModRevision holds if key was last written at revision rev; 0 means that the key is absent.
func ModRevision(key string, rev int64) Compare { return Compare{compareMod, key, rev} }

// Absent holds if key does not exist.
func Absent(key string) Compare { return Compare{compareCreate, key, 0} }

// Empty holds if no key begins with prefix. End prefix with a slash, as CutsOf does.
func Empty(prefix string) Compare { return Compare{compareEmpty, prefix, 0} }

// NoneSince holds if every key that begins with prefix was created at revision
// rev or before; none at all is fine. End prefix with a slash, as CutsOf does.
func NoneSince(prefix string, rev int64) Compare { return Compare{compareNoneSince, prefix, rev} }

// UnchangedSince holds if every key that begins with prefix was last written at
// revision rev or before; none at all is fine, and keys that were deleted since are
// not seen. End prefix with a slash.
func UnchangedSince(prefix string, rev int64) Compare { return Compare{compareUnchanged, prefix, rev} }

// Created holds if key exists since revision rev, whatever was written to it
// later. The leader's fence is Created(LeaderKey, rev).
func Created(key string, rev int64) Compare { return Compare{compareCreate, key, rev} }

func (c Compare) String() string {
	switch c.kind {
	case compareMod:
		return fmt.Sprintf("%s is at revision %d", c.key, c.rev)
	case compareEmpty:
		return fmt.Sprintf("nothing is under %s", c.key)
	case compareNoneSince:
		return fmt.Sprintf("nothing under %s is newer than revision %d", c.key, c.rev)
	case compareUnchanged:
		return fmt.Sprintf("nothing under %s was written after revision %d", c.key, c.rev)
	}
	if c.rev == 0 {
		return fmt.Sprintf("%s is absent", c.key)
	}
	return fmt.Sprintf("%s exists since revision %d", c.key, c.rev)
}

// Op is one write of a transaction. Make it with Put, PutLeased, Delete or DeleteRange.
type Op struct {
	kind  opKind
	key   string
	value []byte
}

type opKind uint8

const (
	opPut opKind = iota
	opPutLeased
	opDelete
	opDeleteRange
)

// Put writes value to key. The store does not keep value after Commit.
func Put(key string, value []byte) Op { return Op{opPut, key, value} }

// PutLeased writes value to key under the node's lease: it vanishes with the
// node. For a key that must come back with the next lease use Store.Keep.
func PutLeased(key string, value []byte) Op { return Op{opPutLeased, key, value} }

// Delete removes key; it is no error if there is none.
func Delete(key string) Op { return Op{opDelete, key, nil} }

// DeleteRange removes every key that begins with prefix, e.g. CutsOf(rollout).
func DeleteRange(prefix string) Op { return Op{opDeleteRange, prefix, nil} }

// Size is how many bytes the operation takes of a transaction, about.
func (o Op) Size() int { return len(o.key) + len(o.value) }

// Txn is a transaction: if every condition holds, all writes take place at one
// revision, else none. etcd allows 128 conditions, 128 writes and 1.5 MiB in one.
type Txn struct {
	If   []Compare
	Then []Op
}

// Result is the proven outcome of a transaction.
type Result struct {
	// Committed is true if the writes took place.
	Committed bool
	// Revision is that of the writes if Committed (Updates delivers it too), else the one at which a condition failed.
	Revision int64
	// Existing has the present values of the keys in If that exist, when
	// Committed is false; of an Empty range it has one key.
	Existing []KV
}

// build turns t into etcd's form. lease is the node's, 0 for none.
func (t Txn) build(prefix string, lease clientv3.LeaseID) (ifs []clientv3.Cmp, then, read []clientv3.Op, err error) {
	for _, c := range t.If {
		cmp, get := c.build(prefix)
		ifs = append(ifs, cmp)
		read = append(read, get)
	}
	for _, o := range t.Then {
		key := prefix + "/" + o.key
		switch o.kind {
		case opPut:
			then = append(then, clientv3.OpPut(key, string(o.value)))
		case opPutLeased:
			if lease == 0 {
				return nil, nil, nil, ErrNoLease
			}
			then = append(then, clientv3.OpPut(key, string(o.value), clientv3.WithLease(lease)))
		case opDelete:
			then = append(then, clientv3.OpDelete(key))
		case opDeleteRange:
			then = append(then, clientv3.OpDelete(key, clientv3.WithPrefix()))
		}
	}
	return ifs, then, read, nil
}

func (c Compare) build(prefix string) (clientv3.Cmp, clientv3.Op) {
	key := prefix + "/" + c.key
	switch c.kind {
	case compareMod:
		return clientv3.Compare(clientv3.ModRevision(key), "=", c.rev), clientv3.OpGet(key)
	case compareEmpty:
		// A comparison over a range must hold for every key in it, and no key
		// was created at 0: it holds for the empty range only.
		return clientv3.Compare(clientv3.CreateRevision(key), "=", 0).WithPrefix(),
			clientv3.OpGet(key, clientv3.WithPrefix(), clientv3.WithLimit(1))
	case compareNoneSince:
		return clientv3.Compare(clientv3.CreateRevision(key), "<", c.rev+1).WithPrefix(),
			clientv3.OpGet(key, clientv3.WithPrefix(), clientv3.WithMinCreateRev(c.rev+1), clientv3.WithLimit(1))
	case compareUnchanged:
		return clientv3.Compare(clientv3.ModRevision(key), "<", c.rev+1).WithPrefix(),
			clientv3.OpGet(key, clientv3.WithPrefix(), clientv3.WithMinModRev(c.rev+1), clientv3.WithLimit(1))
	}
	return clientv3.Compare(clientv3.CreateRevision(key), "=", c.rev), clientv3.OpGet(key)
}
