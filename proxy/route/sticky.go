package route

import (
	"encoding/binary"
	"time"

	"github.com/dchest/siphash"
)

// By is what a client is told apart by.
type By uint8

// Kinds of sticky key.
const (
	Cookie    By = iota // a cookie of ours that carries the bucket
	Header              // a request header
	Query               // a parameter of the query
	Address             // the client's address
	Attribute           // what an application says of its user
)

// Sticky says how the bucket of a request's sticky key is found. Immutable once
// in a Table; the zero value of a field has the meaning that it names.
type Sticky struct {
	By   By
	Name string // of the cookie, header or query parameter

	// MaxAge is how long a cookie counts. 0: DefaultMaxAge.
	MaxAge time.Duration

	Domain string // of the cookie; empty: the host alone
	Path   string // of the cookie; empty: /

	// Keys sign cookies and salt the hashes. Required.
	Keys *Keyring
}

// DefaultMaxAge is how long a cookie counts by default.
const DefaultMaxAge = 24 * time.Hour

// BucketOf returns the bucket of a header, query or address value. The hash is
// keyed, so that nobody outside can tell which value leads to a candidate.
func (s *Sticky) BucketOf(value []byte) int {
	return BucketAt(siphash.Hash(s.Keys.salt0, s.Keys.salt1, value))
}

// Anonymous returns the bucket of a client that has no key yet: requests of one
// address and User-Agent within one minute agree, so that the parallel first
// requests of a page do. unixMinute is the wall time in minutes.
func (s *Sticky) Anonymous(address, userAgent []byte, unixMinute int64) int {
	// Each part is hashed under the hash of the one before, so that no two
	// divisions of the same bytes meet.
	h := siphash.Hash(s.Keys.salt0, ^s.Keys.salt1, address)
	h = siphash.Hash(s.Keys.salt0^h, s.Keys.salt1, userAgent)
	var minute [8]byte
	binary.LittleEndian.PutUint64(minute[:], uint64(unixMinute))
	return BucketAt(siphash.Hash(s.Keys.salt0^h, ^s.Keys.salt1, minute[:]))
}
