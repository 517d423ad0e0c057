package notify

import (
	"testing"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
)

func TestNotifierWants_WhatItsDocumentNames(t *testing.T) {
	slack := func(on ...string) *configs.Notifier {
		return &configs.Notifier{Name: "n", Slack: &configs.SlackTarget{}, On: on}
	}
	pager := func(on ...string) *configs.Notifier {
		return &configs.Notifier{Name: "n", PagerDuty: &configs.PagerDutyTarget{}, On: on}
	}
	of := func(service string, n *configs.Notifier) *configs.Notifier {
		n.Services = []string{service}
		return n
	}
	f := func(n *configs.Notifier, kind string, want bool) {
		t.Helper()
		if got := NotifierWants(n, "shop", kind); got != want {
			t.Errorf("on %v, services %v, pager %v: %s is wanted: %v", n.On, n.Services, n.PagerDuty != nil, kind, got)
		}
	}
	f(slack("started"), rollout.AnnounceStarted, true)
	f(slack("started"), rollout.AnnounceStage, false)
	f(slack("stage"), rollout.AnnounceBaking, true)
	f(slack("stage"), rollout.AnnounceWeights, true)
	f(slack("rolled_back"), rollout.AnnounceCut, true)
	f(slack("failed"), rollout.AnnounceSucceeded, false)
	f(slack("all"), rollout.AnnounceSuperseded, true)
	f(slack("all"), "of a newer release", true)
	f(of("shop", slack("all")), rollout.AnnounceStarted, true)
	f(of("search", slack("all")), rollout.AnnounceStarted, false)
	f(pager("failed", "rolled_back"), rollout.AnnounceSucceeded, true)
	f(pager("paused"), rollout.AnnounceResumed, true)
	f(pager("paused"), rollout.AnnounceAborted, true)
	f(pager("paused"), rollout.AnnounceStarted, false)
	f(pager("started"), rollout.AnnounceSucceeded, false)
	f(of("search", pager("failed")), rollout.AnnounceSucceeded, false)
}
