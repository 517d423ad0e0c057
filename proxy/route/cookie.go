package route

import (
	"crypto/subtle"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/dchest/siphash"
)

// A sticky cookie is
//
//	v1.<key id>.<bucket>.<issued>[.<pin>.<epoch>[.<since>]].<tag>
//
// with the bucket and the issue time (unix seconds) in decimal, and the tag in
// 16 hexadecimal digits: SipHash-2-4 with a 128-bit key over all before its dot.
// Pin and epoch are the index of the version that the client is pinned to and
// the rollout epoch that voids it; only services that pin issue and read them.
// Since is when the client was pinned, in a cookie that was renewed since.
//
// A cookie of which half the life is over is renewed with the next answer, so that
// whoever comes back at least that often keeps bucket and pin for good, and nobody's
// is signed by a retired key for longer.
//
// What the tag is against: a client who picks a bucket, to get into a candidate
// or to load one version on purpose. Guessing a tag takes 2^63 requests on
// average. What it is not against: a client who passes its own cookie on, or
// drops it to draw again; both only ever yield buckets that weir gave out. The
// cookie holds no secret and names no person: it says which of 10 000 shares of
// users its holder is in. It is good on every service of the cluster, so that
// services that share a host share the cookie instead of replacing it in turn;
// users still do not meet every candidate at once, because each rollout draws
// its own buckets.

const (
	cookieVersion = "v1."
	tagLength     = 16

	// longestCookie bounds what is hashed: the longest that AppendCookie and
	// pins can make, rounded up.
	longestCookie = 96

	// clockSkew is how far the clocks of two nodes may differ, in seconds, where a
	// key is retired.
	clockSkew = 300

	// aheadMost is how much later than now a cookie may have been issued, in
	// seconds: a node's clock may be wrong by an hour, as around summer time. To
	// refuse the cookies of all others would move their users; to take them costs
	// nothing but that they last longer.
	aheadMost = 2 * 60 * 60
)

// CheckCookie returns the bucket of a cookie's value. It is false for one that
// is malformed, forged, signed by a key that is not in Keys, or older than
// MaxAge: its client is a new visitor. now is the wall time in unix seconds.
func (s *Sticky) CheckCookie(value []byte, now int64) (bucket int, ok bool) {
	v, ok := s.ReadCookie(value, now)
	return v.Bucket, ok
}

// Visitor is what a cookie says of its client.
type Visitor struct {
	Bucket int
	Pin    Pin  // zero: none
	Aged   bool // half of the cookie's life is over: it is to be renewed
}

// ReadCookie is CheckCookie that returns all that the cookie says.
func (s *Sticky) ReadCookie(value []byte, now int64) (v Visitor, ok bool) {
	if len(value) > longestCookie || len(value) < len(cookieVersion)+tagLength+1 {
		return Visitor{}, false
	}
	signed, tag := value[:len(value)-tagLength-1], value[len(value)-tagLength:]
	if value[len(signed)] != '.' || string(signed[:len(cookieVersion)]) != cookieVersion {
		return Visitor{}, false
	}
	id, rest := cut(signed[len(cookieVersion):])
	k := s.Keys.find(id)
	if k == nil || !k.verify(signed, tag) {
		return Visitor{}, false
	}
	// From here on the text is ours, or that of a node of another build: it is
	// still read with care.
	fields, n := parseFields(rest)
	if n != 2 && n != 4 && n != 5 {
		return Visitor{}, false
	}
	if fields[0] >= Buckets || !s.current(k, fields[1], now) {
		return Visitor{}, false
	}
	v = Visitor{Bucket: int(fields[0]), Aged: now-fields[1] > int64(s.maxAge()/time.Second)/2}
	if n >= 4 {
		v.Pin = Pin{Version: fields[2], Epoch: fields[3], Issued: fields[1]}
	}
	if n == 5 {
		v.Pin.Issued = min(fields[4], fields[1])
	}
	return v, true
}

