// Package proxy is the data plane: it takes HTTP/1.1 requests from clients and
// forwards each to an endpoint of the version that the split chose.
//
// One request from start to finish is an exchange. What decides about bytes
// (gate, heads, chunks, serialisers) are functions without I/O; the exchange
// moves the bytes. fasthttp parses requests and decodes their bodies.
package proxy

import (
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// Handler answers requests by the table in force. Safe for concurrent use.
type Handler struct {
	tables  *atomic.Pointer[route.Table]
	options Options
	log     *zap.Logger
	base    time.Time

	draining   atomic.Bool
	panics     atomic.Uint64
	retries    atomic.Uint64
	rejections [rejections]atomic.Uint64
	exchanges  sync.Pool // of *exchange
	buffers    sync.Pool // of *[uploadBuffer]byte
}

// NewHandler returns a Handler that loads its table from tables at each
// request. A nil table answers 503.
func NewHandler(tables *atomic.Pointer[route.Table], opts Options, log *zap.Logger) *Handler {
	h := &Handler{tables: tables, options: opts.withDefaults(), log: log, base: time.Now()}
	h.exchanges.New = func() any { return newExchange(h) }
	h.buffers.New = func() any { return new([uploadBuffer]byte) }
	return h
}

// Now is the time in nanoseconds since the monotonic base of all recorders.
func (h *Handler) Now() int64 { return int64(time.Since(h.base)) }

// Rejections calls f with the number of requests refused for each reason,
// before a version was chosen for them.
func (h *Handler) Rejections(f func(reason Rejection, requests uint64)) {
	for r := Accepted + 1; r < rejections; r++ {
		f(r, h.rejections[r].Load())
	}
}

// Panics is the number of requests that ended in a defect of weir.
func (h *Handler) Panics() uint64 { return h.panics.Load() }

// StaleRetries is the number of requests sent again because the connection
// kept from an earlier request had been closed by its endpoint.
func (h *Handler) StaleRetries() uint64 { return h.retries.Load() }

func (h *Handler) rejected(r Rejection) { h.rejections[r].Add(1) }

// serve is one request. A panic costs this request alone.
func (h *Handler) serve(ctx *fasthttp.RequestCtx) {
	x := h.exchanges.Get().(*exchange)
	x.begin(ctx)
	defer h.finish(x)
	r := x.head.parse(ctx.Method(), ctx.Request.Header.RequestURI(), ctx.Request.Header.Protocol(), ctx.Request.Header.RawHeaders())
	x.close = x.head.close || ctx.Request.Header.ConnectionClose() || h.draining.Load()
	if r != Accepted {
		x.reject(r)
		return
	}
	x.route()
}

// finish ends the exchange on every path, once.
func (h *Handler) finish(x *exchange) {
	if p := recover(); p != nil {
		h.panics.Add(1)
		h.log.Error("a request ended in a panic", zap.Any("panic", p), zap.ByteString("stack", debug.Stack()))
		x.panicked()
	}
	x.end()
	h.exchanges.Put(x)
}

// route finds where the request goes.
func (x *exchange) route() {
	table := x.h.tables.Load()
	if table == nil {
		x.answer(503, "not_ready")
		return
	}
	x.match.Host, x.match.Path, x.match.Method = x.head.host, x.head.path, x.head.method
	rt := table.Match(&x.match)
	if rt == nil {
		x.answer(404, "no_route")
		return
	}
	x.service, x.strip = rt.Service, rt.StripPrefix
	x.client = x.clientAddress()
	if !x.receive() {
		return
	}
	x.choose()
	if !x.pick() {
		x.token = x.version.Recorder.Begin(x.conn.shard, stats.Split, x.h.Now(), x.bucket)
		x.fail(stats.Exhausted)
		return
	}
	x.forward()
}

// choose takes the version from the split, by the client's bucket or a draw.
func (x *exchange) choose() {
	s := x.service
	x.bucket = -1
	at := 0 // without a mix every bucket has the same version
	if s.Mixed || s.Rollout != "" {
		// A candidate that has everything is still under trial, and one client's
		// failures still count once.
		at = x.drawBucket()
	}
	x.version = s.Versions[s.Split.Pick(at)]
}

// drawBucket returns the bucket of the client's sticky key, or draws one.
func (x *exchange) drawBucket() int {
	s := x.service.Sticky
	if s == nil {
		return route.BucketAt(rand.Uint64())
	}
	var key []byte
	switch s.By {
	case route.Cookie:
		x.wall = time.Now()
		if value := x.head.cookie(s.Name); value != nil {
			if bucket, ok := s.CheckCookie(value, x.wall.Unix()); ok {
				x.bucket = int32(bucket)
				return bucket
			}
		}
		x.issue = x.service.Mixed // a cookie is given only while it decides something
	case route.Header:
		key = x.head.field(s.Name)
	case route.Query:
		key = queryValue(x.head.query, s.Name)
	case route.Address:
		key = x.client
	}
	var bucket int
	if len(key) > 0 {
		bucket = s.BucketOf(key)
	} else {
		if x.wall.IsZero() {
			x.wall = time.Now()
		}
		bucket = s.Anonymous(x.client, x.head.userAgent, x.wall.Unix()/60)
	}
	x.bucket = int32(bucket)
	return bucket
}

// pick finds an endpoint of the version. Health moves no key for good: while
// the version has no endpoint up, stable serves its requests; without a
// rollout in force, so does any other version for stable.
func (x *exchange) pick() bool {
	random := rand.Uint64()
	x.lane = stats.Split
	if x.endpoint = x.version.Pool.Pick(random); x.endpoint != nil {
		return true
	}
	s := x.service
	other := s.Versions[s.Stable]
	if x.version == other && (s.Rollout != "" || !s.Mixed) {
		return false
	}
	if x.version == other {
		// Stable is down and nobody is on trial: another bucket's version will do.
		other = s.Versions[s.Split.Pick(route.BucketAt(rand.Uint64()))]
		for bucket := 0; other == x.version && bucket < route.Buckets; bucket++ {
			other = s.Versions[s.Split.Pick(bucket)]
		}
	}
	if x.endpoint = other.Pool.Pick(random); x.endpoint == nil {
		return false
	}
	x.version, x.lane = other, stats.Failover
	return true
}
