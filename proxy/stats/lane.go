// Package stats counts what every version of a service answered.
//
// A Recorder lives as long as its version is known to the process, through
// every change of the routing table. While a rollout is in force a Trial is
// armed on it, which counts again by dispatch tick: the evidence.
//
// The package has no clock. Time comes in as nanoseconds since a monotonic
// base that the whole process shares. Counting takes no lock and allocates
// nothing.
package stats

// Lane says why a request went to its version.
type Lane uint8

// Lanes of a request. Only Split is evidence.
const (
	Split    Lane = iota // the split chose the version
	Forced               // the request named the version itself
	Failover             // the version that the split chose had no endpoint up
	Replay               // another version failed first and the request was repeated
	Mirror               // a copy; no client sees the answer
	Probe                // a health check
)

// Lanes is the number of lanes.
const Lanes = 6

// String returns the lane's word in metrics, logs and documents.
func (l Lane) String() string {
	switch l {
	case Split:
		return "split"
	case Forced:
		return "forced"
	case Failover:
		return "failover"
	case Replay:
		return "replay"
	case Mirror:
		return "mirror"
	case Probe:
		return "probe"
	}
	return "unknown"
}

// aside reports whether no client waits for the answers of l.
func (l Lane) aside() bool { return l == Mirror || l == Probe }
