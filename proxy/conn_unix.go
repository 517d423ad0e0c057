//go:build unix

package proxy

import (
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// canReadNow says that readNow works here.
const canReadNow = true

// readNow reads what the socket holds. again says that it holds nothing.
func readNow(fd uintptr, p []byte) (n int, again bool, err error) {
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

// hungUp reports whether the other side has closed the connection, whatever it
// sent before.
func hungUp(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: endOfStream}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&(endOfStream|unix.POLLHUP|unix.POLLERR) != 0
}
