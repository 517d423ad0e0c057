package route

import (
	"fmt"
	"slices"
	"time"

	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// Route is what a request is matched to. Immutable once in a Table.
type Route struct {
	Service *Service

	// Forced is the version that takes every request of this route, and no other
	// when it has no endpoint up: who tries a version wants to know. Nil: the
	// service decides.
	Forced *Version

	// StripPrefix is cut from the raw path before it goes upstream. Empty: nothing.
	StripPrefix string

	// HTTPS is the port that plaintext requests are sent to, to come back by
	// TLS. Empty: they are served.
	HTTPS string

	// Request and Response change the heads that pass. Nil: nothing.
	Request, Response *Edits
}

// Service is one service as the data plane sees it. Immutable once in a Table.
type Service struct {
	Name string

	// Versions are all that may be picked; Split's labels are indexes into them.
	Versions []*Version

	// Stable is the index of the version that users are on.
	Stable int

	// Split maps buckets to indexes of Versions. Never nil.
	Split *Split

	// Mixed says that more than one version has weight. Without it every
	// request goes to the one version and no sticky key is read or issued.
	Mixed bool

	// Sticky says how a request's bucket is found. Nil: every request draws anew.
	Sticky *Sticky

	// Force leads some requests to one version. Nil: none.
	Force *Force

	// Pins keep clients on the version that they met. Nil: all obey the split.
	Pins *Pins

	// Rollout is the id of the rollout in force. Empty: none.
	Rollout string

	Timeout        time.Duration // from dispatch to the final head
	IdleTimeout    time.Duration // longest silence of a body after its head
	ConnectTimeout time.Duration // of one connect to an endpoint
	MaxBody        int64         // of a request, in bytes; 0: no limit

	// ErrorStatus holds the statuses that count as errors of a version.
	ErrorStatus StatusSet

	// HostPolicy says which Host an endpoint sees; with HostLiteral it is Host.
	HostPolicy HostPolicy
	Host       string

	// Protocol is what the endpoints speak.
	Protocol Protocol

	// Pages are the bodies of weir's own answers for this service, before those
	// of the node. Nil: none.
	Pages *Pages

	// Mirror copies requests to a version under trial. Nil: none.
	Mirror *Mirror

	// Retry, Shield and Fallback say what follows an attempt that failed: set
	// them by SetReplays. Shield asks stable what a candidate failed at.
	Retry    Retry
	Shield   bool
	Fallback *Fallback

	// Flags are evaluated for each request and passed on to the endpoint, at most
	// MaxFlags of them. Environment is where the service runs. FlagsDraw says that
	// a client's bucket decides one of them.
	Flags       []*Flag
	FlagsDraw   bool
	Environment string

	// Replaced holds all statuses whose answers another attempt may replace, so
	// that those of all others cost one look.
	Replaced StatusSet
}

// Mirror is a share of safe requests (GET, HEAD, OPTIONS) without body that are
// copied to a version, whose answers to them nobody gets. Immutable once in a Table.
type Mirror struct {
	Version *Version

	// Share is how many of 10 000 requests are copied. Never 0.
	Share int
}

// Version is one deployed build of a service.
type Version struct {
	Name     string
	Revision string // opaque; tells builds of one name apart
	Index    int    // in Service.Versions

	Pool     *upstream.Pool
	Recorder *stats.Recorder

	// Budget bounds second attempts and copies. Nil: there are none, but for
	// requests that certainly reached no endpoint so far.
	Budget *upstream.Budget

	// Waiting are endpoints that take no requests: a rollout has not admitted
	// them yet, or drains them. They come after those of Pool.
	Waiting []*upstream.Endpoint
}

// Endpoints returns all endpoints, those that wait last.
func (v *Version) Endpoints() []*upstream.Endpoint {
	return slices.Concat(v.Pool.Endpoints(), v.Waiting)
}

// HostPolicy says which Host an endpoint sees.
type HostPolicy uint8

// Host policies.
const (
	HostClient   HostPolicy = iota // what the client sent
	HostEndpoint                   // the endpoint's address
	HostLiteral                    // Service.Host
)

// Protocol is what endpoints speak.
type Protocol uint8

// Protocols of endpoints.
const (
	HTTP1 Protocol = iota
	H2C            // HTTP/2 on plaintext, known to be spoken
	H2             // HTTP/2 on TLS
)

// StatusSet is a set of HTTP status codes. The zero StatusSet is empty.
type StatusSet [10]uint64

// ErrorStatuses returns the set of every 5xx and the given codes. A code below
// 100 or above 599 is an error.
func ErrorStatuses(codes ...int) (StatusSet, error) {
	var s StatusSet
	for code := 500; code < 600; code++ {
		s.add(code)
	}
	for _, code := range codes {
		if code < 100 || code > 599 {
			return StatusSet{}, fmt.Errorf("cannot count status %d as an error: want 100 to 599", code)
		}
		s.add(code)
	}
	return s, nil
}

// Has reports whether code is in s.
func (s *StatusSet) Has(code int) bool {
	return uint(code) < 64*uint(len(s)) && s[code>>6]&(1<<(code&63)) != 0
}

// Statuses returns the set of the given codes, from 0 to 599.
func Statuses(codes ...int) (s StatusSet) {
	for _, code := range codes {
		s.add(code)
	}
	return s
}

// Union returns the codes that are in s, in o or in both.
func (s StatusSet) Union(o StatusSet) StatusSet {
	for i := range s {
		s[i] |= o[i]
	}
	return s
}

func (s *StatusSet) add(code int) { s[code>>6] |= 1 << (code & 63) }
