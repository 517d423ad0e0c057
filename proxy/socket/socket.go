// Package socket looks at sockets, and moves small messages, without waiting.
//
// All functions take the descriptor of a stream socket in non-blocking mode, as
// those of package net are, from within a callback of syscall.RawConn, which
// keeps it from being closed and used again meanwhile. They touch no deadline
// and keep no state, so what holds for concurrent use is what holds for read(2)
// and write(2).
package socket

import "errors"

// ErrNoSocket says that a connection has no descriptor, or none that this
// system lets us look into.
var ErrNoSocket = errors.New("the connection cannot be looked into")

// Small is the largest message in bytes that Read and Write are meant for: the
// kernel copies it in a few microseconds.
const Small = 64 << 10
