package configs

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
)

// canary wraps stages and more in a rollout document.
func canary(stages, more string) string {
	return "kind: Rollout\nservice: shop\nto: green\nstrategy: canary\nstages:\n" + stages + more
}

func describeStages(p *Rollout) string {
	var lines []string
	for _, s := range p.Stages {
		weight := "-"
		if s.Weight != nil {
			weight = s.Weight.String()
		}
		lines = append(lines, fmt.Sprintf("%s|%s|%s|%v|%s", s.Name, weight, s.Duration, s.Checks, s.OnFail))
	}
	return strings.Join(lines, "\n")
}

func TestStages_EverySpellingBecomesFlat(t *testing.T) {
	f := func(stages, want string) {
		t.Helper()
		if got := describeStages(decodeRollout(t, canary(stages, ""))); got != want {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", stages, got, want)
		}
	}
	f("  - {weight: 5%, duration: 5m}\n", "|5%|5m|[]|")
	f("  - {name: first, weight: 5%, duration: 5m, on_fail: pause}\n", "first|5%|5m|[]|pause")
	f("  - first: {weight: 5%}\n", "first|5%|0s|[]|")
	f("  - first: {name: other, weight: 5%}\n", "other|5%|0s|[]|")
	f("  - {weight: 5%}\n  - {duration: 1m}\n", "|5%|0s|[]|\n|-|1m|[]|")
	f("  - {weight: 5%, check: error_rate < 1%, checks: [latency_p99 < 1s], check: error_rate < 2%}\n",
		"|5%|0s|[error_rate < 1% latency_p99 < 1s error_rate < 2%]|")
	f("  - {weights: [5%, 50%], duration_each: 1m, check: error_rate < 1%, on_fail: pause}\n",
		"|5%|1m|[error_rate < 1%]|pause\n|50%|1m|[error_rate < 1%]|pause")
	f("  - grow:\n      weights: [5%, 50%]\n      duration_each: 1m\n", "grow 1/2|5%|1m|[]|\ngrow 2/2|50%|1m|[]|")
}

func TestContract_SeedCanaryIsItsFivePlannedStages(t *testing.T) {
	p := decodeRollout(t, string(readFiles(t, "testdata/contract/seed-canary.yaml")["testdata/contract/seed-canary.yaml"]))
	want := `deploy-canary|1%|15m|[]|
analyze-canary|-|0s|[error_rate < 0.1% latency_p99 < 200ms]|rollback
expand-rollout 1/3|10%|30m|[]|rollback
expand-rollout 2/3|50%|30m|[]|rollback
expand-rollout 3/3|100%|30m|[]|rollback`
	if got := describeStages(p); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func describeRules(rules []analysis.Rule) string {
	var lines []string
	for _, r := range rules {
		role := "trigger"
		if r.Check {
			role = "check"
		}
		lines = append(lines, fmt.Sprintf("%s %s %s from %d patience %s count %d %s", r.ID, role, r.Condition, r.FromStage, Duration(r.Patience), r.Count, r.Action))
	}
	return strings.Join(lines, "\n")
}

func TestRollout_RulesComeFromTriggersAndChecks(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		p := decodeRollout(t, text)
		if got := describeRules(p.Rules()); got != want {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", text, got, want)
		}
		before := p.Rules()
		p.SetDefaults()
		if err := p.Policy(Service{}).Validate(); err != nil {
			t.Errorf("the policy is invalid: %v", err)
		}
		if len(p.Rules()) != len(before) {
			t.Errorf("defaults changed the rules to\n%s", describeRules(p.Rules()))
		}
	}
	stages := "  - {weight: 5%, duration: 30s}\n  - {weight: 100%, duration: 1h}\n"
	f(canary(stages, ""), describeRules(analysis.DefaultGuard()))
	f(canary(stages, "rollback:\n  triggers:\n    - {condition: error_rate > 1%}\n    - {condition: health_check == failing, count: 2, action: notify}\n"),
		"trigger-1 trigger error_rate > 1% from 0 patience 0s count 0 rollback\ntrigger-2 trigger health_check == failing from 0 patience 0s count 2 notify")
	f(canary(stages, "rollback:\n  action: pause\n  triggers:\n    - {condition: error_rate > 1%, duration: 2m}\n    - {condition: error_rate > 9%, action: rollback}\n"),
		"trigger-1 trigger error_rate > 1% from 0 patience 2m count 0 pause\ntrigger-2 trigger error_rate > 9% from 0 patience 0s count 0 rollback")
	// A check's patience is its stage, at most five minutes; that of a stage
	// without duration is the stage that gathered what it judges.
	f(canary("  - {weight: 5%, duration: 30s}\n  - {check: error_rate < 1%}\n  - {weight: 9%, duration: 1h, check: latency_p99 < 1s, on_fail: pause}\n", ""),
		"check-1 check error_rate < 1% from 1 patience 30s count 0 rollback\ncheck-2 check latency_p99 < 1s from 2 patience 5m count 0 pause")
	// A check that later stages repeat is one rule: each would cost a share of alpha.
	f(canary("  - {weights: [5%, 50%], duration_each: 2m, check: error_rate < 1%}\n", ""),
		"check-1 check error_rate < 1% from 0 patience 2m count 0 rollback")
	f(canary("  - {weight: 5%, check: error_rate < 1%}\n", ""), "check-1 check error_rate < 1% from 0 patience 5m count 0 rollback")
	f(strings.Replace(canary("", "checks: [error_rate < 1%]\n"), "canary\nstages:\n", "rolling\n", 1), "check-1 check error_rate < 1% from 0 patience 5m count 0 rollback")
}

