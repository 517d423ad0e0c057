package main

import (
	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/rollout"
)

func phaseInk(p rollout.Phase) ink {
	switch p {
	case rollout.Succeeded:
		return good
	case rollout.RolledBack, rollout.Aborted, rollout.Failed:
		return bad
	case rollout.Paused, rollout.Queued, rollout.Superseded:
		return warn
	}
	return bold
}

func verdictInk(k analysis.Kind) ink {
	switch k {
	case analysis.Pass:
		return good
	case analysis.Fail:
		return bad
	}
	return warn
}

func stateInk(s analysis.RuleState) ink {
	switch s {
	case analysis.StateFail:
		return bad
	case analysis.StateShared, analysis.StateUnmeasured:
		return warn
	case analysis.StatePass, analysis.StateHolding:
		return good
	}
	return plain
}

func proofInk(rule *api.Rule) ink {
	switch share := proofShare(rule.Evidence, rule.Threshold); {
	case share >= 1:
		return bad
	case share >= .5:
		return warn
	}
	return plain
}

func errorInk(rate float64) ink {
	if rate >= .01 {
		return bad
	}
	return plain
}

func upInk(up, all int) ink {
	if up < all {
		return bad
	}
	return plain
}
