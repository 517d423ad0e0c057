package proxy

import (
	"math/rand/v2"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// Pauses before the same version is asked again (Envoy's back-off): a draw
// between nothing and a bound that doubles from the first to the second.
const (
	firstPause = 25 * time.Millisecond
	mostPause  = 250 * time.Millisecond
)

// replays is the part of an exchange that is about more than one attempt.
type replays struct {
	tries  int   // attempts at the present version
	moved  step  // how the request came to another version; stop: it did not
	whole  bool  // all of the request was in memory before the first attempt
	unsent bool  // not one byte of the last attempt's request could be written
	hinted bool  // the client got an interim answer
	held   *held // an answer that the client gets if no better one comes
}

// begun notes an attempt.
func (x *exchange) begun() {
	if x.tries == 0 && x.moved == stop {
		x.whole = x.read
	}
	x.tries++
	if r := &x.service.Retry; r.Attempt > 0 && x.mayFollow() {
		x.giveUpAt = x.dispatchedAt + int64(r.Attempt)
	}
}

// mayFollow reports whether another attempt may follow one that takes too long.
func (x *exchange) mayFollow() bool {
	s := x.service
	return x.repeatable() && x.moved == stop &&
		(x.tries < s.Retry.Attempts || s.Shield && x.version.Index != s.Stable)
}

// repeatable reports whether the request may be sent once more although an
// endpoint may have carried it out.
func (x *exchange) repeatable() bool {
	return x.whole && !x.started && !x.hinted && idempotent(x.head.method)
}

// refused counts a request for which its version has no endpoint with room, and
// answers it unless another version may.
func (x *exchange) refused() {
	x.exhausted()
	x.firstAt, x.whole, x.unsent, x.tries = x.startedAt, x.read, true, 1
	if !x.again(stats.Exhausted) {
		x.fail(stats.Exhausted)
	}
}

// again makes another attempt after one that ended without an answer for the
// reason given, if one may follow. Otherwise the client gets an answer that was
// held back, if there is one. False: there is nothing for it.
func (x *exchange) again(reason stats.Reason) bool {
	if x.started {
		return false
	}
	f := x.failure(reason, 0)
	// A bridge knows of its connect only after the request was handed to it.
	f.unsent = x.unsent || reason == stats.Connect && x.whole
	if x.proceed(f) {
		return true
	}
	if x.left {
		return true // during the pause: the exchange is over
	}
	if x.held == nil {
		return false
	}
	x.letGo(stats.Outcome{Reason: reason})
	x.giveHeld()
	return true
}

// replaced deals with an answer that another may replace, or that was asked for
// in the place of one. False: the client gets it.
func (x *exchange) replaced() bool {
	status := x.resp.status
	if x.moved == fallback && x.held != nil && (x.service.ErrorStatus.Has(status) || x.service.Fallback.Status.Has(status)) {
		// The other version does not know either: the first answer stands.
		first := x.held
		x.held = nil
		x.hold(status)
		x.dropHeld()
		x.held = first
		x.giveHeld()
		return true
	}
	if x.service.Replaced.Has(status) && x.proceed(x.failure(stats.None, status)) || x.left {
		return true
	}
	x.dropHeld()
	return false
}

func (x *exchange) failure(reason stats.Reason, status int) failure {
	s := x.service
	if x.tries == 1 {
		x.tried = x.tried[:0]
	}
	if x.endpoint != nil {
		x.tried = append(x.tried, x.endpoint)
	}
	f := failure{
		reason: reason, status: status, tries: x.tries,
		repeatable: x.repeatable(),
		candidate:  x.version.Index != s.Stable,
		moved:      x.moved != stop,
	}
	f.other = x.version.Pool.PickOther(0, x.tried) != nil
	f.fallback = reason == stats.None && s.Fallback != nil && s.Fallback.Status.Has(status) && x.other() != nil
	return f
}

// other is the live version to ask in the place of the present one, or nil.
func (x *exchange) other() *route.Version {
	f := x.service.Fallback
	if !f.Until.IsZero() && time.Now().After(f.Until) {
		return nil
	}
	return f.Of(x.version, x.head.method)
}

// proceed takes the step that follows f, to the end of the exchange. False:
// there is none, or no budget, endpoint or time for it.
func (x *exchange) proceed(f failure) bool {
	next := follow(x.service, f)
	version, endpoint := x.target(next)
	if endpoint == nil {
		return false
	}
	from := x.version
	if !x.affords(next, from, version) {
		from.Recorder.Deny()
		return false
	}
	pause := time.Duration(0)
	if next == repeat {
		bound := min(firstPause<<min(f.tries-1, 8), mostPause)
		pause = rand.N(bound)
	}
	if end := x.service.Timeout; end > 0 && x.firstAt+int64(end) <= x.h.Now()+int64(pause) {
		return false // nothing could come of it within the timeout
	}
	from.Recorder.Retry(causeOf(next, f.reason))
	if f.reason == stats.None {
		x.hold(f.status)
	} else {
		x.letGo(stats.Outcome{Reason: f.reason})
	}
	if pause > 0 && !x.pause(pause) {
		return false
	}
	if version != from {
		x.tries, x.moved = 0, next
	}
	x.version, x.endpoint, x.lane = version, endpoint, stats.Replay
	x.forward()
	return true
}

// target is where a step leads. A nil endpoint: nowhere.
func (x *exchange) target(next step) (*route.Version, *upstream.Endpoint) {
	version := x.version
	switch next {
	case stop:
		return nil, nil
	case shield:
		version = x.service.Versions[x.service.Stable]
	case fallback:
		version = x.other()
	}
	random := rand.Uint64()
	if version != x.version {
		return version, version.Pool.Pick(random)
	}
	if e := version.Pool.PickOther(random, x.tried); e != nil || next == elsewhere {
		return version, e
	}
	return version, version.Pool.Pick(random)
}

// affords takes a step out of the budget of the version that pays for it: the
// one that is asked again, and stable for the candidates that it shields. What
// one version does not know costs whichever has budget left, for a small one
// would soon have none. A request that reached no endpoint yet is no burden
// twice, and free.
func (x *exchange) affords(next step, from, to *route.Version) bool {
	if next == elsewhere {
		return true
	}
	now := x.h.Now()
	return to.Budget.Spend(now, to.Recorder.Requests()) ||
		next == fallback && from.Budget.Spend(now, from.Recorder.Requests())
}

// letGo ends an attempt whose answer nobody gets.
func (x *exchange) letGo(o stats.Outcome) {
	x.record(o)
	if x.up != nil {
		x.up.Close()
		x.up = nil
	}
	if x.endpoint != nil {
		x.endpoint.End()
	}
	x.attempt = attempt{version: x.version}
	x.sentAt.Store(0)
	x.status, x.bytes = 0, 0
}

// pause waits before the next attempt. False: the client went away meanwhile,
// and the exchange is over.
func (x *exchange) pause(d time.Duration) bool {
	time.Sleep(d)
	if x.conn.gone() {
		x.left = true
		x.broken, x.close = true, true
		return false
	}
	return true
}
