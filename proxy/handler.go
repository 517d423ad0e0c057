// Package proxy is the data plane: it takes HTTP/1.1 requests from clients and
// forwards each to an endpoint of the version that the split chose.
//
// One request from start to finish is an exchange. What decides about bytes
// (gate, heads, chunks, serialisers) are functions without I/O; the exchange
// moves the bytes. Endpoint connections are fasthttp's; see ARCHITECTURE.md.
package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/proxy/route"
)

// Handler answers requests by the table in force. Safe for concurrent use.
type Handler struct {
	tables  *atomic.Pointer[route.Table]
	options Options
	log     *zap.Logger
	base    time.Time

	unixAt  atomic.Int64 // when unixNow was looked at
	unixNow atomic.Int64

	draining   atomic.Bool
	panics     atomic.Uint64
	retries    atomic.Uint64
	tunnels    atomic.Int64
	rejections [rejections]atomic.Uint64
	exchanges  sync.Pool // of *exchange
	buffers    sync.Pool // of *[uploadBuffer]byte
	copies     copies
}

// NewHandler returns a Handler that loads its table from tables at each
// request. A nil table answers 503.
func NewHandler(tables *atomic.Pointer[route.Table], opts Options, log *zap.Logger) *Handler {
	h := &Handler{tables: tables, options: opts.withDefaults(), log: log, base: time.Now()}
	h.unixAt.Store(-2 * unixEvery)
	h.exchanges.New = func() any { return newExchange(h) }
	h.copies.init(h)
	h.buffers.New = func() any { return new([uploadBuffer]byte) }
	return h
}

// Now is the time in nanoseconds since the monotonic base of all recorders.
func (h *Handler) Now() int64 { return int64(time.Since(h.base)) }

// unixEvery is how often the wall clock is looked at: what wants it here counts
// in seconds and minutes.
const unixEvery = int64(200 * time.Millisecond)

// unix is the wall time at now in seconds since 1970, late by at most unixEvery.
func (h *Handler) unix(now int64) int64 {
	if now-h.unixAt.Load() > unixEvery {
		// Before the time that it is for, so that nobody takes an older one for it.
		h.unixNow.Store(time.Now().Unix())
		h.unixAt.Store(now)
	}
	return h.unixNow.Load()
}

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

// serve finds where the request goes and sends it there.
func (x *exchange) serve() {
	x.match.Host, x.match.Path, x.match.Method = x.head.host, x.head.path, x.head.method
	x.query, x.userAgent = x.head.query, x.head.userAgent
	x.identify()
	if status, word := x.locate(); status != 0 {
		x.answer(status, word)
		return
	}
	x.client = x.clientAddress()
	if port := x.route.HTTPS; port != "" && !x.encrypted() {
		x.redirect(port)
		return
	}
	x.upgrade = x.wantsUpgrade()
	if !x.welcome() || !x.receive() {
		return
	}
	x.choose()
	if len(x.service.Flags) > 0 {
		x.evaluateFlags()
	}
	if !x.pick() {
		x.refused()
		return
	}
	if m := x.service.Mirror; m != nil {
		x.copyTo(m)
	}
	x.forward()
}
