// Package access is the access log: one line per request, queued without a
// lock, written by one goroutine, dropped and counted when that falls behind.
package access

import (
	"encoding/hex"
	"strconv"
	"time"
	"unicode/utf8"
)

// Entry is what is known of one request at its end. It is only read, and only
// during Write.
type Entry struct {
	Time     time.Time     // when the request began
	Duration time.Duration // from its head to the end of the answer
	Upstream time.Duration // from dispatch to the final head; 0: there was none

	// What the client sent. All of it is escaped.
	Client    []byte // address as text
	Method    []byte
	Host      []byte
	Path      []byte
	Query     []byte // with its question mark, or empty
	Protocol  string // HTTP/1.1, say; empty: the head could not be read
	UserAgent []byte
	Referer   []byte
	RequestID []byte // empty: none

	Trace [16]byte // id; zero: none

	Status int   // 0: the client left before it got one
	Bytes  int64 // of the answer's body

	Service  string
	Version  string
	Lane     string
	Endpoint string
	Reason   string // of weir's own answer, or why the exchange failed; empty: neither
}

// Format is how a line looks.
type Format uint8

// Formats. Common and Combined are Apache's.
const (
	JSON Format = iota
	Common
	Combined
)

func appendEntry(dst []byte, f Format, query bool, at *stamp, e *Entry) []byte {
	if f == JSON {
		return appendJSON(dst, query, at, e)
	}
	dst = appendApache(dst, query, at, e)
	if f == Combined {
		dst = appendQuoted(append(dst, ' '), e.Referer)
		dst = appendQuoted(append(dst, ' '), e.UserAgent)
	}
	return append(dst, '\n')
}

// appendJSON appends one object. Fields without a value are left out, but for
// those that every request has. Times are in seconds.
func appendJSON(dst []byte, query bool, at *stamp, e *Entry) []byte {
	dst = append(dst, `{"time":"`...)
	dst = append(dst, at.text...)
	dst = appendDigits(dst, e.Time.Nanosecond()/1000, 6)
	dst = append(dst, 'Z', '"')
	dst = appendMember(dst, `,"client":`, e.Client)
	dst = appendMember(dst, `,"method":`, e.Method)
	dst = appendMember(dst, `,"host":`, e.Host)
	dst = appendMember(dst, `,"path":`, e.Path)
	if query && len(e.Query) > 0 {
		dst = appendMember(dst, `,"query":`, e.Query)
	}
	dst = appendWord(dst, `,"protocol":"`, e.Protocol)
	dst = strconv.AppendInt(append(dst, `,"status":`...), int64(e.Status), 10)
	dst = strconv.AppendInt(append(dst, `,"bytes":`...), e.Bytes, 10)
	dst = appendSeconds(append(dst, `,"duration":`...), e.Duration)
	if e.Upstream > 0 {
		dst = appendSeconds(append(dst, `,"upstream":`...), e.Upstream)
	}
	dst = appendWord(dst, `,"service":"`, e.Service)
	dst = appendWord(dst, `,"version":"`, e.Version)
	dst = appendWord(dst, `,"lane":"`, e.Lane)
	dst = appendWord(dst, `,"endpoint":"`, e.Endpoint)
	dst = appendWord(dst, `,"reason":"`, e.Reason)
	if len(e.RequestID) > 0 {
		dst = appendMember(dst, `,"request_id":`, e.RequestID)
	}
	if e.Trace != [16]byte{} {
		dst = hex.AppendEncode(append(dst, `,"trace_id":"`...), e.Trace[:])
		dst = append(dst, '"')
	}
	if len(e.UserAgent) > 0 {
		dst = appendMember(dst, `,"user_agent":`, e.UserAgent)
	}
	if len(e.Referer) > 0 {
		dst = appendMember(dst, `,"referer":`, e.Referer)
	}
	return append(dst, '}', '\n')
}

// stamp is a second in a form: in JSON RFC 3339 in UTC, where microseconds are
// added. To write the time out anew takes as long as the rest of a line.
type stamp struct {
	unix int64
	text string
}

func newStamp(f Format, t time.Time) *stamp {
	s := &stamp{unix: t.Unix()}
	if f == JSON {
		s.text = t.UTC().Format("2006-01-02T15:04:05.")
	} else {
		s.text = t.Format("02/Jan/2006:15:04:05 -0700")
	}
	return s
}

func appendDigits(dst []byte, n, digits int) []byte {
	start := len(dst)
	for range digits {
		dst = append(dst, '0')
	}
	for i := len(dst) - 1; i >= start; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

// appendSeconds is exact to the microsecond.
func appendSeconds(dst []byte, d time.Duration) []byte {
	us := max(d.Microseconds(), 0)
	dst = strconv.AppendInt(dst, us/1e6, 10)
	return appendDigits(append(dst, '.'), int(us%1e6), 6)
}

// appendWord appends a member whose value is a name of the operator's, and so
// needs no escaping, and its closing quote.
func appendWord(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	return append(append(append(dst, key...), value...), '"')
}

// appendMember appends a member whose value is a client's.
func appendMember(dst []byte, key string, value []byte) []byte {
	dst = append(append(dst, key...), '"')
	i := plain(value)
	dst = append(dst, value[:i]...)
	for i < len(value) {
		c := value[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
			i++
		case c >= ' ' && c < 0x7f:
			dst = append(dst, c)
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			i++
		default:
			r, n := utf8.DecodeRune(value[i:])
			switch {
			case r == utf8.RuneError && n <= 1:
				dst = append(dst, `\ufffd`...)
			case r < 0xa0 || r == 0x2028 || r == 0x2029:
				// Control characters of the second kind move a terminal's cursor too.
				dst = append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
			default:
				dst = append(dst, value[i:i+n]...)
			}
			i += n
		}
	}
	return append(dst, '"')
}

// plain is how many bytes at the beginning of a value may stand as they are.
func plain(value []byte) int {
	for i, c := range value {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return i
		}
	}
	return len(value)
}

const digits = "0123456789abcdef"

// appendApache appends the fields that the common and the combined format share.
func appendApache(dst []byte, query bool, at *stamp, e *Entry) []byte {
	dst = append(dst, e.Client...)
	dst = append(dst, " - - ["...)
	dst = append(dst, at.text...)
	dst = append(dst, `] "`...)
	dst = appendEscaped(dst, e.Method)
	dst = appendEscaped(append(dst, ' '), e.Path)
	if query {
		dst = appendEscaped(dst, e.Query)
	}
	dst = append(append(append(dst, ' '), e.Protocol...), '"', ' ')
	dst = strconv.AppendInt(dst, int64(e.Status), 10)
	return strconv.AppendInt(append(dst, ' '), e.Bytes, 10)
}

func appendQuoted(dst, value []byte) []byte {
	if len(value) == 0 {
		return append(dst, `"-"`...)
	}
	return append(appendEscaped(append(dst, '"'), value), '"')
}

// appendEscaped writes what could end a field or a line, or is not ASCII, as
// nginx does: \xXX.
func appendEscaped(dst, value []byte) []byte {
	n := plain(value)
	dst = append(dst, value[:n]...)
	for _, c := range value[n:] {
		if c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			dst = append(dst, '\\', 'x', digits[c>>4], digits[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}
