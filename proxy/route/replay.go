package route

import "time"

// MaxAttempts is the largest number of attempts that a version may get.
const MaxAttempts = 10

// Retry says which attempts at a version another one may follow. The zero Retry
// allows none.
type Retry struct {
	// Attempts is how often one version is asked in all, the first time
	// included, at most MaxAttempts. A request that certainly reached no endpoint
	// goes to another endpoint of the version for as long as there are attempts.
	Attempts int

	Connect bool // also ask the same endpoint again if no other is left
	Reset   bool // repeat an idempotent request whose connection broke, or that got no HTTP
	Timeout bool // repeat an idempotent request after Attempt

	// Status holds the answers after which an idempotent request is repeated.
	Status StatusSet

	// Attempt bounds the wait for the head in an attempt that another may follow.
	// 0: nothing but the service's timeout does.
	Attempt time.Duration
}

// Fallback asks another live version when one does not know what the other
// may know: two builds have pages and assets of their own. Immutable.
type Fallback struct {
	// Status holds the answers that make weir ask.
	Status StatusSet

	// Methods are those of requests that may be asked again.
	Methods []string

	// Others are the versions asked, by the index of the version that did not
	// know. Nil: there is no other that is live.
	Others []*Version

	// Until is when the version before the stable one ends to be kept, in which
	// case it is nobody's other any more. Zero: all Others have weight.
	Until time.Time
}

// Of returns the version to ask after v did not know, or nil.
func (f *Fallback) Of(v *Version, method []byte) *Version {
	if f == nil || v.Index >= len(f.Others) || !contains(f.Methods, method) {
		return nil
	}
	return f.Others[v.Index]
}

// SetReplays sets what may follow an attempt that failed, or whose answer is of
// no use to the client. ErrorStatus must be set before.
func (s *Service) SetReplays(r Retry, shield bool, f *Fallback) {
	s.Retry, s.Shield, s.Fallback = r, shield, f
	s.Replaced = StatusSet{}
	if r.Attempts > 1 {
		s.Replaced = r.Status
	}
	if shield {
		s.Replaced = s.Replaced.Union(s.ErrorStatus)
	}
	if f != nil {
		s.Replaced = s.Replaced.Union(f.Status)
	}
}
