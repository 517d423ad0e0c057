//go:build linux && (amd64 || arm64) && !race

package socket

import (
	"io"
	"syscall"
	"unsafe"
)

// The calls here are made without telling the scheduler (RawSyscall). That is
// sound because they cannot block: the sockets are non-blocking, and a message
// is at most a few pages, so a call ends after some microseconds whatever the
// other side does. What it saves is more than the two hooks around each call:
// a scheduler that is told may take the processor away from a call that is
// slower than 20 µs, which costs two switches of threads when it returns.
//
// The race detector takes what goes through a socket for an order of events, but
// only through package syscall: tests under it use the ordinary calls.

// Read reads what the socket holds. again says that it holds nothing now. The
// end of the stream is io.EOF. p must not be empty.
func Read(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		r, _, e := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch {
		case e == syscall.EINTR:
		case e == syscall.EAGAIN:
			return 0, true, nil
		case e != 0:
			return 0, false, e
		case r == 0:
			return 0, false, io.EOF
		default:
			return int(r), false, nil
		}
	}
}

// Write writes as much of p as the socket takes now; n < len(p) without an
// error says that it is full.
func Write(fd uintptr, p []byte) (n int, err error) {
	for n < len(p) {
		rest := p[n:]
		r, _, e := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(rest))), uintptr(len(rest)))
		switch e {
		case 0:
			n += int(r)
		case syscall.EINTR:
		case syscall.EAGAIN:
			return n, nil
		default:
			return n, e
		}
	}
	return n, nil
}

// peek is recv(2) of one byte that stays in the socket.
func peek(fd uintptr) (n int, err error) {
	var b [1]byte
	r, _, e := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b)), 1, syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(r), nil
}
