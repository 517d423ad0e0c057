package grafana

// variants shows those of one feature flag side by side, as far as requests that
// weir routes carry it.
func variants() Dashboard {
	rate := func(metric, by string) string {
		return `sum by (` + by + `) (rate(` + metric + `[$__rate_interval]))`
	}
	// Where nothing was counted yet, each variant that has traffic shows 0.
	orZero := ` or on (variant) 0 * sum by (variant) (rate(weir_flag_requests_total{flag="$flag"}[$__rate_interval]))`
	quantile := func(q string) string {
		return `histogram_quantile(` + q + `, sum by (variant, le) (rate(weir_flag_request_duration_seconds_bucket{flag="$flag"}[$__rate_interval])))`
	}
	const counted = "Of requests that weir routed, while a rollout of the flag is in force, or with record: true."
	d := newDashboard("flag", "Flag", "The variants of one feature flag side by side.",
		[]Variable{variable("flag", "Flag", "weir_flag_share_ratio", "flag")},
		line(4,
			stat("Switched off", "", ask(`max(weir_flag_killed{flag="$flag"})`, "")).
				words(map[string]Mapped{"0": {Text: "no", Color: "green"}, "1": {Text: "yes", Color: "red", Index: 1}}).
				says("A person killed the flag: everybody gets its default.").from(1, "red"),
			stat("Rollouts in force", "", ask(`count(count by (rollout) (weir_rollout_phase{service="flag:$flag"})) or vector(0)`, "")),
			stat("Requests that carry it", "reqps", ask(rate(`weir_flag_requests_total{flag="$flag",code!="0"}`, "flag"), "")).says(counted),
			stat("Answered 5xx", "percentunit", ask(
				ratio(rate(`weir_flag_requests_total{flag="$flag",code=~"5.."}`, "flag"), rate(`weir_flag_requests_total{flag="$flag",code!="0"}`, "flag")), "")).
				from(.01, "orange").from(.05, "red"),
			stat("Refused by nodes", "", ask(`count(weir_flag_refused{flag="$flag"}) or vector(0)`, "")).
				says("Nodes that cannot use the present document of the flag, and keep the last good one.").from(1, "red"),
		),
		section("Who gets what"),
		line(9,
			shares("Shares", ask(`avg by (variant) (weir_flag_share_ratio{flag="$flag"})`, "{{variant}}")).
				says("Of the keys. Rules come before them."),
			graph("Evaluations", "reqps", ask(rate(`weir_flag_requests_total{flag="$flag",code!="0"}`, "variant"), "{{variant}}")).says(counted),
			states("Switched off over time", ask(`max by (flag) (weir_flag_killed{flag="$flag"})`, "{{flag}}")),
		),
		section("Outcomes"),
		line(9,
			graph("Errors", "percentunit", ask(ratio(rate(`weir_flag_request_errors_total{flag="$flag"}`, "variant"), rate(`weir_flag_requests_total{flag="$flag"}`, "variant")), "{{variant}}")).
				says("What the judge calls an error: 5xx, refused and broken connections, timeouts, truncated bodies."),
			graph("Errors by reason", "reqps", ask(rate(`weir_flag_request_errors_total{flag="$flag"}`, "variant, reason")+orZero, "{{variant}} {{reason}}")),
			graph("Answers by status", "reqps", ask(rate(`weir_flag_requests_total{flag="$flag",code!="0"}`, "variant, code"), "{{variant}} {{code}}")),
		),
		line(9,
			graph("p50", "s", ask(quantile("0.5"), "{{variant}}")),
			graph("p90", "s", ask(quantile("0.9"), "{{variant}}")),
			graph("p99", "s", ask(quantile("0.99"), "{{variant}}")),
		),
	)
	d.Annotations.List = append(marks("flag:$flag"), mark("Switched off", "red",
		`max by (flag) (weir_flag_killed{flag="$flag"}) == 1 unless max by (flag) (weir_flag_killed{flag="$flag"} offset 1m) == 1`, "switched off"))
	return d
}
