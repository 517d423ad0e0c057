package control

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/configs"
)

// What can be known to be wrong with a plan is said where it is applied: by the
// document alone, by the service, or by this node.
func TestPlans_WhatIsWrongIsSaidAtOnce(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	const head = "kind: Rollout\nservice: shop\nto: green\nstrategy: canary\n"
	const stages = "stages: [{weight: 5%, duration: 1m}, {weight: 50%, duration: 1m}]\n"
	document := func(text, want string) {
		t.Helper()
		if _, err := configs.Decode("plan.yaml", []byte(head+text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	document("stages: [{weight: 50%, duration: 1m}, {weight: 5%, duration: 1m}]\n", "the weight falls from 50% to 5%")
	document("stages: [{weight: 5%, duration: 1m, early: true}]\n", "nothing says what must be proven")
	document("stages: [{weight: 5%, duration: 1m, checks: [queue_depth < 5]}]\n", `there is no metric "queue_depth"`)
	document("stages: [{weight: 5%, duration: 1m, checks: [error_rate > 1%]}]\n", "a check says what must hold")
	document(stages+"rollback: {triggers: [{condition: queue_depth > 5}]}\n", `there is no metric "queue_depth"`)
	document(stages+"approvers: 2\n", "nobody is asked to approve")
	document(stages+"holdback: 60%\n", "stable cannot keep 60%")
	document(stages+"on_deadline: pause\n", "there is no deadline")
	document(stages+"preview: {host: p.example.com}\n", "no meaning with strategy canary")
	document(stages+"hooks: [{name: qa, at: end, mode: gate, url: 'http://127.0.0.1:1/'}]\n", "a gate cannot stand at end")
	document(stages+"hooks: [{name: qa, at: promotion, url: '127.0.0.1:1'}]\n", "is not a URL")

	plan := func(text string) configs.Rollout {
		t.Helper()
		documents, err := configs.Decode("plan.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return *documents[0].Rollout
	}
	refused := func(text, want string, kind ErrorKind) {
		t.Helper()
		e := l.refused(StartRollout{Plan: plan(text), Actor: "ana"})
		if all := e.Error() + strings.Join(e.Problems, "\n"); e.Kind != kind || !strings.Contains(all, want) {
			t.Errorf("%s: %d %s, want %q", text, e.Kind, all, want)
		}
	}
	refused(strings.Replace(head, "green", "violet", 1)+stages, "violet", Invalid)
	refused(strings.Replace(head, "green", "blue", 1)+stages, "blue", Invalid)
	refused(strings.Replace(head, "shop", "cart", 1)+stages, "cart", NotFound)

	signed := plan(head + stages + "hooks: [{name: qa, at: promotion, secret_file: nowhere, url: 'http://127.0.0.1:1/'}]\n")
	if warnings := l.CheckPlan(&signed); len(warnings) != 1 || !strings.Contains(warnings[0], `hook qa: cannot read secret "nowhere"`) {
		t.Errorf("a secret that is not there: %q", warnings)
	}
	if n := len(l.View().Rollouts); n != 0 {
		t.Errorf("%d rollouts were started", n)
	}
}
