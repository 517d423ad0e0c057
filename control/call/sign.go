package call

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// SignatureHeader carries the signature of a call:
//
//	Weir-Signature: t=1700000000,v1=<64 hexadecimal digits>
//
// v1 is HMAC-SHA256, keyed with the shared secret, over the digits of t (seconds
// since 1970), a full stop and the body. A receiver computes it again over the
// bytes that it received, compares in constant time, and refuses a t that is
// further from its own clock than it finds reasonable, so that a call which
// somebody recorded is worth nothing later.
const SignatureHeader = "Weir-Signature"

// Errors of Verify.
var (
	ErrUnsigned = errors.New("the signature is missing or malformed")
	ErrForged   = errors.New("the signature is not of this secret and body")
	ErrStale    = errors.New("the signature is too old or of the future")
)

// Sign returns the value of SignatureHeader for a body that is sent at a time.
func Sign(secret, body []byte, at time.Time) string {
	t := strconv.FormatInt(at.Unix(), 10)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac(secret, t, body))
}

// Verify is what a receiver does: it returns nil if header is a signature of
// body with secret whose time is within the given span of now.
func Verify(header string, secret, body []byte, now time.Time, within time.Duration) error {
	first, second, ok := strings.Cut(header, ",")
	t, okTime := strings.CutPrefix(first, "t=")
	digits, okMAC := strings.CutPrefix(second, "v1=")
	seconds, err := strconv.ParseInt(t, 10, 64)
	if !ok || !okTime || !okMAC || err != nil {
		return ErrUnsigned
	}
	sum, err := hex.DecodeString(digits)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnsigned, err)
	}
	if !hmac.Equal(sum, mac(secret, t, body)) {
		return ErrForged
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > within || age < -within {
		return ErrStale
	}
	return nil
}

func mac(secret []byte, t string, body []byte) []byte {
	h := hmac.New(sha256.New, secret)
	h.Write([]byte(t))
	h.Write([]byte{'.'})
	h.Write(body)
	return h.Sum(nil)
}
