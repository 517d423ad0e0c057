package control

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/exposition/expositiontest"
	"github.com/weirproxy/weir/proxy/stats"
)

// wantedFamilies are the families of the Controller: people write rules against their
// names, types and labels.
func wantedFamilies() map[string]string {
	return map[string]string{
		"weir_requests_total":                "counter code service version",
		"weir_request_errors_total":          "counter reason service version",
		"weir_request_duration_seconds":      "histogram service version",
		"weir_requests_in_flight":            "gauge service version",
		"weir_lane_requests_total":           "counter lane service version",
		"weir_retries_total":                 "counter reason service version",
		"weir_retries_denied_total":          "counter service version",
		"weir_mirror_requests_total":         "counter result service version",
		"weir_split_weight_ratio":            "gauge service version",
		"weir_version_role":                  "gauge role service version",
		"weir_service_refused":               "gauge service",
		"weir_flag_requests_total":           "counter code flag variant",
		"weir_flag_request_errors_total":     "counter flag reason variant",
		"weir_flag_request_duration_seconds": "histogram flag variant",
		"weir_flag_share_ratio":              "gauge flag variant",
		"weir_flag_killed":                   "gauge flag",
		"weir_flag_refused":                  "gauge flag",
		"weir_endpoint_up":                   "gauge endpoint service version",
		"weir_endpoint_ejections_total":      "counter service version",
		"weir_circuit_open_total":            "counter",
		"weir_rollout_phase":                 "gauge phase rollout service",
		"weir_rollout_waiting":               "gauge for rollout service",
		"weir_rollout_stage":                 "gauge rollout service",
		"weir_rollout_stage_elapsed_seconds": "gauge rollout service",
		"weir_rollout_evidence":              "gauge rollout rule service",
		"weir_rollout_rule":                  "gauge rollout rule service state",
		"weir_rollout_limit":                 "gauge rollout rule service",
		"weir_rollout_bad_ratio":             "gauge rollout rule service side",
		"weir_rollout_measurement":           "gauge rollout rule service side",
		"weir_rollouts":                      "gauge phase",
		"weir_rollbacks_total":               "counter path service",
		"weir_notifications_total":           "counter notifier result",
		"weir_notifier_waiting_seconds":      "gauge notifier",
		"weir_outbox_entries":                "gauge state",
		"weir_hook_calls_total":              "counter answer hook",
		"weir_freeze_active":                 "gauge freeze",
		"weir_state_connected":               "gauge",
		"weir_state_blind":                   "gauge",
		"weir_state_revision":                "gauge",
		"weir_state_age_seconds":             "gauge",
		"weir_state_unreadable_values":       "gauge",
		"weir_state_fenced_writes_total":     "counter",
		"weir_state_bytes":                   "gauge",
		"weir_state_quota_bytes":             "gauge",
		"weir_node_leader":                   "gauge",
		"weir_controller_age_seconds":        "gauge",
		"weir_fleet_nodes":                   "gauge",
		"weir_fleet_node_silent":             "gauge node",
	}
}

// readMetrics reads a Controller's page.
func readMetrics(t *testing.T, c *Controller) map[string]expositiontest.Family {
	t.Helper()
	var page strings.Builder
	c.WriteMetrics(&page)
	return expositiontest.Read(t, page.String())
}

// valuesOf are the values of a family's samples by the values of some labels.
func valuesOf(f expositiontest.Family, labels ...string) map[string]float64 {
	values := map[string]float64{}
	for _, s := range f.Samples {
		var key []string
		for _, l := range labels {
			key = append(key, s.Labels[l])
		}
		values[strings.Join(key, " ")] = s.Value
	}
	return values
}

