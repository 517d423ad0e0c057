package proxy

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// parker waits for the next request of connections that have been idle for a
// while, so that they need neither a goroutine nor a stack. One goroutine of
// its own waits for all of them; it starts with the first one and ends with
// close. It uses an epoll instance beside the Go runtime's.
type parker struct {
	server *Server

	mu     sync.Mutex
	file   *os.File // the epoll instance; nil: not started
	epoll  int      // its descriptor, until closed
	closed bool
	conns  map[int32]*clientConn // by file descriptor
}

// park takes over an idle connection and serves it again when bytes come, or
// closes it once it has been idle for long enough. It reports false if it
// cannot, and then the connection is still the caller's.
func (p *parker) park(c *clientConn, until int64) bool {
	raw := rawOf(c.Conn)
	if raw == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.file == nil && !p.start() {
		return false
	}
	added := false
	err := raw.Control(func(fd uintptr) {
		event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT, Fd: int32(fd)}
		c.parkedAt, c.parkedUntil = int32(fd), until
		p.conns[int32(fd)] = c
		added = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, int(fd), &event) == nil
		if !added {
			delete(p.conns, int32(fd))
		}
	})
	return err == nil && added
}

func (p *parker) start() bool {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		p.closed = true
		p.server.log.Warn("idle connections keep their goroutines", zap.Error(fmt.Errorf("cannot make an epoll instance: %w", err)))
		return false
	}
	p.file, p.epoll = os.NewFile(uintptr(fd), "parked connections"), fd
	p.conns = make(map[int32]*clientConn)
	go p.run()
	return true
}

// run wakes connections until close.
func (p *parker) run() {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return
	}
	every := max(p.server.options.KeepAlive/16, 50*time.Millisecond)
	events := make([]unix.EpollEvent, 256)
	var n int
	wait := func(fd uintptr) bool {
		for {
			var err error
			if n, err = unix.EpollWait(int(fd), events, 0); err != unix.EINTR {
				return n != 0
			}
		}
	}
	for sweep := time.Now().Add(every); ; {
		if err := p.file.SetReadDeadline(sweep); err != nil {
			return
		}
		switch err := raw.Read(wait); {
		case err == nil:
			for i := range max(n, 0) {
				p.wake(events[i].Fd)
			}
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return
		}
		if time.Now().After(sweep) {
			p.expire()
			sweep = time.Now().Add(every)
		}
	}
}

// wake serves the connection again, unless somebody else has taken it.
func (p *parker) wake(fd int32) {
	p.mu.Lock()
	c := p.conns[fd]
	p.mu.Unlock()
	if c != nil && p.take(c) {
		go p.server.serveConn(c)
	}
}

// take gives a parked connection to the caller. It reports false if c is not
// parked.
func (p *parker) take(c *clientConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns[c.parkedAt] != c {
		return false
	}
	delete(p.conns, c.parkedAt)
	if p.closed {
		return true
	}
	_ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, int(c.parkedAt), nil)
	return true
}

// expire closes what has been idle for too long.
func (p *parker) expire() {
	now := p.server.handler.Now()
	p.mu.Lock()
	var over []*clientConn
	for _, c := range p.conns {
		if c.parkedUntil <= now {
			over = append(over, c)
		}
	}
	p.mu.Unlock()
	for _, c := range over {
		c.kill()
	}
}

// close ends the goroutine. What is parked was killed before.
func (p *parker) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.file != nil {
		_ = p.file.Close()
	}
}
