//go:build !unix

package socket

import "net"

// Usable says that this package works on this system. Where it does not, its
// functions must not be called, but for Peek, Quiet, Pending and Ended.
const Usable = false

// Read is not used here.
func Read(uintptr, []byte) (n int, again bool, err error) { return 0, true, nil }

// Write is not used here.
func Write(uintptr, []byte) (n int, err error) { return 0, ErrNoSocket }

// Quiet cannot look into the socket here; a dead connection is found when it is used.
func Quiet(uintptr) bool { return true }

// Pending cannot look into the socket here.
func Pending(uintptr) bool { return false }

// Ended cannot look into the socket here.
func Ended(uintptr) bool { return false }

// Peek cannot look into the socket here.
func Peek(net.Conn, []byte, func(int, error) bool) error { return ErrNoSocket }