func TestMetrics_AreThosePromised(t *testing.T) {
	l, _, green := newBuildLab(t, &mailbox{})
	green.memory.Store(150 << 20)
	doc := shop()
	doc.Name, doc.Routes = "idle", []configs.Route{{Host: "idle.example.com"}}
	doc.Guard = &configs.Guard{Triggers: []configs.Trigger{trigger(t, "latency_p99 > 750ms")}}
	l.do(ApplyService{Document: doc, Actor: "ana"})
	l.do(ApplyFreeze{Document: configs.Freeze{Name: "night", Services: []string{"idle"}, Until: time.Now().Add(time.Hour).Format(time.RFC3339)}, Actor: "ana"})

	plan := canary(stage(5000, time.Hour), stage(10000, time.Hour))
	plan.Rollback.Triggers = []configs.Trigger{trigger(t, "memory > 200MB"), trigger(t, "error_rate > 2%"), trigger(t, "latency_p99 > 40ms")}
	plan.Stages[0].Approval = "manual"
	id := l.do(StartRollout{Plan: plan, Actor: "ana"}).ID
	l.until("it waits for approval", func() bool { return l.rollout(id).State.WaitingFor != "" })
	waiting := valuesOf(readMetrics(t, l.Controller)["weir_rollout_waiting"], "service", "rollout", "for")
	if want := map[string]float64{"shop " + id + " approval": 1}; !maps.Equal(waiting, want) {
		t.Errorf("waiting: %v, not %v", waiting, want)
	}
	l.do(Act{ID: id, Verb: "approve", Actor: "ana"})

	v := l.compiled("shop", "green")
	v.Recorder.Retry(stats.ResetCause)
	v.Recorder.Deny()
	v.Recorder.DropCopy()
	token := v.Recorder.Begin(0, stats.Split, int64(time.Since(l.base)), -1)
	v.Recorder.End(&token, int64(time.Since(l.base)), stats.Outcome{Status: 502, Reason: stats.Connect})
	l.rollbacks.add(versionID{"shop", "fast"})
	l.do(ApplyFlag{Document: checkout(), Actor: "ana"})
	variant := l.tables.Load().Flag("checkout").Variants[0]
	token = variant.Recorder.Begin(0, stats.Split, int64(time.Since(l.base)), -1)
	variant.Recorder.End(&token, int64(time.Since(l.base)), stats.Outcome{Status: 502, Reason: stats.Connect})
	l.ejections.add(versionID{"shop", "green"})
	l.hookCalls.add(versionID{"ci", "go"})
	l.until("memory, errors and latency are judged", func() bool {
		f := readMetrics(t, l.Controller)
		return len(f["weir_rollout_measurement"].Samples) == 2 && len(f["weir_rollout_bad_ratio"].Samples) == 4 && len(f["weir_rollout_evidence"].Samples) == 2
	})
	var families map[string]expositiontest.Family
	l.until("what cannot be used is shown", func() bool {
		l.post(func() {
			l.mirror.bad["services/odd"] = "not JSON"
			l.Controller.refused = map[string]string{"idle": "no such file", "flag:checkout": "no such file"}
			l.show(time.Now())
		})
		families = readMetrics(t, l.Controller)
		return len(families["weir_service_refused"].Samples) == 1
	})
	for name, want := range wantedFamilies() {
		f, ok := families[name]
		if got := strings.Join(append([]string{f.Type}, f.LabelNames()...), " "); !ok || got != want && len(f.Samples) > 0 {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
		// What an hour's test would not see in so short a time.
		if rare := []string{"weir_circuit_open_total", "weir_rollout_waiting", "weir_state_bytes", "weir_state_quota_bytes"}; len(f.Samples) == 0 && !slices.Contains(rare, name) {
			t.Errorf("%s has no sample", name)
		}
	}
	for name := range families {
		if wantedFamilies()[name] == "" {
			t.Errorf("%s is not promised", name)
		}
	}
	measured := valuesOf(families["weir_rollout_measurement"], "rule", "side")
	if want := map[string]float64{"trigger-1 candidate": 150 << 20, "trigger-1 stable": 100 << 20}; !maps.Equal(measured, want) {
		t.Errorf("measured %v, not %v", measured, want)
	}
	limits := valuesOf(families["weir_rollout_limit"], "rule")
	if limits["trigger-1"] != 200<<20 && limits["trigger-1"] != 200e6 || limits["trigger-2"] != .02 {
		t.Errorf("limits: %v", limits)
	}
	if roles := valuesOf(families["weir_version_role"], "service", "version", "role"); roles["shop blue stable"] != 1 || roles["shop green candidate"] != 1 {
		t.Errorf("roles: %v", roles)
	}
	if n := families["weir_state_unreadable_values"].Samples[0].Value; n != 1 {
		t.Errorf("%v values cannot be read", n)
	}
	if services := valuesOf(families["weir_requests_total"], "service"); len(services) != 1 {
		t.Errorf("versions that were never used are there: %v", services)
	}
	checkBounds(t, families["weir_request_duration_seconds"])
}

// checkBounds holds the fixed bounds and the configured limit of shop's rollout.
func checkBounds(t *testing.T, f expositiontest.Family) {
	t.Helper()
	bounds := map[string][]string{}
	for _, s := range f.Samples {
		if le := s.Labels["le"]; le != "" {
			bounds[s.Labels["version"]] = append(bounds[s.Labels["version"]], le)
		}
	}
	want := "0.001 0.003 0.01 0.03 0.04 0.1 0.2 0.5 1 2.5 5 15 60 +Inf"
	for version, got := range bounds {
		if strings.Join(got, " ") != want {
			t.Errorf("%s has the bounds %v, not %s", version, got, want)
		}
	}
	if len(bounds) != 2 {
		t.Errorf("bounds of %d versions", len(bounds))
	}
}

// Several candidates are judged by the same rules: each series is there once, of
// the candidate that is worst.
func TestMetrics_SeveralCandidatesShareTheirRules(t *testing.T) {
	l := newLab(t)
	l.do(ApplyService{Document: shop(), Actor: "ana"})
	t.Cleanup(l.traffic(400, func(version string) bool { return false }))
	l.do(SetWeights{Service: "shop", Weights: map[string]configs.Weight{"blue": 4000, "green": 3000, "red": 3000}, Actor: "ana"})
	l.until("both are judged", func() bool {
		v := l.View()
		return len(v.Rollouts) == 1 && len(v.Rollouts[0].State.Candidates) == 2 && len(v.Rollouts[0].Rules) > 0 && v.Rollouts[0].Rules[0].Candidate.N > 0
	})
	readMetrics(t, l.Controller)

	rules := []analysis.RuleReport{
		{Verdict: analysis.Verdict{Rule: "errors", Evidence: 2, Threshold: 100}}, {Verdict: analysis.Verdict{Rule: "rows", Value: &analysis.Value{Candidate: 7}}, Condition: analysis.Condition{Below: true}},
		{Verdict: analysis.Verdict{Rule: "errors", Evidence: 9, Threshold: 100}}, {Verdict: analysis.Verdict{Rule: "rows", Value: &analysis.Value{Candidate: 3}}, Condition: analysis.Condition{Below: true}},
	}
	got := worst(rules)
	if len(got) != 2 || got[0].Evidence != 9 || got[1].Value.Candidate != 3 {
		t.Errorf("the worst are %v", got)
	}
}

func TestMetrics_AddressOfTwoNamesIsThereOnce(t *testing.T) {
	b := newBare(t)
	b.serve(wide(3))
	pool := b.pool("blue")
	twice := pool.Endpoints()[0].Address
	for _, e := range pool.Endpoints() {
		e.Address = twice
	}
	if up := readMetrics(t, b.Controller)["weir_endpoint_up"]; len(up.Samples) != 3 {
		t.Errorf("%d endpoints of 3 versions: %v", len(up.Samples), up.Samples)
	}
}

func TestMetrics_OfANodeWithoutAState(t *testing.T) {
	b := newBare(t)
	families := readMetrics(t, b.Controller)
	if got := fmt.Sprint(families["weir_state_connected"].Samples[0].Value, len(families["weir_controller_age_seconds"].Samples)); got != "0 0" {
		t.Errorf("connected and age: %s", got)
	}
}
