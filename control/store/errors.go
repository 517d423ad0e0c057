package store

import "errors"

var (
	// ErrUnknown is returned by Commit if etcd did not say whether the
	// transaction took place and reading it back could not tell either.
	// Look at the state before trying again.
	ErrUnknown = errors.New("the outcome of the transaction is unknown: etcd did not answer in time")
	// ErrUnavailable means that etcd could not be reached and that nothing was sent to it.
	ErrUnavailable = errors.New("etcd cannot be reached: nothing was changed")
	// ErrReadOnly means that the embedded etcd did not open and that the store
	// serves its last copy. Repair the state directory and restart.
	ErrReadOnly = errors.New("the state is read-only: the embedded etcd did not open, see the log")
	// ErrFull means that etcd refuses writes because its space quota is used up.
	// Compact and defragment it, or raise the quota; deletes still work. An
	// embedded etcd is compacted and defragmented by a restart.
	ErrFull = errors.New("etcd refuses writes: its space quota is used up")
	// ErrNoLease is returned for an operation under the node's lease while the node has none.
	ErrNoLease = errors.New("the node has no lease at present")
	// ErrLocked means that another process uses the same state directory.
	ErrLocked = errors.New("another process is using it: stop that one, or give this node its own directory")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("the store is closed")
	// ErrDamaged means that a file on disk is not what was written: its header,
	// length or checksum is wrong.
	ErrDamaged = errors.New("the file is damaged")
)
