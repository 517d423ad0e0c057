package upstream

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// slowUpload is in bytes a second: an upload that is slower gives way to another.
const slowUpload = 16 << 10

// Upload is a request whose body comes while it holds a connection to its
// endpoint.
type Upload struct {
	// GiveUp ends it, because others want its place. It is called once at most,
	// and must not wait.
	GiveUp func()
	// Bytes that came so far.
	Bytes atomic.Int64

	began int64
}

// uploads are those of one endpoint. Slow ones would take all of its connections
// at no cost to who sends them: a byte now and then is enough (R.U.D.Y.). So they
// have a part of them, and there the slowest gives way, which leaves a client
// with an ordinary line its place however many trickle.
type uploads struct {
	mu   sync.Mutex
	live []*Upload
}

// BeginUpload lets u begin at e. Beyond the policy's limit the slowest of those
// gives way that were slow since they began, grace ago at least; if there is none,
// u may not begin, which is counted as a refusal. now is in nanoseconds. Each
// upload that began needs an EndUpload.
func (p *Pool) BeginUpload(e *Endpoint, u *Upload, now int64, grace time.Duration) bool {
	e.uploads.mu.Lock()
	defer e.uploads.mu.Unlock()
	if limit := p.policy.Uploads; limit > 0 && len(e.uploads.live) >= limit && !e.uploads.displace(now, grace) {
		e.refusals.count(UploadsCircuit)
		return false
	}
	u.began = now
	e.uploads.live = append(e.uploads.live, u)
	return true
}

// EndUpload makes room for another. It does nothing if u has no place.
func (e *Endpoint) EndUpload(u *Upload) {
	e.uploads.mu.Lock()
	defer e.uploads.mu.Unlock()
	e.uploads.remove(slices.Index(e.uploads.live, u))
}

func (s *uploads) displace(now int64, grace time.Duration) bool {
	slowest, least := -1, int64(slowUpload)
	for i, u := range s.live {
		age := now - u.began
		if age < int64(grace) {
			continue
		}
		if rate := u.Bytes.Load() * 1000 / max(age/int64(time.Millisecond), 1); rate < least {
			slowest, least = i, rate
		}
	}
	if slowest < 0 {
		return false
	}
	s.live[slowest].GiveUp()
	s.remove(slowest)
	return true
}

func (s *uploads) remove(i int) {
	if i < 0 {
		return
	}
	last := len(s.live) - 1
	s.live[i], s.live[last] = s.live[last], nil
	s.live = s.live[:last]
}
