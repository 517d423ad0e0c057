package main

import (
	"encoding/json"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// brokenPath is what every build fails at, whoever asks and however often.
const brokenPath = "/broken/"

// hangs is how long a hung request stays without an answer.
const hangs = time.Minute

// origin is one version. Its handler is safe for concurrent use.
type origin struct {
	name    string
	latency time.Duration
	fault   atomic.Pointer[fault]

	requests atomic.Int64
	errors   atomic.Int64
	inFlight atomic.Int64
	last     atomic.Int64 // unix nanoseconds at which the last user's request came in; 0: none
	arrivals arrivals
}

// stats is what an origin saw of users. Probes and control requests are not in it.
type stats struct {
	Name     string `json:"name"`
	Requests int64  `json:"requests"`
	Errors   int64  `json:"errors"` // answers that a fault spoilt
	InFlight int64  `json:"in_flight"`
	Last     int64  `json:"last_unix_ns"`
	Now      int64  `json:"now_unix_ns"`
	Fault    string `json:"fault"`
}

func newOrigin(name string, latency time.Duration) *origin {
	o := &origin{name: name, latency: latency}
	o.fault.Store(&fault{})
	return o
}

func newServer(o *origin) *fasthttp.Server {
	return &fasthttp.Server{Handler: o.serve, NoDefaultServerHeader: true, NoDefaultDate: true}
}

func (o *origin) serve(ctx *fasthttp.RequestCtx) {
	path := string(ctx.Path())
	switch {
	case path == "/healthz":
		if o.fault.Load().unhealthy {
			ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
		}
	case path == "/smoke":
		for began := time.Now(); o.fault.Load().smoky && time.Since(began) < hangs; {
			time.Sleep(20 * time.Millisecond)
		}
	case strings.HasPrefix(path, "/__origin/"):
		o.control(ctx, strings.TrimPrefix(path, "/__origin/"))
	default:
		o.answer(ctx)
	}
}

// control is the proof's side.
func (o *origin) control(ctx *fasthttp.RequestCtx, what string) {
	switch {
	case what == "arrivals":
		body, _ := json.Marshal(o.arrivals.since(int64(ctx.QueryArgs().GetUintOrZero("first"))))
		ctx.SetContentType("application/json")
		ctx.SetBody(body)
	case what == "fault" && ctx.IsPost():
		f, err := parseFault(string(ctx.QueryArgs().QueryString()))
		if err != nil {
			ctx.Error(err.Error(), fasthttp.StatusBadRequest)
			return
		}
		o.fault.Store(&f)
		fallthrough
	case what == "stats":
		// A struct of strings and numbers always marshals.
		body, _ := json.Marshal(o.stats())
		ctx.SetContentType("application/json")
		ctx.SetBody(body)
	default:
		ctx.Error("POST /__origin/fault?…, GET /__origin/stats or GET /__origin/arrivals?first=…", fasthttp.StatusNotFound)
	}
}

func (o *origin) stats() stats {
	return stats{
		Name: o.name, Requests: o.requests.Load(), Errors: o.errors.Load(), InFlight: o.inFlight.Load(),
		Last: o.last.Load(), Now: time.Now().UnixNano(), Fault: o.fault.Load().text,
	}
}

// answer is a user's request.
func (o *origin) answer(ctx *fasthttp.RequestCtx) {
	now := time.Now()
	o.last.Store(now.UnixNano())
	o.arrivals.add(now)
	o.requests.Add(1)
	o.inFlight.Add(1)
	defer o.inFlight.Add(-1)
	f := o.fault.Load()
	time.Sleep(o.latency + f.latency)
	ctx.Response.Header.Set("X-Version", o.name)
	told := ctx.Request.Header.Peek("X-Weir-Flags")
	if len(told) > 0 {
		ctx.Response.Header.SetBytesV("X-Flags", told)
	}
	if strings.HasPrefix(string(ctx.Path()), brokenPath) {
		ctx.SetStatusCode(fasthttp.StatusInternalServerError)
		return
	}
	if f.share < 1 && rand.Float64() >= f.share || !strings.Contains(string(told), f.told) {
		ctx.SetBodyString("hello from " + o.name + "\n")
		return
	}
	o.errors.Add(1)
	switch f.kind {
	case fails:
		ctx.SetStatusCode(fasthttp.StatusInternalServerError)
		ctx.SetBodyString(o.name + " is broken\n")
	case hangsUp:
		time.Sleep(hangs)
	case resets:
		ctx.HijackSetNoResponse(true)
		ctx.Hijack(func(c net.Conn) { linger(c, 0) })
	case truncates:
		ctx.HijackSetNoResponse(true)
		ctx.Hijack(func(c net.Conn) {
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nX-Version: " + o.name + "\r\nContent-Length: 1000\r\n\r\nhalf of")) // a client that left misses nothing
		})
	}
}

// linger sets how a connection ends: 0 resets it.
func linger(c net.Conn, seconds int) {
	for {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(seconds) // a connection that is gone needs no end
			return
		}
		wrapped, ok := c.(interface{ UnsafeConn() net.Conn })
		if !ok {
			return
		}
		c = wrapped.UnsafeConn()
	}
}
