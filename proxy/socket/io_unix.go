//go:build unix && !(linux && (amd64 || arm64) && !race)

package socket

import (
	"io"
	"syscall"
)

// Read reads what the socket holds. again says that it holds nothing now. The
// end of the stream is io.EOF. p must not be empty.
func Read(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		n, err = syscall.Read(int(fd), p)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return 0, true, nil
		case err != nil:
			return 0, false, err
		case n <= 0:
			return 0, false, io.EOF
		default:
			return n, false, nil
		}
	}
}

// Write writes as much of p as the socket takes now; n < len(p) without an
// error says that it is full.
func Write(fd uintptr, p []byte) (n int, err error) {
	for n < len(p) {
		m, err := syscall.Write(int(fd), p[n:])
		n += max(m, 0)
		switch err {
		case nil, syscall.EINTR:
		case syscall.EAGAIN:
			return n, nil
		default:
			return n, err
		}
	}
	return n, nil
}

// peek is recv(2) of one byte that stays in the socket.
func peek(fd uintptr) (n int, err error) {
	var b [1]byte
	n, _, err = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n, err
}
