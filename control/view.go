package control

import (
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/rollout"
)

// View is an immutable picture of the state for readers. The Controller
// publishes one at every change, and five times a second while somebody reads.
type View struct {
	At         time.Time
	Node       string
	Leader     bool   // this node leads
	LeaderNode string // who leads; empty: unknown
	Store      StoreView
	Services   []*ServiceView // by name; those that look the same are shared by Views
	Rollouts   []*RolloutView // newest first; likewise
	Nodes      []NodeView     // by name
	Audit      []AuditView    // newest first, bounded

	Notifiers []NotifierView // by name
	Freezes   []FreezeView   // by name
	Flags     []FlagView     // by name

	Keys []KeyView // of the sticky cookie, the oldest first

	// Releases are in the order in which they were applied, Deployments those that
	// other systems reported, in no order. Neither may be changed.
	Releases    []ReleaseView
	Deployments []release.Deployment

	// DeploymentsSince is since when all deployments are known. Zero: all there were
	// are.
	DeploymentsSince time.Time

	// Migrations are by application, environment and name. They may not be changed.
	Migrations []MigrationView

	// Outbox is what is still to be told, and dead letters: by rollout, oldest
	// first, bounded. OutboxSize counts all, OutboxDead the dead letters.
	Outbox     []notify.Entry
	OutboxSize int

	DeadLetters []notify.Entry // those of the outbox, bounded likewise
	OutboxDead  int
}

// StoreView says how fresh the state is.
type StoreView struct {
	Connected bool
	Revision  int64
	Age       time.Duration // since the last proof of freshness
	Source    string        // `etcd` or `disk`
	Err       string
	Blind     bool // cut off for so long that candidates get nothing from this node

	Unreadable int // stored values that cannot be read; the last good ones are kept
}

// ServiceView is one service as this node sees it.
type ServiceView struct {
	Document      configs.Service
	ModRevision   int64 // of services/<name>
	State         rollout.Service
	StateRevision int64  // of state/<service>: the ETag of the weights
	Refused       string // why the present document does not compile; empty: it does
	Versions      []VersionView
}

// VersionView is one version of a service as this node sees it.
type VersionView struct {
	Name     string
	Revision string
	Role     string         // stable, candidate, kept or idle
	Weight   configs.Weight // in force on this node, cuts included

	Endpoints []EndpointView

	// Of all lanes in which clients wait, so of the split, of fail-over and of
	// replays, but not of copies and probes: errors are counted for all together.
	Requests  uint64        // since the process began
	Errors    uint64        // likewise
	RPS       float64       // over the last 5 s
	ErrorRate float64       // 0..1 over the last 5 s
	P50, P99  time.Duration // over the last 5 s; 0: no requests
}

// EndpointView is one endpoint as this node sees it.
type EndpointView struct {
	Address  string
	Name     string // as the document has it, if that is a name
	Up       bool   // it gets requests, but for what State says
	State    EndpointState
	Until    time.Time // when an ejected one comes back; else zero
	InFlight int64
}

// EndpointState says more of an endpoint than whether it is up.
type EndpointState string

// States of an endpoint.
const (
	EndpointUp       EndpointState = "up"
	EndpointDown     EndpointState = "down"     // probes say so
	EndpointEjected  EndpointState = "ejected"  // it failed the requests that it got
	EndpointStarting EndpointState = "starting" // it came up lately, and gets less than the others
)

// RolloutView is one rollout. Verdict and Rules are those of the judge that
// decides here: the fleet's on its leader, else this node's own. They are there
// while the rollout is in force; afterwards they are the ones it ended with.
type RolloutView struct {
	State        rollout.State
	ModRevision  int64
	StageElapsed time.Duration
	Elapsed      time.Duration
	InForce      bool
	Verdict      analysis.Verdict
	Rules        []analysis.RuleReport
	Cuts         []rollout.Cut
	WarmUp       WarmUp

	// Missing is what people, environments and freezes keep the next move from, one
	// sentence each, as of the View.
	Missing []string
}

// WarmUp is how connections to a candidate were opened before it got more
// weight: for the raise that waits for it, or the last one. It is known to the
// node that leads. The zero WarmUp: there was none yet.
type WarmUp struct {
	At     time.Time // when it began
	Done   bool
	Wanted int // connections that the candidate should have
	Opened int // those of them that were opened
	Took   time.Duration
	Err    string // why not all were
}

// NodeView is one weir process of the fleet.
type NodeView struct {
	Name     string
	Boot     string
	Version  string
	Revision int64             // the last revision that it applied
	Refused  map[string]string // services whose document it could not compile
	Leader   bool
	Self     bool
	Silent   bool // it did not apply a change in time: raises do not wait for it
	SeenAt   time.Time
}

// Event tells subscribers of a change as it happens.
type Event struct {
	Seq     uint64 // rises by one with each event of this process
	At      time.Time
	Kind    string // rollout, service, node, cut, endpoint or state
	Service string
	Rollout string
	Text    string
	Phase   rollout.Phase
	Verdict *analysis.Verdict
	Lost    int // events that this subscriber missed before this one
}

// Service returns the service of that name.
func (v *View) Service(name string) (*ServiceView, bool) {
	i, found := slices.BinarySearchFunc(v.Services, name, func(s *ServiceView, name string) int { return strings.Compare(s.Document.Name, name) })
	if !found {
		return nil, false
	}
	return v.Services[i], true
}

// Rollout returns the rollout of that id.
func (v *View) Rollout(id string) (*RolloutView, bool) {
	for _, r := range v.Rollouts {
		if r.State.ID == id {
			return r, true
		}
	}
	return nil, false
}
