package proxy

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// decision is where one request goes and how its outcome is recorded, whatever
// protocol brought it: HTTP/1.1's exchange embeds it, and so does any other.
//
// Its owner sets h, match.Header and cookie once, and for each request calls,
// in this order: start, with match and the other facts set after it; locate;
// choose; pick; then dispatch, or exhausted if pick found nothing; sent, when
// the last byte of the request is on its way; headed, at the final response
// head; record, as soon as the outcome is known (the first call counts); and
// release, always. One goroutine at a time uses it, but for sent.
type decision struct {
	h *Handler

	// match is what the request is matched by. match.Header also gives the
	// sticky key of services that are sticky by header.
	match route.Request

	// cookie returns the value of the client's first cookie of that name, nil
	// if it is absent.
	cookie func(name string) []byte

	// flagged is what the service's flags came to. Nil: no request had any so far.
	flagged *flagged

	// sentAt is when the last byte of the request was sent; 0: not yet.
	sentAt atomic.Int64

	decided
}

// decided is the part of a decision that begins anew with each request.
type decided struct {
	// Facts that the owner sets after start.
	query     []byte // with its question mark, or empty
	userAgent []byte
	client    []byte // the client's address as text
	shard     uint32 // of the recorder; stays with the connection

	route   *route.Route
	service *route.Service
	bucket  int32     // of the sticky key; -1: none
	pin     route.Pin // that the client's cookie has, or will have; zero: none
	issue   bool      // a cookie with the bucket goes with the answer, unless that is shared

	now       int64 // the time after the last wait; what came since was computing
	startedAt int64
	firstAt   int64 // of the first dispatch, from which the timeout runs; 0: not yet

	attempt
}

// attempt is one asking of an endpoint.
type attempt struct {
	version  *route.Version // that takes the request; its outcome is this version's
	endpoint *upstream.Endpoint
	token    stats.Token
	lane     stats.Lane

	dispatchedAt int64 // 0: not yet
	headAt       int64 // the final response head arrived; 0: not yet
	giveUpAt     int64 // without a head it ends then, before the timeout; 0: it does not

	ended  bool // the outcome was recorded
	reason stats.Reason
}

// start begins a new request.
func (d *decision) start() {
	now := d.h.Now()
	d.decided = decided{now: now, startedAt: now, bucket: -1}
	d.sentAt.Store(0)
	if d.flagged != nil {
		d.flagged.flags = nil
	}
}

// locate finds the route. It returns the status and the word of weir's own
// answer if there is none, or 0.
func (d *decision) locate() (status int, word string) {
	table := d.h.tables.Load()
	if table == nil {
		return 503, "not_ready"
	}
	d.route = table.Match(&d.match)
	if d.route == nil {
		return 404, "no_route"
	}
	d.service = d.route.Service
	return 0, ""
}

// choose takes the version that the request names itself or, as nearly always,
// that of the split, by the client's bucket or a draw.
func (d *decision) choose() {
	s := d.service
	if d.version = d.forced(); d.version != nil {
		d.lane = stats.Forced
		if s.Sticky != nil {
			// One of the users' failures counts once, as any other's does.
			d.drawBucket()
			d.issue = false
		}
		return
	}
	d.lane = stats.Split
	at := 0 // without a mix every bucket has the same version
	if s.Mixed || s.Rollout != "" || s.Pins != nil || s.FlagsDraw {
		// A candidate that has everything is still under trial, and one client's
		// failures still count once.
		at = d.drawBucket()
	}
	// A cookie is given, or renewed, only while it decides something.
	decides := s.Mixed || s.FlagsDraw
	if s.Pins == nil {
		d.version, d.issue = s.Versions[s.Split.Pick(at)], d.issue && decides
		return
	}
	var fresh, old bool
	d.version, d.pin, fresh, old = s.Choose(at, d.pin, d.h.unix(d.now))
	d.issue = fresh && s.Mixed || d.issue && (decides || !fresh)
	if old {
		d.lane = stats.Forced // other weights drew its version: no evidence
	}
}

// forced returns the version that the request names itself, or nil.
func (d *decision) forced() *route.Version {
	if v := d.route.Forced; v != nil {
		return v
	}
	f := d.service.Force
	if f == nil {
		return nil
	}
	for i := range f.Any {
		if c := &f.Any[i]; c.Met(d.keyOf(c.By, c.Name)) {
			return f.Version
		}
	}
	return nil
}

// keyOf returns what a request carries by a name; nil: nothing.
func (d *decision) keyOf(by route.By, name string) []byte {
	switch by {
	case route.Cookie:
		return d.cookie(name)
	case route.Header:
		return d.match.Header(name)
	case route.Query:
		return queryValue(d.query, name)
	}
	return d.client
}

// drawBucket returns the bucket of the client's sticky key, or draws one.
func (d *decision) drawBucket() int {
	s := d.service.Sticky
	if s == nil {
		return route.BucketAt(rand.Uint64())
	}
	var key []byte
	switch s.By {
	case route.Cookie:
		if value := d.cookie(s.Name); value != nil {
			if v, ok := s.ReadCookie(value, d.h.unix(d.now)); ok {
				d.bucket, d.pin, d.issue = int32(v.Bucket), v.Pin, v.Aged
				return v.Bucket
			}
		}
		d.issue = true
	default:
		key = d.keyOf(s.By, s.Name)
	}
	var bucket int
	if len(key) > 0 {
		bucket = s.BucketOf(key)
	} else {
		bucket = s.Anonymous(d.client, d.userAgent, d.h.unix(d.now)/60)
	}
	d.bucket = int32(bucket)
	return bucket
}

