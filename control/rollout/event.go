package rollout

import (
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
)

// Event is what happens to a rollout. The set is closed. At is wall time, for
// display and for what Service.KeepUntil says.
type Event interface{ event() }

// Tick is the leader's look at a rollout in force, about ten times a second.
// Its verdict must be of the rollout's present generation and stage.
type Tick struct {
	At time.Time

	// Verdict is of the one candidate.
	Verdict analysis.Verdict

	// Candidates are the verdicts by version where weights by hand put several
	// under trial. Nil: Verdict alone.
	Candidates map[string]analysis.Verdict

	// Observed are the verdicts of broken rules that only observe.
	Observed []analysis.Verdict

	CandidateUp bool // the candidate has a healthy endpoint
	BatchUp     bool // of a rolling rollout: those that State.Batch wants are healthy
	StableUp    bool // stable has one
	Acked       bool // every node that counts has applied the present state

	// Freeze is the one in force for this service; nil: none.
	Freeze *Freeze

	// Requires is what environments that the plan requires lack as of now. Empty:
	// nothing.
	Requires []Missing
}

// Command is a person's verb: pause, resume, promote, approve, override, abort or
// undo.
type Command struct {
	At     time.Time
	Actor  string
	Verb   string
	Reason string // shown in the history; may be empty
	Full   bool   // promote: to 100 % at once

	// Freeze is the one in force for this service; nil: none. It refuses promote.
	Freeze *Freeze

	// Requires is as in a Tick. It refuses promote.
	Requires []Missing

	// Instant aborts at once, whatever ramp the plan has.
	Instant bool
}

// SetWeights moves the weights of a manual rollout in force.
type SetWeights struct {
	At      time.Time
	Actor   string
	Weights map[string]configs.Weight // add up to configs.Whole; a version left out has none
}

// CutSeen is a cut that stands in the state, whichever node made it. For a
// rollout that is over the elapsed time is that since its end: a success that a
// cut missed by moments is taken back.
type CutSeen struct {
	At  time.Time
	Cut Cut
}

// SmokeDone is how the run of smoke checks ended that RunSmoke asked for. One that
// nobody asked for, or whose answer is known, changes nothing.
type SmokeDone struct {
	At         time.Time
	Generation int // of RunSmoke
	Run        int // of RunSmoke
	Passed     bool
	Text       string // one sentence: which check failed, and how
}

// StableBreaks says that stable breaks the rule that a candidate was just put
// back for. The elapsed time that goes with it is the time since then.
type StableBreaks struct {
	At   time.Time
	Rule string
}

// RevisionChanged says that a candidate is another build now.
type RevisionChanged struct {
	At       time.Time
	Version  string
	Revision string
}

// Supersede ends a rollout in favour of another. The weights stay: New and
// NewManual say what becomes of them, in the same transaction.
type Supersede struct {
	At    time.Time
	Actor string
	By    string // the id of the other
}

func (Tick) event()            {}
func (Command) event()         {}
func (SetWeights) event()      {}
func (CutSeen) event()         {}
func (SmokeDone) event()       {}
func (StableBreaks) event()    {}
func (RevisionChanged) event() {}
func (Supersede) event()       {}

// Effect is what has to be done besides writing the pair. The set is closed.
type Effect interface{ effect() }

// CutNow takes a version to 0 on this node before anything is written: table,
// then disk, then etcd. Node and Boot of the cut are for the caller to fill.
// The pair that comes with it may be unchanged: the cut, once it stands in
// etcd, comes back as CutSeen. A Tick gives it again until then.
type CutNow struct{ Cut Cut }

// RunSmoke asks for one run of the plan's smoke checks against every endpoint of
// the candidate, beside its traffic. A Tick gives it again until its SmokeDone
// was taken in: whoever runs them must know which are under way.
type RunSmoke struct {
	Service    string
	Version    string
	Generation int
	Run        int // from 1 on, within the generation
	Checks     []configs.Smoke
}

// ResetEvidence starts the judge and the stage time anew.
type ResetEvidence struct{}

// DropCuts deletes, in the transaction that writes the pair, the known cuts of
// this rollout that Service.Voids reports under the new Service. Each is
// compared to be the one that was read.
type DropCuts struct{}

// Announce tells people. It is written in the same transaction as the pair.
type Announce struct {
	Seq  uint64 // of the rollout's announcements, from 1, without gaps
	Kind string // one of the Announce kinds
	Text string // one sentence

	Verdict *analysis.Verdict // that it is about, if it moved nothing; nil: the rollout's
}

// Kinds of an Announce.
const (
	AnnounceStarted    = "started"
	AnnounceStage      = "stage"
	AnnounceWeights    = "weights"
	AnnouncePaused     = "paused"
	AnnounceResumed    = "resumed"
	AnnounceBaking     = "baking"
	AnnounceRestarted  = "restarted"
	AnnounceSucceeded  = "succeeded"
	AnnounceRolledBack = "rolled_back"
	AnnounceAborted    = "aborted"
	AnnounceFailed     = "failed"
	AnnounceSuperseded = "superseded"
	AnnounceCut        = "cut"        // one of several candidates was taken to 0
	AnnounceApproval   = "approval"   // people are waited for
	AnnounceApproved   = "approved"   // one of them agreed
	AnnounceWaiting    = "waiting"    // an environment that the plan requires is waited for
	AnnounceOverridden = "overridden" // a person goes on without one
	AnnounceAborting   = "aborting"   // an abort in steps has begun
	AnnounceObserved   = "observed"   // a rule broke that only observes
)

func (CutNow) effect()        {}
func (RunSmoke) effect()      {}
func (ResetEvidence) effect() {}
func (DropCuts) effect()      {}
func (Announce) effect()      {}
