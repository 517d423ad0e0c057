//go:build unix

package proxy

import "syscall"

// peekBytes reports whether the socket holds bytes to read.
func peekBytes(fd uintptr) bool {
	var b [1]byte
	n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err == nil && n > 0
}
