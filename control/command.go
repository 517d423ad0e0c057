package control

import (
	"fmt"

	"github.com/weirproxy/weir/configs"
)

// Command is what a person asks of the Controller. The set is closed.
type Command interface{ command() }

// ApplyService creates or replaces the document of a service. Stable and
// weights of an existing service stay, unless ResetWeights says otherwise.
type ApplyService struct {
	Document     configs.Service
	IfMatch      int64 // ModRevision of the document; 0: any; -1: it must be absent
	ResetWeights bool
	DryRun       bool
	Actor        string
}

// DeleteService removes a service that has no rollout in force.
type DeleteService struct {
	Name    string
	IfMatch int64
	Actor   string
}

// SetWeights moves the weights of a service by hand.
type SetWeights struct {
	Service string
	Weights map[string]configs.Weight
	IfMatch int64 // ModRevision of the service's state; 0: any
	Actor   string
}

// StartRollout begins a planned rollout.
type StartRollout struct {
	Plan   configs.Rollout
	DryRun bool // nothing is started; the reply says what would be
	Actor  string

	// ReadyOnly refuses what would have to wait for an environment that it requires,
	// or for the end of a freeze.
	ReadyOnly bool

	retries string // the rollout that is tried again with it; empty: none
}

// Act is a person's verb on a rollout: promote, pause, resume, approve, override, abort,
// undo or retry.
type Act struct {
	ID      string
	Verb    string
	Full    bool   // promote: to 100 % at once
	Reason  string // shown in the history
	IfMatch int64  // ModRevision of the rollout; 0: any. Abort needs none.
	Actor   string

	instant bool // an abort that must not go in steps
}

// ApplyNotifier creates or replaces a notifier.
type ApplyNotifier struct {
	Document configs.Notifier
	IfMatch  int64 // as of ApplyService
	DryRun   bool
	Actor    string
}

// DeleteNotifier removes a notifier. What it was still to be told is given up.
type DeleteNotifier struct {
	Name    string
	IfMatch int64
	Actor   string
}

// Note adds an entry to the audit trail about what was done to a node itself.
type Note struct {
	Action string
	Object string // nodes/<name>
	Text   string
	Actor  string
}

func (Note) command()           {}
func (ApplyNotifier) command()  {}
func (DeleteNotifier) command() {}
func (ApplyService) command()   {}
func (DeleteService) command()  {}
func (SetWeights) command()     {}
func (StartRollout) command()   {}
func (Act) command()            {}

// Reply is what became of a Command.
type Reply struct {
	Revision int64    // of the store after the change; 0: nothing changed
	Name     string   // of the service or document
	ID       string   // of the rollout
	Created  bool     // the object is new
	Text     string   // one sentence for the person
	Warnings []string // worth reading, nothing refused
	Changes  []string // with DryRun: what would change
}

// ErrorKind tells callers how a Command was refused.
type ErrorKind int

// Kinds of a refusal, with the HTTP status that the API gives them.
const (
	Invalid     ErrorKind = iota + 1 // 422: the request contradicts itself or the service
	NotFound                         // 404
	Conflict                         // 409: the state of things forbids it
	Stale                            // 412: If-Match names an older revision
	NotBuilt                         // 501
	Unavailable                      // 503: the store cannot be written
	Undelivered                      // 502: a notifier did not take a message
)

// Error is a refusal that a person can mend. Nothing was changed.
type Error struct {
	Kind     ErrorKind
	Text     string   // what is wrong
	Hint     string   // what to do
	Problems []string // all of them, where there are several
	Allowed  []string // verbs that the rollout takes now
}

// Error returns the text and, where there is one, the hint.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Text
	}
	return fmt.Sprintf("%s; %s", e.Text, e.Hint)
}

func refuse(kind ErrorKind, hint, format string, args ...any) *Error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...), Hint: hint}
}
