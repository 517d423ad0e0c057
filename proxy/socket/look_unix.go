//go:build unix

package socket

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// Usable says that this package works on this system. Where it does not, its
// functions must not be called, but for Peek, Quiet, Pending and Ended.
const Usable = true

// Quiet reports whether the socket has neither bytes nor an end to read.
func Quiet(fd uintptr) bool {
	_, err := peek(fd)
	return err == syscall.EAGAIN || err == syscall.EINTR
}

// Pending reports whether the socket holds bytes to read.
func Pending(fd uintptr) bool {
	n, err := peek(fd)
	return err == nil && n > 0
}

// Ended reports whether the other side has ended its sending, whatever it sent
// before.
func Ended(fd uintptr) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: endOfStream}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&(endOfStream|unix.POLLHUP|unix.POLLERR) != 0
}

// Peek calls look with the number of bytes at hand, which it puts into b and
// leaves in the socket, whenever more may have come, until look has enough. It
// waits for them as a read of nc does.
func Peek(nc net.Conn, b []byte, look func(n int, err error) (enough bool)) error {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return ErrNoSocket
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