// AppendCookie appends the value of a Set-Cookie header that keeps the client in
// bucket. now is the wall time in unix seconds; secure says that the client
// came by TLS.
func (s *Sticky) AppendCookie(dst []byte, bucket int, now int64, secure bool) []byte {
	return s.AppendPinned(dst, bucket, Pin{}, now, secure)
}

// AppendPinned is AppendCookie with a pin, unless that is zero. One without a time
// is given now.
func (s *Sticky) AppendPinned(dst []byte, bucket int, pin Pin, now int64, secure bool) []byte {
	dst = append(dst, s.Name...)
	dst = append(dst, '=')
	start := len(dst)
	k := &s.Keys.keys[s.Keys.signing]
	dst = append(dst, cookieVersion...)
	dst = append(dst, k.id...)
	dst = append(dst, '.')
	dst = strconv.AppendInt(dst, int64(bucket), 10)
	dst = append(dst, '.')
	dst = strconv.AppendInt(dst, now, 10)
	if pin.Epoch != 0 {
		dst = append(dst, '.')
		dst = strconv.AppendInt(dst, pin.Version, 10)
		dst = append(dst, '.')
		dst = strconv.AppendInt(dst, pin.Epoch, 10)
		if pin.Issued != 0 && pin.Issued != now {
			dst = append(dst, '.')
			dst = strconv.AppendInt(dst, pin.Issued, 10)
		}
	}
	tag := k.tag(dst[start:])
	dst = append(dst, '.')
	dst = append(dst, tag[:]...)

	dst = append(dst, "; Max-Age="...)
	dst = strconv.AppendInt(dst, int64(s.maxAge()/time.Second), 10)
	if s.Domain != "" {
		dst = append(dst, "; Domain="...)
		dst = append(dst, s.Domain...)
	}
	dst = append(dst, "; Path="...)
	if s.Path == "" {
		dst = append(dst, '/')
	}
	dst = append(dst, s.Path...)
	dst = append(dst, "; HttpOnly; SameSite=Lax"...)
	if secure {
		dst = append(dst, "; Secure"...)
	}
	return dst
}

func (s *Sticky) maxAge() time.Duration {
	if s.MaxAge == 0 {
		return DefaultMaxAge
	}
	return s.MaxAge
}

// current reports whether a cookie that k signed at issued still counts.
func (s *Sticky) current(k *key, issued, now int64) bool {
	if issued > now+aheadMost || now-issued > int64(s.maxAge()/time.Second) {
		return false
	}
	// Whoever got hold of a retired key cannot make new cookies with it.
	return k.retired == 0 || issued <= k.retired+clockSkew
}

// tag returns the tag of a cookie's text up to it.
func (k *key) tag(signed []byte) [tagLength]byte {
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], siphash.Hash(k.k0, k.k1, signed))
	var tag [tagLength]byte
	for i, b := range sum {
		tag[2*i] = hexDigits[b>>4]
		tag[2*i+1] = hexDigits[b&15]
	}
	return tag
}

// verify compares in constant time, so that the time of the answer does not
// tell how much of a guess is right.
func (k *key) verify(signed, tag []byte) bool {
	want := k.tag(signed)
	return subtle.ConstantTimeCompare(want[:], tag) == 1
}

const hexDigits = "0123456789abcdef"

// cut returns what stands before and after the first dot.
func cut(text []byte) (before, after []byte) {
	for i, c := range text {
		if c == '.' {
			return text[:i], text[i+1:]
		}
	}
	return text, nil
}

// parseFields reads up to five decimal numbers below 10^12 with dots between
// them, as AppendInt writes them: without signs or leading zeros. What is not
// that has 0 fields.
func parseFields(text []byte) (fields [5]int64, n int) {
	digits := 0
	for _, c := range text {
		switch {
		case c == '.' && digits > 0 && n < len(fields)-1:
			n, digits = n+1, 0
		case c < '0' || c > '9' || digits == 12 || digits > 0 && fields[n] == 0:
			return fields, 0
		default:
			fields[n] = 10*fields[n] + int64(c-'0')
			digits++
		}
	}
	if digits == 0 {
		return fields, 0
	}
	return fields, n + 1
}
