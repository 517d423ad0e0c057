package proxy

import (
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// step is what follows an attempt whose failure, or answer, may not be the last
// word.
type step uint8

const (
	stop      step = iota // nothing: the client gets what there is
	elsewhere             // another endpoint of the version, at once: the last one got nothing
	repeat                // the version again, after a pause
	shield                // stable, in place of a candidate
	fallback              // the other live version
)

// failure is an attempt that may be followed by another.
type failure struct {
	reason stats.Reason // why there is no answer; None: there is one
	status int          // of the answer

	unsent     bool // the endpoint certainly got nothing, and the request is still whole
	other      bool // an endpoint of the version was not asked yet
	repeatable bool // the method may be repeated, the request is whole, and the client has seen nothing
	candidate  bool // the version is not stable
	moved      bool // the request was taken to another version before
	fallback   bool // another live version may be asked in the place of this answer
	tries      int  // attempts at this version, this one included
}

// follow decides what follows f. It is the whole policy.
//
// Stable never moves to a candidate for a failure: a bad moment of stable would
// give the candidate more than its weight.
func follow(s *route.Service, f failure) step {
	left := f.tries < s.Retry.Attempts
	bad := f.reason.Error() || f.reason == stats.None && s.ErrorStatus.Has(f.status)
	switch {
	case f.unsent && left && f.other:
		return elsewhere
	case !f.unsent && !f.repeatable:
		return stop
	case s.Shield && f.candidate && !f.moved && bad:
		return shield
	case left && !f.moved && asked(&s.Retry, f):
		return repeat
	case f.fallback && !f.moved && f.repeatable && f.reason == stats.None:
		return fallback
	}
	return stop
}

// asked reports whether the policy wants a failure of this kind repeated.
func asked(r *route.Retry, f failure) bool {
	switch f.reason {
	case stats.None:
		return r.Status.Has(f.status)
	case stats.Connect, stats.Exhausted:
		return r.Connect
	case stats.Reset, stats.Truncated, stats.Protocol:
		return r.Reset
	case stats.Timeout:
		return r.Timeout
	}
	return false
}

// causeOf names a step in metrics.
func causeOf(s step, reason stats.Reason) stats.Cause {
	switch {
	case s == shield:
		return stats.ShieldCause
	case s == fallback:
		return stats.FallbackCause
	}
	switch reason {
	case stats.None:
		return stats.StatusCause
	case stats.Exhausted:
		return stats.ExhaustedCause
	case stats.Timeout:
		return stats.TimeoutCause
	case stats.Connect:
		return stats.ConnectCause
	}
	return stats.ResetCause
}
