package lab

import (
	"bufio"
	"net"
	"time"

	"github.com/valyala/fasthttp"
)

// Fate is what became of a request, as its client knows it.
type Fate uint8

// Fates of a request.
const (
	Answered Fate = iota // a complete answer came, whatever its status
	Refused              // no connection was made: nothing was sent, and it is safe to try elsewhere
	Unsent               // the connection was gone when the request was to be written: the same
	Lost                 // it was sent, and no complete answer came
)

func (f Fate) String() string { return [...]string{"answered", "refused", "unsent", "lost"}[f] }

// patience is how long a client waits for an answer, more than weir gives a version.
const patience = 20 * time.Second

// conn is one client connection. One goroutine uses it at a time.
type conn struct {
	nc   net.Conn
	br   *bufio.Reader
	used time.Time // when it had its last answer
}

func dial(address string) (*conn, error) {
	nc, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &conn{nc: nc, br: bufio.NewReader(nc), used: time.Now()}, nil
}

// do sends a request and reads the answer. With any fate but Answered, and
// after an answer that closes the connection, the connection is done for.
//
// It never tries again: where a browser would send a request anew on another
// connection, a loss is a loss here.
func (c *conn) do(request []byte, resp *fasthttp.Response) (Fate, error) {
	if err := c.nc.SetDeadline(time.Now().Add(patience)); err != nil {
		return Unsent, err
	}
	if n, err := c.nc.Write(request); err != nil && n < len(request) {
		return Unsent, err
	}
	if err := resp.Read(c.br); err != nil {
		return Lost, err
	}
	return Answered, nil
}

func (c *conn) close() { _ = c.nc.Close() }