// pick finds an endpoint of the version. Health moves no key for good: while
// the version has no endpoint up, stable serves its requests; without a
// rollout in force, so does any other version for stable. With nobody up the
// version's own endpoints are tried all the same, if its policy allows that.
// A version at one of its limits is not helped out: that is its error, and must
// show. False: nobody can.
func (d *decision) pick() bool {
	random := rand.Uint64()
	if d.endpoint = d.version.Pool.Pick(random); d.endpoint != nil {
		return true
	}
	if d.version.Pool.AnyUp() {
		return false
	}
	if other := d.standIn(); other != nil {
		if d.endpoint = other.Pool.Pick(random); d.endpoint != nil {
			d.version, d.lane = other, stats.Failover
			return true
		}
		if other.Pool.AnyUp() {
			return false
		}
	}
	d.endpoint = d.version.Pool.PickAny(random)
	return d.endpoint != nil
}

// standIn is the version that serves the requests of one without endpoints.
// Nil: none may.
func (d *decision) standIn() *route.Version {
	if d.route.Forced != nil {
		return nil
	}
	s := d.service
	other := s.Versions[s.Stable]
	if d.version == other && (s.Rollout != "" || !s.Mixed) {
		return nil
	}
	if d.version == other {
		// Stable is down and nobody is on trial: another bucket's version will do.
		other = s.Versions[s.Split.Pick(route.BucketAt(rand.Uint64()))]
		for bucket := 0; other == d.version && bucket < route.Buckets; bucket++ {
			other = s.Versions[s.Split.Pick(bucket)]
		}
	}
	return other
}

// dispatch counts the request as begun on its version and in flight at its
// endpoint, in the tick of d.now.
func (d *decision) dispatch() {
	d.endpoint.Begin()
	d.dispatchedAt = d.now
	if d.firstAt == 0 {
		d.firstAt = d.dispatchedAt
	}
	d.begin(d.dispatchedAt)
}

// exhausted counts a request for which pick found no endpoint. The owner
// records the outcome stats.Exhausted.
func (d *decision) exhausted() {
	d.begin(d.h.Now())
}

// begin counts the request as begun on its version.
func (d *decision) begin(at int64) {
	if d.flagged != nil && len(d.flagged.flags) > 0 {
		d.beginFlags(at)
	}
	if d.route.Forced != nil {
		d.token = d.version.Recorder.BeginApart(d.shard, d.lane, at)
		return
	}
	d.token = d.version.Recorder.Begin(d.shard, d.lane, at, d.bucket)
}

// sent notes that the last byte of the request went to the endpoint at the time
// at. Latency is measured from there.
func (d *decision) sent(at int64) { d.sentAt.Store(at) }

// headed records the final response head, which arrived at the time at.
func (d *decision) headed(at int64, status int) {
	if d.headAt != 0 {
		return // of an answer that was held back
	}
	d.headAt = at
	from := d.dispatchedAt
	if sent := d.sentAt.Load(); sent != 0 && sent <= at {
		from = sent
	}
	bad := d.service.ErrorStatus.Has(status)
	if failed := gatewayFailure(status); failed || d.service.Protocol == route.HTTP1 {
		d.credit(failed) // a call is what its end says
	}
	d.version.Recorder.Head(&d.token, d.headAt, time.Duration(d.headAt-from), status, bad)
	if d.flagged != nil && len(d.flagged.flags) > 0 {
		d.headFlags(d.headAt, time.Duration(d.headAt-from), status, bad)
	}
}

// gatewayFailure reports whether a status says that the endpoint could not answer.
func gatewayFailure(status int) bool { return 502 <= status && status <= 504 }

// credit tells the pool how its endpoint did: whether it was a gateway failure.
func (d *decision) credit(failed bool) {
	if failed {
		d.version.Pool.Bad(d.endpoint)
	} else {
		d.version.Pool.Good(d.endpoint)
	}
}

// record tells the recorder how the request ended; the first call counts.
func (d *decision) record(o stats.Outcome) {
	if d.settled() {
		return
	}
	d.now = d.h.Now()
	d.recordNow(o)
}

// settled reports whether there is nothing to record, or no more.
func (d *decision) settled() bool {
	return d.ended || d.dispatchedAt == 0 && d.token == (stats.Token{})
}

// recordNow is record for those who have not waited since d.now.
func (d *decision) recordNow(o stats.Outcome) {
	if d.settled() {
		return
	}
	d.ended = true
	d.reason = o.Reason
	if o.ClientLeft {
		d.reason = stats.ClientLeft
	}
	if d.headAt == 0 && d.reason.Gateway() {
		d.credit(true)
	}
	d.version.Recorder.End(&d.token, d.now, o)
	if d.flagged != nil && len(d.flagged.flags) > 0 {
		d.endFlags(d.now, o)
	}
}

// release ends the request. An outcome that nobody recorded is that of a
// client that left with the status, 0 if it got none.
func (d *decision) release(status int) {
	d.record(stats.Outcome{Status: status, ClientLeft: true})
	if d.endpoint != nil && d.dispatchedAt != 0 {
		d.endpoint.End()
	}
}
