package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap"
)

// Listen opens a TCP listener that can be drained without loss. It does without
// Multipath TCP, Go's default, because Linux takes no socket filter on one.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	ln, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: %w", address, err)
	}
	return ln, nil
}

// listener accepts client connections. It survives having no file descriptors
// left.
type listener struct {
	net.Listener
	server *Server
	entry  Entry

	handed bool        // Drain closes it at once; the Server's mutex guards it
	left   atomic.Bool // it was told to close
	ending atomic.Bool
	last   time.Time // when the listener ends whatever arrives; set before ending
	empty  bool      // the queue was found empty while ending; used by next alone
}

// next returns the next connection, or io.EOF once Drain or Close has ended the
// listener. Any other error is one that waiting does not mend.
func (l *listener) next() (*clientConn, error) {
	for pause := time.Duration(0); ; {
		nc, err := l.Listener.Accept()
		switch {
		case err == nil:
			pause, l.empty = 0, false
			if c := l.server.admit(nc); c != nil {
				return c, nil
			}
		case l.left.Load():
			return nil, io.EOF
		case l.ending.Load():
			if l.ended(err) {
				_ = l.Listener.Close()
				return nil, io.EOF
			}
		case lasting(err):
			return nil, fmt.Errorf("cannot accept connections on %s: %w", l.Addr(), err)
		default:
			// net/http's remedy: what is short now may not be in a moment.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			l.server.log.Warn("cannot accept a connection", zap.Error(err), zap.Duration("retry_in", pause))
			time.Sleep(pause)
		}
	}
}

// lasting reports whether an error of Accept is about the listener itself, and
// not about a connection or what is short just now.
func lasting(err error) bool {
	for _, e := range []error{net.ErrClosed, syscall.EBADF, syscall.EINVAL, syscall.ENOTSOCK, syscall.EOPNOTSUPP, syscall.EFAULT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// leave closes the listener at once, as it was told to.
func (l *listener) leave() {
	l.left.Store(true)
	_ = l.Listener.Close()
}

// settle is how long an ending listener waits for handshakes under way: a
// round trip of a distant client.
const settle = 200 * time.Millisecond

// end makes next return io.EOF after the connections that were completed so
// far. New ones are left unanswered until the socket closes, and refused then.
func (l *listener) end() {
	if l.entry.Kept {
		l.leave()
		return
	}
	sc, ok := l.Listener.(interface {
		syscall.Conn
		SetDeadline(time.Time) error
	})
	if !ok {
		l.leave()
		return
	}
	wait := settle
	if err := refuseNew(sc); err != nil {
		// Nothing holds new connections back, so waiting would only make more.
		l.server.log.Warn("cannot hold new connections back while draining", zap.Error(err))
		wait = 0
	}
	l.last = time.Now().Add(wait + time.Second)
	l.ending.Store(true)
	_ = sc.SetDeadline(time.Now().Add(max(wait, time.Millisecond)))
}

// ended reports whether the queue stayed empty. A passed deadline makes Accept
// return without a look at the queue, so one more look is taken.
func (l *listener) ended(err error) bool {
	if !errors.Is(err, syscall.ECONNABORTED) && l.empty || time.Now().After(l.last) {
		return true
	}
	l.empty = true
	dl, ok := l.Listener.(interface{ SetDeadline(time.Time) error })
	return !ok || dl.SetDeadline(time.Now().Add(10*time.Millisecond)) != nil
}