func TestRollout_MaxDurationIncludesExtensions(t *testing.T) {
	p := decodeRollout(t, canary("  - {weight: 5%, duration: 10m}\n  - {check: error_rate < 1%}\n", "bake: 7m\n"))
	if got, want := p.Policy(Service{}).MaxDuration, 3*10*time.Minute+3*time.Minute+3*7*time.Minute; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPolicy_IsKeyedWhereClientsStick(t *testing.T) {
	p := decodeRollout(t, canary("  - {weight: 5%}\n", ""))
	s := *decodeService(t, shop)
	if p.Policy(s).Keyed || s.GuardPolicy().Keyed {
		t.Error("keyed without a sticky key")
	}
	s.Sticky = &Sticky{By: "address"}
	if !p.Policy(s).Keyed || !s.GuardPolicy().Keyed {
		t.Error("not keyed with a sticky key")
	}
}

func TestService_GuardPolicyIsTheDefaultGuardWithoutTriggers(t *testing.T) {
	f := func(guard *Guard, want []analysis.Rule) {
		t.Helper()
		s := Service{Guard: guard}
		if got := s.GuardPolicy(); !reflect.DeepEqual(got.Rules, want) || got.Validate() != nil || got.MaxDuration <= 0 {
			t.Errorf("got %+v (%v), want %+v", got, got.Validate(), want)
		}
	}
	f(nil, analysis.DefaultGuard())
	f(&Guard{}, analysis.DefaultGuard())
	s := decodeService(t, shop+"guard: {triggers: [{condition: error_rate > 2%, duration: 3m}]}\n")
	f(s.Guard, []analysis.Rule{{ID: "trigger-1", Condition: s.Guard.Triggers[0].Condition, Patience: 3 * time.Minute, Action: analysis.Rollback}})
}

func TestRollout_ValidateAgainstItsService(t *testing.T) {
	s := decodeService(t, shop+"timeout: 2s\n")
	f := func(change func(*Rollout), want ...string) {
		t.Helper()
		p := decodeRollout(t, canary("  - {weight: 5%, duration: 1m}\n", ""))
		change(p)
		var got []string
		for _, problem := range p.ValidateAgainst(s) {
			got = append(got, problem.Path+": "+problem.Text+"; "+problem.Hint)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(func(p *Rollout) {})
	f(func(p *Rollout) { p.Service = "store" }, `service: the rollout is of service "store", not "shop"; write service: shop`)
	f(func(p *Rollout) { p.To = "blue" }, `to: version "blue" is stable already; name the version under trial`)
	f(func(p *Rollout) { p.To = "gren" }, `to: service "shop" has no version "gren"; did you mean green?`)
	brought := &RolloutVersion{Name: "red", Endpoints: []string{"127.0.0.1:9003"}}
	f(func(p *Rollout) { p.To, p.Version = "red", brought })
	f(func(p *Rollout) {
		p.To, p.Version = "red", &RolloutVersion{Name: "red", Endpoints: []string{"127.0.0.1:9001"}}
	}, `version.endpoints[0]: the address "127.0.0.1:9001" belongs to version "blue" already; give each version its own endpoints`)
	f(func(p *Rollout) {
		p.Strategy, p.Stages, p.To, p.Version = StrategyRolling, nil, "red", &RolloutVersion{Name: "red", Endpoints: []string{"127.0.0.1:9001"}}
	}, `version.endpoints[0]: the address "127.0.0.1:9001" belongs to version "blue" already; start the new build on addresses of its own: redeploying in place is not supported`)
	s.Routes = append(s.Routes, Route{Host: "shop.example.com"})
	f(func(p *Rollout) { p.Preview = &Preview{Host: "Shop.example.com"} },
		fmt.Sprintf(`preview.host: the host "Shop.example.com" is that of users, by routes[%d]; write a host that users do not know`, len(s.Routes)-1))
	slow := decodeRollout(t, canary("  - {weight: 5%, check: latency_p99 < 2s}\n", ""))
	f(func(p *Rollout) { p.Stages = slow.Stages }, `stages[0].checks[0]: the limit of "latency_p99 < 2s" can never break: every answer ends before it; write a limit below the timeout 2s of service "shop"`)
}

func TestUnbuilt_NamesWhatIsLaterWork(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		documents, err := Decode("f", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for i := range documents {
			for _, p := range Unbuilt(&documents[i]) {
				if p.Line == 0 || p.File != "f" {
					t.Errorf("no place: %s", p)
				}
				got = append(got, fmt.Sprintf("%d %s: %s", p.Line, p.Path, p.Text))
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s\ngot:\n%s\nwant:\n%s", text, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	f(shop)
	f(shop + "sticky: {by: cookie, mode: pin}\nretry: {attempts: 2}\nshield: true\nfallback: {status: [404]}\n")
	f(canary("  - {weight: 5%, check: error_rate < 1%}\n", "rollback: {triggers: [{condition: error_rate > 1%, action: notify}]}\n"))
	f(canary("  - {weight: 5%, check: error_rate < 1.5x baseline}\n", "smoke: [{get: /}]\napproval: manual\nkeep_previous: 1h\non_inconclusive: proceed\n"))
	for _, strategy := range []string{"blue-green", "rolling", "all-at-once"} {
		f("kind: Rollout\nservice: shop\nto: green\nstrategy: " + strategy + "\n")
	}
	f("kind: Node\nlisten: [{address: 127.0.0.1:1, tls: {certificates: [{cert: a, key: b}]}}]\ncontrol: {tls: {cert: a, key: b}}\nstate: {etcd: {endpoints: [https://etcd:2379], tls: {ca: ca.pem}}}\n")
}
