package notify

import (
	"slices"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
)

// NotifierWants reports whether a Notifier is told of an event of that kind of a
// rollout of service.
func NotifierWants(n *configs.Notifier, service, kind string) bool {
	if len(n.Services) > 0 && !slices.Contains(n.Services, service) {
		return false
	}
	if slices.Contains(n.On, "all") || slices.Contains(n.On, named(kind)) {
		return true
	}
	// What was opened must be closed again, whoever forgot to ask for it.
	action, _ := pagerAction(kind)
	return n.PagerDuty != nil && action == pagerResolve && slices.ContainsFunc(n.On, opens)
}

// named is what the documents call events of a kind.
func named(kind string) string {
	switch kind {
	case rollout.AnnounceWeights, rollout.AnnounceBaking, rollout.AnnounceRestarted:
		return rollout.AnnounceStage
	case rollout.AnnounceApproved:
		return rollout.AnnounceApproval
	case rollout.AnnounceOverridden:
		return rollout.AnnounceWaiting
	case rollout.AnnounceAborting:
		return rollout.AnnounceAborted
	case rollout.AnnounceCut:
		return rollout.AnnounceRolledBack
	}
	return kind
}

// opens reports whether events of that name open an alert.
func opens(on string) bool {
	action, _ := pagerAction(on)
	return action == pagerTrigger
}
