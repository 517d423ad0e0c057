//go:build !unix

package proxy

import "net"

const canReadNow = false

func readNow(uintptr, []byte) (int, bool, error) { return 0, true, nil }

// peek cannot look into the socket here.
func peek(net.Conn, []byte, func(int, error) bool) error { return errNoPeek }

func peekBytes(uintptr) bool { return false }

func hungUp(uintptr) bool { return false }
