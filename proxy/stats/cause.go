package stats

// Cause says why a request was asked again after a first attempt.
type Cause uint8

// Causes of another attempt. Each counts on the version whose attempt it
// followed, so that none can hide its failures behind retries.
const (
	ConnectCause   Cause = iota // the endpoint got nothing of the request
	ExhaustedCause              // its connections were all in use
	ResetCause                  // it broke the connection, or what it sent was no HTTP
	TimeoutCause                // it took longer than an attempt may
	StatusCause                 // its answer's status is one to retry on
	ShieldCause                 // a candidate failed, and stable was asked
	FallbackCause               // another live version may know what this one does not
)

// Causes is the number of causes.
const Causes = 7

// String returns the cause's word in metrics.
func (c Cause) String() string {
	switch c {
	case ConnectCause:
		return "connect"
	case ExhaustedCause:
		return "exhausted"
	case ResetCause:
		return "reset"
	case TimeoutCause:
		return "timeout"
	case StatusCause:
		return "status"
	case ShieldCause:
		return "shield"
	case FallbackCause:
		return "fallback"
	}
	return "unknown"
}

// Retry counts an attempt that follows one on r's version.
func (r *Recorder) Retry(c Cause) { r.retries[c].Add(1) }

// Deny counts an attempt that would have followed but for its budget.
func (r *Recorder) Deny() { r.denied.Add(1) }

// DropCopy counts a request that was to be copied to r's version but for the
// limit of copies.
func (r *Recorder) DropCopy() { r.dropped.Add(1) }

// Requests is the number of requests that clients sent to the version since it
// was made: neither second attempts nor copies nor probes. It reads a few words
// a shard.
func (r *Recorder) Requests() uint64 {
	var n uint64
	for i := range r.shards {
		if s := r.shards[i].Load(); s != nil {
			n += s.begun[Split].Load() + s.begun[Forced].Load() + s.begun[Failover].Load()
		}
	}
	return n
}
