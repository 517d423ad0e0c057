package proxy

import (
	"strconv"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// flagged is what the flags of one request's service came to. Its room is made at
// the first request that has flags, and kept for later ones.
type flagged struct {
	flags []*route.Flag // those of the service; empty: none
	got   [route.MaxFlags]route.Evaluation

	// tokens are of the first attempt: what a variant does shows in it, whatever
	// another attempt makes good.
	tokens [route.MaxFlags]stats.Token
	begun  bool

	key [8]byte // of a client that a bucket is all that is known of
}

// evaluateFlags gives the client its variant of each flag of the service.
func (d *decision) evaluateFlags() {
	if d.flagged == nil {
		d.flagged = new(flagged)
	}
	d.flagged.flags, d.flagged.begun = d.service.Flags, false
	unix := d.h.unix(d.now)
	for i, f := range d.flagged.flags {
		d.flagged.got[i] = f.Evaluate(d, d.service.Environment, unix)
	}
}

// Value is what the request carries by a name: see route.Subject.
func (d *decision) Value(by route.By, name string) []byte {
	if by == route.Attribute {
		return nil // nobody says anything of a routed request's user
	}
	return d.keyOf(by, name)
}

// FlagKey is what the client is told apart by, for a flag: see route.Subject. A
// flag without a key of its own goes by the service's.
func (d *decision) FlagKey(by route.By, name string) []byte {
	if by != route.Address {
		return d.keyOf(by, name)
	}
	s := d.service.Sticky
	switch {
	case s == nil:
		return d.client
	case s.By != route.Cookie:
		if key := d.keyOf(s.By, s.Name); len(key) > 0 {
			return key
		}
	case d.bucket >= 0:
		return strconv.AppendInt(d.flagged.key[:0], int64(d.bucket), 10)
	}
	return d.client
}

// appendFlags appends the field that tells the endpoint who gets what.
func (d *decision) appendFlags(dst []byte) []byte {
	if d.flagged == nil || len(d.flagged.flags) == 0 {
		return dst
	}
	dst = append(dst, "X-Weir-Flags: "...)
	for i, f := range d.flagged.flags {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = f.AppendPiece(dst, d.flagged.got[i])
	}
	return append(dst, crlf...)
}

// beginFlags counts the request as begun on the variants that it got. Only those
// who were drawn are evidence.
func (d *decision) beginFlags(at int64) {
	if d.flagged.begun {
		d.endFlags(at, stats.Outcome{}) // of an answer that is held back; it has counted
		return
	}
	d.flagged.begun = true
	for i, f := range d.flagged.flags {
		e := d.flagged.got[i]
		recorder := f.Variants[e.Variant].Recorder
		switch {
		case !f.Record:
			d.flagged.tokens[i] = stats.Token{}
		case d.route.Forced == nil && (e.Reason == route.ReasonSplit || e.Reason == route.ReasonStatic):
			d.flagged.tokens[i] = recorder.Begin(d.shard, stats.Split, at, e.Bucket)
		default:
			d.flagged.tokens[i] = recorder.BeginApart(d.shard, stats.Forced, at)
		}
	}
}

func (d *decision) headFlags(at int64, latency time.Duration, status int, bad bool) {
	for i, f := range d.flagged.flags {
		f.Variants[d.flagged.got[i].Variant].Recorder.Head(&d.flagged.tokens[i], at, latency, status, bad)
	}
}

func (d *decision) endFlags(at int64, o stats.Outcome) {
	for i, f := range d.flagged.flags {
		f.Variants[d.flagged.got[i].Variant].Recorder.End(&d.flagged.tokens[i], at, o)
	}
}
