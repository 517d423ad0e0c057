package store

import "time"

// KV is one key of the state at one revision.
//
// The holder must not write to Value: the store shares it with its disk copy.
type KV struct {
	// Key is without the cluster's prefix, e.g. "services/shop".
	Key   string `json:"key"`
	Value []byte `json:"value"`
	// ModRevision is the revision of the last write, the ETag of the API. It never goes back.
	ModRevision int64 `json:"mod"`
	// CreateRevision is the revision that created the key; deleting and putting it makes a new one.
	CreateRevision int64 `json:"create"`
}

// Source says where an Update came from.
type Source uint8

const (
	// SourceEtcd is the state as etcd has it.
	SourceEtcd Source = iota
	// SourceDisk is the last good state from this node's disk: etcd could not
	// be reached at the start. It is served, and nothing can be changed.
	SourceDisk
)

func (s Source) String() string {
	switch s {
	case SourceEtcd:
		return "etcd"
	case SourceDisk:
		return "disk"
	}
	return "unknown"
}

// Update is a change of the state, complete for its revision: a transaction is never torn.
type Update struct {
	// Full means that Puts is everything there is: what the consumer holds and
	// Puts lacks is gone. It is sent at the first load and at every resync
	// (reconnect, compaction, wiped or replaced etcd, the periodic re-list).
	Full bool
	// Revision is etcd's revision of this state. It grows from one Update to
	// the next, except that a Full one may have a smaller one after etcd was wiped or restored.
	Revision int64
	Puts     []KV
	// Deletes are keys that are gone. Empty in a Full update.
	Deletes []string
	Source  Source

	cluster uint64 // the etcd that a Full update came from; 0: not etcd
}

// Status is the store's connection to the state, as the metrics show it.
type Status struct {
	// Connected is false from the first call that etcd did not answer to the first resync after it.
	Connected bool
	// Revision is that of the last update delivered; 0 before the first.
	Revision int64
	// Age is the time since the last proof that Revision is what etcd has;
	// about a second while connected. Before the first proof it counts from Open.
	Age time.Duration
	// Source is that of the last update delivered.
	Source Source
	// ReadOnly is true if the embedded etcd would not open and the store serves the disk copy until the process ends.
	ReadOnly bool
	// Fenced counts the writes of this node as the leader that etcd refused,
	// because it had been relieved by the time they came.
	Fenced uint64
	// Size and Quota are the bytes of etcd's database and its limit, as of the
	// last minute; 0 while unknown. At the quota etcd refuses writes.
	Size, Quota int64
	// Err is why Connected is false; nil if it is true, and until the first attempt has failed.
	Err error
}
