package configs

import (
	"testing"
	"time"
)

func TestRollout_HoldIsThatOfTheStageThenOfThePlan(t *testing.T) {
	p := decodeRollout(t, canary("  - {weight: 5%, duration: 10m, check: error_rate < 1%}\n  - {weight: 9%, duration: 1m, max_hold: 5m, on_inconclusive: proceed}\n  - {check: error_rate < 2%}\n",
		"bake: 2m\non_inconclusive: rollback\n"))
	f := func(i int, limit time.Duration, then string) {
		t.Helper()
		if gotLimit, gotThen := p.Hold(i); gotLimit != limit || gotThen != then {
			t.Errorf("stage %d: %s then %s, want %s then %s", i, gotLimit, gotThen, limit, then)
		}
	}
	f(0, 30*time.Minute, "rollback")
	f(1, 5*time.Minute, "proceed")
	f(2, 3*time.Minute, "rollback")
	f(3, 6*time.Minute, "rollback")
	p.MaxHold, p.OnInconclusive = Duration(7*time.Minute), ""
	f(0, 10*time.Minute, "hold")
	f(1, 5*time.Minute, "proceed")
	f(3, 7*time.Minute, "hold")
}

func TestPolicy_CarriesWhatTheDocumentsSay(t *testing.T) {
	p := decodeRollout(t, canary("  - {weight: 5%}\n", "warmup: 30s\nrollback: {triggers: [{condition: error_rate > 1%, confidence: literal}, {condition: error_rate > 2%, confidence: proven}]}\n"))
	got := p.Policy(Service{Timeout: Duration(9 * time.Second)})
	if got.Warmup != 30*time.Second || got.Timeout != 9*time.Second || !got.Rules[0].Literal || got.Rules[1].Literal {
		t.Errorf("%+v", got)
	}
}
