package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/weirproxy/weir/configs"
)

// fault is what goes wrong with the new version.
type fault struct {
	errors  configs.Weight // share of answers that become 500
	latency time.Duration  // added to every answer
	down    bool
	text    string
}

func (f fault) none() bool { return f.errors == 0 && f.latency == 0 && !f.down }

func parseFault(text string) (fault, error) {
	name, value, _ := strings.Cut(text, "=")
	switch name {
	case "none":
		return fault{text: "nothing goes wrong"}, nil
	case "down":
		return fault{down: true, text: "green dies"}, nil
	case "errors":
		w, err := configs.ParseWeight(value)
		if err != nil || w == 0 {
			return fault{}, usagef("--fault errors takes a share, such as errors=50%%")
		}
		return fault{errors: w, text: fmt.Sprintf("green answers %s of its requests with 500", w)}, nil
	case "latency":
		d, err := time.ParseDuration(value)
		if err != nil || d <= 0 || d > 10*time.Second {
			return fault{}, usagef("--fault latency takes a duration up to 10s, such as latency=300ms")
		}
		return fault{latency: d, text: fmt.Sprintf("green takes %s longer for each answer", d)}, nil
	}
	return fault{}, usagef("there is no fault %q; write none, errors=50%%, latency=300ms or down", text)
}

// origin is one version of the demo's service, with a switch to break it.
type origin struct {
	name     string
	listener net.Listener
	server   *fasthttp.Server
	fault    atomic.Pointer[fault]
	requests atomic.Int64
	last     atomic.Int64 // unix nanoseconds of the last request that came in
	done     sync.WaitGroup
	random   atomic.Uint64
}

func newOrigin(name string, seed uint64) (*origin, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot start version %s: %w", name, err)
	}
	o := &origin{name: name, listener: l}
	o.random.Store(seed)
	o.server = &fasthttp.Server{Handler: o.serve, NoDefaultServerHeader: true, Logger: quiet{}}
	o.done.Go(func() { _ = o.server.Serve(l) }) // it ends when the listener is closed
	return o, nil
}

func (o *origin) address() string { return o.listener.Addr().String() }

func (o *origin) serve(ctx *fasthttp.RequestCtx) {
	f := o.fault.Load()
	if string(ctx.Path()) == "/healthz" {
		ctx.SetBodyString("ok\n")
		return
	}
	o.requests.Add(1)
	o.last.Store(time.Now().UnixNano())
	if f != nil && f.latency > 0 {
		time.Sleep(f.latency)
	}
	if f != nil && f.errors > 0 {
		draw := rand.New(rand.NewPCG(o.random.Add(1), 1))
		if configs.Weight(draw.IntN(int(configs.Whole))) < f.errors {
			ctx.SetStatusCode(fasthttp.StatusInternalServerError)
			ctx.SetBodyString(o.name + " is broken\n")
			return
		}
	}
	ctx.SetBodyString("hello from " + o.name + "\n")
}

// fail breaks the origin.
func (o *origin) fail(f fault) {
	o.fault.Store(&f)
	if f.down {
		o.close()
	}
}

func (o *origin) close() {
	_ = o.listener.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_ = o.server.ShutdownWithContext(ctx) // requests that sleep may be cut off
	o.done.Wait()
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}

// crowd is steady open-loop traffic of many users: a request is due at its
// time, whether or not the ones before it have been answered.
type crowd struct {
	client *fasthttp.HostClient
	users  []visitor
	sent   atomic.Int64
	failed atomic.Int64 // 5xx answers and broken connections: what users felt
}

// visitor is one client with its address and the cookie that it was given.
type visitor struct {
	address string
	mu      sync.Mutex
	cookie  string
}

func newCrowd(address string, n int) *crowd {
	c := &crowd{
		client: &fasthttp.HostClient{
			Addr: address, MaxConns: 512, MaxConnWaitTimeout: time.Second, ReadTimeout: 20 * time.Second, MaxIdemponentCallAttempts: 1,
		},
		users: make([]visitor, n),
	}
	for i := range c.users {
		c.users[i].address = fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255)
	}
	return c
}

// run sends rps requests a second until ctx ends, and waits for their answers.
func (c *crowd) run(ctx context.Context, rps int, random *rand.Rand) {
	due := make(chan *visitor, 4096)
	var workers sync.WaitGroup
	for range 128 {
		workers.Go(func() {
			for u := range due {
				c.ask(u)
			}
		})
	}
	started, sent := time.Now(), 0
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for ctx.Err() == nil {
		for ; sent < int(time.Since(started).Seconds()*float64(rps)); sent++ {
			select {
			case due <- &c.users[random.IntN(len(c.users))]:
			default: // everybody waits; the request is not sent late but not at all
			}
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
	close(due)
	workers.Wait()
	c.client.CloseIdleConnections()
}

func (c *crowd) ask(u *visitor) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI("http://shop.example.com/")
	req.Header.Set("X-Forwarded-For", u.address)
	u.mu.Lock()
	if u.cookie != "" {
		req.Header.Set("Cookie", "weir_id="+u.cookie)
	}
	u.mu.Unlock()
	c.sent.Add(1)
	if err := c.client.Do(req, resp); err != nil || resp.StatusCode() >= 500 {
		c.failed.Add(1)
	}
	if set := resp.Header.PeekCookie("weir_id"); len(set) > 0 {
		value, _, _ := strings.Cut(string(set), ";")
		u.mu.Lock()
		u.cookie = strings.TrimPrefix(value, "weir_id=")
		u.mu.Unlock()
	}
}

// thousands writes n with thin gaps, for a person.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}
