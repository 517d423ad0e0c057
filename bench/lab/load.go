package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// Load is traffic to be sent.
type Load struct {
	Address string // of weir's clients
	Host    string // default: shop.example.com
	Path    string // default: /

	// Users is how many identities the requests carry, each an own client
	// address and an own X-User-Id. 0: all are of one.
	Users int

	// First is the number of the first of them.
	First int
}

// Traffic is a load that runs. Stop it.
type Traffic struct {
	load   Load
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu    sync.Mutex
	idle  []*conn // last in, first out
	shots Shots
}

// Open sends rps requests a second whether or not those before have been
// answered: a slow answer delays no other request, as with real users.
func (l Load) Open(rps int) *Traffic {
	return l.Swing(func(time.Duration) float64 { return float64(rps) })
}

// Swing is Open with a rate that changes over the time since it began. The rate
// is above 0.
func (l Load) Swing(rps func(time.Duration) float64) *Traffic {
	ctx, cancel := context.WithCancel(context.Background())
	t := &Traffic{load: l.filled(), cancel: cancel}
	t.done.Go(func() {
		var shooting sync.WaitGroup
		defer shooting.Wait()
		began := time.Now()
		for due := began; ctx.Err() == nil; {
			time.Sleep(time.Until(due))
			due = due.Add(time.Duration(float64(time.Second) / rps(due.Sub(began))))
			shooting.Go(func() { t.record(t.shoot(t.load.request())) })
		}
	})
	return t
}

// Closed runs clients that each keep one connection alive and ask again as soon
// as they are answered, after a pause of up to think. A client whose connection
// is closed makes a new one; one that is refused is done.
func (l Load) Closed(clients int, think time.Duration) *Traffic {
	ctx, cancel := context.WithCancel(context.Background())
	t := &Traffic{load: l.filled(), cancel: cancel}
	for range clients {
		t.done.Go(func() { t.client(ctx, think) })
	}
	return t
}

// Stop ends the traffic, waits for the answers that are due and returns all shots.
func (t *Traffic) Stop() Shots {
	t.cancel()
	return t.Wait()
}

// Wait waits until all clients are done by themselves.
func (t *Traffic) Wait() Shots {
	t.done.Wait()
	t.cancel()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.idle {
		c.close()
	}
	t.idle = nil
	return t.shots
}

// Sent returns how many requests have ended so far.
func (t *Traffic) Sent() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.shots)
}

// Shots are the requests that have ended so far.
func (t *Traffic) Shots() Shots {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.shots)
}

func (l Load) filled() Load {
	if l.Host == "" {
		l.Host = "shop.example.com"
	}
	if l.Path == "" {
		l.Path = "/"
	}
	return l
}

// request is one request of a random user.
func (l Load) request() []byte {
	user := l.First + rand.IntN(max(l.Users, 1))
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nX-Forwarded-For: 10.%d.%d.%d\r\nX-User-Id: user-%d\r\n\r\n",
		l.Path, l.Host, user>>16&255, user>>8&255, user&255, user)
}

// shoot sends one request on an idle connection or a new one.
func (t *Traffic) shoot(request []byte) Shot {
	shot := Shot{Began: time.Now()}
	c, err := t.acquire()
	if err != nil {
		shot.Ended, shot.Fate, shot.Reason = time.Now(), Refused, err.Error()
		return shot
	}
	if keep := c.shoot(request, &shot); keep {
		c.used = shot.Ended
		t.mu.Lock()
		t.idle = append(t.idle, c)
		t.mu.Unlock()
	} else {
		c.close()
	}
	return shot
}

// longIdle is when a client gives up a connection that it did not use, as
// browsers and proxies do: earlier than the other side, which may end an idle
// connection in the very moment of the next request.
const longIdle = 15 * time.Second

func (t *Traffic) acquire() (*conn, error) {
	if c := t.pop(); c != nil {
		return c, nil
	}
	return dial(t.load.Address)
}

// pop takes the idle connection that was used last; nil if none is young enough.
func (t *Traffic) pop() *conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(t.idle)
	if n == 0 {
		return nil
	}
	if c := t.idle[n-1]; time.Since(c.used) < longIdle {
		t.idle = t.idle[:n-1]
		return c
	}
	// All others are older still.
	for _, c := range t.idle {
		c.close()
	}
	t.idle = t.idle[:0]
	return nil
}

// shoot fills in what became of a request, and reports whether the connection
// can be used again.
func (c *conn) shoot(request []byte, shot *Shot) (keep bool) {
	resp := fasthttp.AcquireResponse()
	defer fasthttp.ReleaseResponse(resp)
	fate, err := c.do(request, resp)
	shot.Ended, shot.Fate = time.Now(), fate
	if err != nil {
		shot.Reason = err.Error()
		return false
	}
	shot.Status = resp.StatusCode()
	shot.Version = string(resp.Header.Peek("X-Version"))
	shot.Reason = string(resp.Header.Peek("X-Weir-Reason"))
	return !resp.ConnectionClose()
}

// client is one of Closed.
func (t *Traffic) client(ctx context.Context, think time.Duration) {
	var c *conn
	defer func() {
		if c != nil {
			c.close()
		}
	}()
	for ctx.Err() == nil {
		shot := Shot{Began: time.Now()}
		if c == nil {
			var err error
			if c, err = dial(t.load.Address); err != nil {
				shot.Ended, shot.Fate, shot.Reason = time.Now(), Refused, err.Error()
				t.record(shot)
				return
			}
		}
		if keep := c.shoot(t.load.request(), &shot); !keep {
			c.close()
			c = nil
		}
		t.record(shot)
		if think > 0 {
			time.Sleep(rand.N(think))
		}
	}
}

func (t *Traffic) record(s Shot) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shots = append(t.shots, s)
}
