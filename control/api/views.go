package api

import (
	"time"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/release"
)

// What pages are made of: the very answers of the API.

// ServiceOf is a service as the API shows it.
func ServiceOf(v *control.ServiceView) Service { return serviceOf(v) }

// SummaryOf is a rollout as a list shows it.
func SummaryOf(v *control.RolloutView) Rollout { return summaryOf(v) }

// RolloutOf is a rollout with its plan, rules, cuts and history.
func RolloutOf(v *control.RolloutView) Rollout { return rolloutOf(v) }

// WhyOf explains a rollout. recording may be nil.
func WhyOf(v *control.RolloutView, recording *control.Recording) Why { return whyOf(v, recording) }

// NodesOf are the nodes of the fleet by name.
func NodesOf(v *control.View) []Node { return nodesOf(v) }

// NotifierOf is a notifier as the API shows it.
func NotifierOf(v *control.NotifierView) Notifier { return notifierOf(v) }

// FreezeOf is a freeze as the API shows it.
func FreezeOf(v *control.FreezeView) Freeze { return freezeOf(v) }

// ToldOf is an event on its way to a recipient as the API shows it.
func ToldOf(e *notify.Entry) Told { return toldOf(e) }

// AuditOf is an entry of the trail as the API shows it.
func AuditOf(e control.AuditView) Audit { return auditOf(e) }

// ApplicationOf is one application as the API shows it, with the figures of an
// environment over so many days up to now.
func ApplicationOf(board *release.Board, name, environment string, days int, now time.Time) Application {
	return applicationOf(board, name, environment, days, now)
}

// DeploymentsOf are the newest deployments of an application, at most so many.
func DeploymentsOf(board *release.Board, application, environment string, most int) []Deployment {
	return deploymentsOf(board, application, environment, most)
}

// ReleaseOf is a release with what has become of it.
func ReleaseOf(v *control.ReleaseView, board *release.Board) Release { return releaseOf(v, board) }

// FlagOf is a flag as the API shows it.
func FlagOf(v *control.FlagView) Flag { return flagOf(v) }

// AdviceOf is what the API advises.
func AdviceOf(v *control.View) []Advice { return advise(v) }
