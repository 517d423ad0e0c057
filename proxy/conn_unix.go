//go:build unix

package proxy

import (
	"errors"
	"net"
	"syscall"
)

// peek calls look with the number of bytes at hand, which it puts into b and
// leaves in the socket, whenever more may have come, until look has enough.
func peek(nc net.Conn, b []byte, look func(n int, err error) (enough bool)) error {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return errNoPeek
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), b, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if errors.Is(err, syscall.EAGAIN) {
			return false
		}
		return look(max(n, 0), err)
	})
}

// peekBytes reports whether the socket holds bytes to read.
func peekBytes(fd uintptr) bool {
	var b [1]byte
	n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err == nil && n > 0
}
