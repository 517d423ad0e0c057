package stats

// Reason says why a request counts as an error, or that it does not.
type Reason uint8

// Reasons of an Outcome.
const (
	None       Reason = iota // a good answer
	Status                   // a 5xx or another status that the service calls an error
	Connect                  // no connection to the endpoint
	Reset                    // the endpoint broke the connection
	Timeout                  // no final head within the service's timeout, or a body silent for too long
	Truncated                // the body ended early
	Exhausted                // a limit of ours or no endpoint up: our own 503
	Protocol                 // the endpoint's answer was no HTTP
	ClientLeft               // the client went away first; never an error
)

// Reasons is the number of reasons.
const Reasons = 9

// Error reports whether r makes its request an error of the version.
func (r Reason) Error() bool { return r != None && r != ClientLeft }

// Gateway reports whether r is the endpoint's failure to answer at all, rather
// than an answer that is no good.
func (r Reason) Gateway() bool { return r == Connect || r == Reset || r == Timeout || r == Protocol }

// String returns the reason's word in metrics, logs and documents.
func (r Reason) String() string {
	switch r {
	case None:
		return "none"
	case Status:
		return "status"
	case Connect:
		return "connect"
	case Reset:
		return "reset"
	case Timeout:
		return "timeout"
	case Truncated:
		return "truncated"
	case Exhausted:
		return "exhausted"
	case Protocol:
		return "protocol"
	case ClientLeft:
		return "client_left"
	}
	return "unknown"
}
