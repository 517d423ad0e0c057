//go:build !unix

package proxy

import "net"

// peekBytes cannot look into the socket here.
func peekBytes(uintptr) bool { return false }

// peek cannot look into the socket here.
func peek(net.Conn, []byte, func(int, error) bool) error { return errNoPeek }
