package grafana

// overview is for a screen on the wall: is anything wrong, and what is being released?
func overview() Dashboard {
	return newDashboard("overview", "Overview", "All services and nodes: is anything wrong, and what is being released?", nil,
		line(4,
			stat("Nodes up", "", ask(`sum(up{job="weir"})`, "")),
			stat("Requests", "reqps", ask(`sum(rate(weir_requests_total{code!="0"}[$__rate_interval]))`, "")),
			stat("Answered 5xx", "percentunit", ask(`
				(sum(rate(weir_requests_total{code=~"5.."}[$__rate_interval])) or vector(0))
				/ sum(rate(weir_requests_total{code!="0"}[$__rate_interval]))`, "")).from(.01, "orange").from(.05, "red"),
			stat("Rollouts", "", ask(`count(count by (rollout) (weir_rollout_phase)) or vector(0)`, "")),
			stat("Put back", "", ask(`sum(increase(weir_rollbacks_total{path!="person"}[$__range])) or vector(0)`, "")).
				says("Candidates that nodes took to no traffic, in the time shown. Each node counts its own.").from(1, "orange"),
			stat("Endpoints down", "", ask(`count(weir_endpoint_up == 0) or vector(0)`, "")).from(1, "red"),
			stat("Alerts", "", ask(`count(ALERTS{alertname=~"Weir.+",alertstate="firing"}) or vector(0)`, "")).from(1, "red"),
			stat("Notifications given up", "", ask(`max(weir_outbox_entries{state="dead"})`, "")).from(1, "red"),
		),
		section("Releases"),
		line(8,
			table("Rollouts in force", "", []string{"Value"}, ask(`
				max by (service, rollout, phase) (weir_rollout_phase)`, "")),
			graph("Evidence against candidates", "percentunit", ask(`max by (service, rule) (weir_rollout_evidence)`, "{{service}} {{rule}}")).
				says("As a share of what proves a candidate worse; at 100% weir puts the traffic back.").logarithmic().limited(1),
		),
		section("Flags"),
		line(8,
			states("Switched off", ask(`max by (flag) (weir_flag_killed) or label_replace(absent(weir_flag_killed), "flag", "there is none", "", "") - 1`, "{{flag}}")),
			graph("Evaluations by variant", "reqps", ask(`topk(20, sum by (flag, variant) (rate(weir_flag_requests_total[$__rate_interval]))) or on () vector(0)`, "{{flag}} {{variant}}")).
				says("Of requests that weir routed, while a rollout of the flag is in force, or with record: true."),
		),
		section("Traffic"),
		line(9,
			graph("Requests by service", "reqps", ask(`topk(10, sum by (service) (rate(weir_requests_total{code!="0"}[$__rate_interval])))`, "{{service}}")),
			graph("Errors by service", "percentunit", ask(`topk(10, `+
				ratio(`sum by (service) (rate(weir_request_errors_total[$__rate_interval]))`, `sum by (service) (rate(weir_requests_total[$__rate_interval]))`)+`)`, "{{service}}")),
			graph("p99 by service", "s", ask(`topk(10, histogram_quantile(0.99, sum by (service, le) (rate(weir_request_duration_seconds_bucket[$__rate_interval]))))`, "{{service}}")),
		),
		line(8,
			graph("Requests refused before a version was chosen", "reqps", ask(`sum by (reason) (rate(weir_client_rejections_total[$__rate_interval])) > 0 or sum by (job) (rate(weir_client_rejections_total[$__rate_interval]))`, "{{reason}}{{job}}")).
				says("By reason, and all together."),
			graph("Attempts beyond the first", "reqps",
				ask(`sum by (reason) (rate(weir_retries_total[$__rate_interval])) or on () vector(0)`, "{{reason}}"),
				ask(`sum(rate(weir_retries_denied_total[$__rate_interval])) or vector(0)`, "denied by the budget")),
			table("Endpoints that are down", "", []string{"Value", "__name__", "job"}, ask(`weir_endpoint_up == 0 or label_replace(absent(weir_endpoint_up == 0), "endpoint", "none", "", "")`, "")),
		),
	)
}

// ratio is a share of all that is 0, not unknown, where nothing was counted of part.
func ratio(part, all string) string {
	return "(" + part + " or 0 * " + all + ") / (" + all + " > 0)"
}
