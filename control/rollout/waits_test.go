package rollout

import (
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
)

// To write that a rollout waits makes a state that no node has acknowledged yet. Who
// waits for a person, a freeze or a hook must not forget it for that.
func TestStep_WhatWaitsForPeopleIsNotUnsettledByItsOwnWrites(t *testing.T) {
	f := func(want Wait, plan configs.Rollout, freeze *Freeze) {
		t.Helper()
		doc := configs.Service{Name: "shop", Stable: "blue", Versions: map[string]configs.Version{
			"blue": {Endpoints: []string{"127.0.0.1:9001"}}, "green": {Endpoints: []string{"127.0.0.1:9002"}},
		}}
		at := time.Unix(1000, 0)
		plan.Service, plan.To, plan.Strategy = "shop", "green", configs.StrategyCanary
		plan.SetDefaults()
		pair, err := New("r1", plan, doc, NewService(doc, at), at, "ana")
		if err != nil {
			t.Fatal(err)
		}
		writes, acked := 0, false
		for i := range 50 {
			at = at.Add(25 * time.Millisecond)
			next, _, err := Step(pair, Tick{At: at, StableUp: true, CandidateUp: true, Acked: acked, Freeze: freeze}, 0)
			if err != nil {
				t.Fatal(err)
			}
			acked = next.Equal(pair) // all have it by the next look
			if !acked {
				writes++
			}
			if pair = next; i > 5 && pair.Rollout.WaitingFor != want {
				t.Fatalf("after %d looks it waits for %q, want %q", i, pair.Rollout.WaitingFor, want)
			}
		}
		if writes > 5 {
			t.Errorf("waiting for %s took %d writes", want, writes)
		}
	}
	weight := configs.Weight(1000)
	stage := configs.Stage{Weight: &weight, Duration: configs.Duration(time.Hour)}
	approved := stage
	approved.Approval = "manual"
	f(WaitApproval, configs.Rollout{Stages: []configs.Stage{approved}}, nil)
	f(WaitFreeze, configs.Rollout{Stages: []configs.Stage{stage}}, &Freeze{Name: "lunch"})
	gate := configs.Hook{Name: "qa", At: configs.HookStart, Mode: configs.HookGate, URL: "http://127.0.0.1:9000/"}
	f(WaitHook, configs.Rollout{Stages: []configs.Stage{stage}, Hooks: []configs.Hook{gate}}, nil)
}
