package grafana

// release shows one rollout: where it stands, what speaks against the candidate,
// and what its users meet.
func release() Dashboard {
	this := `{service="$service",rollout="$rollout"}`
	of := func(label, value string) string {
		return `{service="$service",rollout="$rollout",` + label + `="` + value + `"}`
	}
	rollout := variable("rollout", "Rollout", `weir_rollout_phase{service="$service"}`, "rollout")
	rollout.Sort = 2
	d := newDashboard("rollout", "Rollout", "One rollout: where it stands, what speaks against the candidate, and what its users meet.",
		[]Variable{variable("service", "Service", "weir_rollout_phase", "service"), rollout},
		line(4,
			stat("Phase", "", ask(`max by (phase) (weir_rollout_phase`+this+`)`, "{{phase}}")).named(),
			stat("Waits for", "", ask(`max by (for) (weir_rollout_waiting`+this+`) or on () label_replace(0 * max(weir_rollout_stage`+this+`), "for", "time alone", "", "")`, "{{for}}")).named(),
			stat("Stage", "", ask(`max(weir_rollout_stage`+this+`)`, "")).says("The first stage is 0; -1 stands before it."),
			stat("Time in it", "s", ask(`max(weir_rollout_stage_elapsed_seconds`+this+`)`, "")),
			stat("Evidence", "percentunit", ask(`max(weir_rollout_evidence`+this+`)`, "")).
				says("Of the rule that is nearest to putting the candidate back, which happens at 100%.").from(.1, "orange").from(1, "red"),
			stat("Candidate has", "percentunit", ask(`max by (version) (
				avg by (version) (weir_split_weight_ratio{service="$service"})
				and on (version) weir_version_role{service="$service",role="candidate"})`, "{{version}}")),
		),
		section("Timeline"),
		line(7,
			states("Phases", ask(`max by (phase) (weir_rollout_phase`+this+`)`, "{{phase}}"),
				ask(`max by (for) (weir_rollout_waiting`+this+`) or on () label_replace(0 * max(weir_rollout_stage`+this+`), "for", "time alone", "", "")`, "waits for {{for}}")),
			states("Rules", ask(`max by (rule, state) (weir_rollout_rule`+this+`)`, "{{rule}}: {{state}}")),
			shares("Split", ask(`avg by (version) (weir_split_weight_ratio{service="$service"})`, "{{version}}")),
		),
		section("Judgement"),
		line(10,
			graph("Evidence against the candidate", "percentunit", ask(`max by (rule) (weir_rollout_evidence`+this+`)`, "{{rule}}")).
				says("As a share of what proves it worse, by rule; at 100% weir puts the traffic back.").logarithmic().limited(1),
			graph("Bad requests by rule", "percentunit",
				ask(`max by (rule, side) (weir_rollout_bad_ratio`+this+`)`, "{{rule}} {{side}}"),
				ask(`max by (rule) (weir_rollout_limit`+this+`) and on (rule) max by (rule) (weir_rollout_bad_ratio`+this+`)`, "{{rule}} limit")).
				says("What each rule calls bad (errors, or answers slower than its limit), beside its limit."),
			graph("Measurements by rule", "short",
				ask(`max by (rule, side) (weir_rollout_measurement`+of("side", "candidate")+`) or max by (rule, side) (weir_rollout_measurement`+of("side", "stable")+`) or on () 0 * max(weir_rollout_stage`+this+`)`, "{{rule}} {{side}}"),
				ask(`max by (rule) (weir_rollout_limit`+this+`) and on (rule) max by (rule) (weir_rollout_measurement`+this+`) or on () 0 * max(weir_rollout_stage`+this+`)`, "{{rule}} limit")).
				says("Memory, CPU and queries, where rules ask for them."),
		),
		section("Users"),
		line(9,
			graph("Requests", "reqps", ask(`sum by (version) (rate(weir_requests_total{service="$service",code!="0"}[$__rate_interval]))`, "{{version}}")),
			graph("Errors", "percentunit", ask(ratio(
				`sum by (version) (rate(weir_request_errors_total{service="$service"}[$__rate_interval]))`,
				`sum by (version) (rate(weir_requests_total{service="$service"}[$__rate_interval]))`), "{{version}}")),
			graph("p99", "s", ask(`histogram_quantile(0.99, sum by (version, le) (rate(weir_request_duration_seconds_bucket{service="$service"}[$__rate_interval])))`, "{{version}}")),
		),
	)
	d.Annotations.List = marks("$service")
	return d
}
