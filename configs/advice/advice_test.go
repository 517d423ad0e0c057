package advice

import (
	"strings"
	"testing"

	"github.com/weirproxy/weir/configs"
)

// input reads documents.
func input(t *testing.T, text string) Input {
	t.Helper()
	documents, err := configs.Decode("d.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var in Input
	in.Add(documents)
	return in
}

func codes(all []Advice) string {
	var out []string
	for _, a := range all {
		if a.Text == "" || a.Reason == "" || a.Remedy == "" {
			out = append(out, "(without a text)")
		}
		out = append(out, a.Code)
	}
	return strings.Join(out, " ")
}

const (
	service = "kind: Service\nname: shop\nroutes: [{path: /}]\nstable: blue\nversions: {blue: {endpoints: [127.0.0.1:9001]}}\n"
	staging = "---\nkind: Service\nname: shop-staging\napplication: shop\nenvironment: staging\nroutes: [{host: staging.example.com}]\nstable: blue\nversions: {blue: {endpoints: [127.0.0.1:9002]}}\n"
	fridays = "---\nkind: Freeze\nname: fridays\nschedule: {days: [thu, fri], from: \"12:00\", to: \"24:00\", time_zone: Europe/Lisbon}\n"
	oncall  = "---\nkind: Notifier\nname: oncall\nwebhook: {url: \"https://example.com\"}\non: [rolled_back]\n"
	careful = "---\nkind: Rollout\nservice: shop\nto: green\nstrategy: canary\nrequires: [{environment: staging, for: 1h}]\nsmoke: [{get: /healthz}]\nstages: [{weight: 5%, duration: 10m, checks: [error_rate < 1%]}, {weight: 100%, duration: 10m}]\n"
	hasty   = "---\nkind: Rollout\nservice: shop\nto: green\nstrategy: canary\nstages: [{weight: 50%}, {weight: 100%}]\n"
	boom    = "---\nkind: Rollout\nservice: shop\nto: green\nstrategy: all-at-once\nrollback: {triggers: [{condition: error_rate > 1%}]}\nsmoke: [{get: /healthz}]\n"
)

func TestFind_SaysWhatIsMissing(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := codes(Find(input(t, text))); got != want {
			t.Errorf("advice is %q, want %q for\n%s", got, want, text)
		}
	}
	f(service, "no-freeze no-notifications no-staging")
	f(service+staging+fridays+oncall+careful, "")
	f(service+fridays+oncall+careful, "")
	f(service+staging+fridays+oncall+hasty, "no-observation no-smoke-check no-staging no-triggers")
	f(service+staging+fridays+oncall+boom, "all-at-once no-staging")
	f(strings.Replace(service, "name: shop", "name: shop\nenvironment: staging", 1)+boom, "")
	f(service+staging+strings.Replace(fridays, "from: \"12:00\"", "from: \"20:00\"", 1)+oncall, "no-freeze")
	f(service+staging+strings.Replace(fridays, "schedule:", "services: [search]\nschedule:", 1)+oncall, "no-freeze")
	f(service+staging+fridays+strings.Replace(oncall, "[rolled_back]", "[started]", 1), "no-notifications")
	const drop = "---\nkind: Migration\nname: drop\napplication: shop\nengine: sqlite\nphase: contract\nbreaks: [v1]\nsteps: [{name: x, sql: DROP TABLE x}]\n"
	const v2 = "---\nkind: Release\napplication: shop\nversion: green\nmigrations: [drop]\n"
	f(service+staging+fridays+oncall+careful+"migrations: [drop]\n"+drop, "migration-with-code")
	f(service+staging+fridays+oncall+careful+v2+drop, "migration-with-code")
	f(service+staging+fridays+oncall+careful+"advise: {ignore: [migration-with-code]}\n"+v2+drop, "")
	f(service+staging+fridays+oncall+careful+v2+strings.Replace(drop, "application: shop", "application: other", 1), "")
	f(service+staging+fridays+oncall+careful+drop, "")
	f("kind: Rollout\nflag: new\nstrategy: flag\nto: on\nstages: [{weight: 5%, duration: 10m, checks: [error_rate < 1%]}, {weight: 100%}]\n", "")
}

func TestFind_IsQuietWhereItIsToldTo(t *testing.T) {
	quiet := service + "advise: {ignore: [no-freeze, no-staging, no-notifications]}\n" + hasty + "advise: {ignore: [no-observation, no-smoke-check]}\n"
	if got := codes(Find(input(t, quiet))); got != "no-triggers" {
		t.Errorf("advice is %q", got)
	}
}

func TestFind_WeightsByHand(t *testing.T) {
	in := input(t, service+staging+fridays+oncall)
	in.Manual = []string{"shop"}
	got := Find(in)
	if codes(got) != "manual-weights" || got[0].Object != "service shop" || !strings.Contains(got[0].String(), "Write a Rollout") {
		t.Errorf("advice is %v", got)
	}
}

func TestFind_StagingThatOthersReport(t *testing.T) {
	in := input(t, service+fridays+oncall)
	in.Staged = []string{"shop"}
	if got := codes(Find(in)); got != "" {
		t.Errorf("advice is %q although deployments to staging are reported", got)
	}
}
