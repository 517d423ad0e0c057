package grafana

// service shows the versions of one service side by side.
func service() Dashboard {
	rate := func(metric, by string) string {
		return `sum by (` + by + `) (rate(` + metric + `[$__rate_interval]))`
	}
	// Where nothing was counted yet, each version that has traffic shows 0.
	orZero := ` or on (version) 0 * sum by (version) (rate(weir_requests_total{service="$service"}[$__rate_interval]))`
	quantile := func(q string) string {
		return `histogram_quantile(` + q + `, sum by (version, le) (rate(weir_request_duration_seconds_bucket{service="$service"}[$__rate_interval])))`
	}
	d := newDashboard("service", "Service", "The versions of one service side by side.",
		[]Variable{variable("service", "Service", "weir_split_weight_ratio", "service")},
		line(4,
			stat("Stable", "", ask(`max by (version) (weir_version_role{service="$service",role="stable"})`, "{{version}}")).named(),
			stat("Candidate", "", ask(`max by (version) (weir_version_role{service="$service",role="candidate"}) or on () label_replace(absent(weir_version_role{service="$service",role="candidate"}), "version", "none", "", "")`, "{{version}}")).named(),
			stat("All requests", "reqps", ask(rate(`weir_requests_total{service="$service",code!="0"}`, "service"), "")),
			stat("Answered 5xx", "percentunit", ask(
				ratio(rate(`weir_requests_total{service="$service",code=~"5.."}`, "service"), rate(`weir_requests_total{service="$service",code!="0"}`, "service")), "")).
				from(.01, "orange").from(.05, "red"),
			stat("Up of all endpoints", "percentunit", ask(`avg(weir_endpoint_up{service="$service"})`, "")),
			stat("Refused by nodes", "", ask(`count(weir_service_refused{service="$service"}) or vector(0)`, "")).
				says("Nodes that cannot use the present document of the service, and keep the last good one.").from(1, "red"),
		),
		section("Versions"),
		line(9,
			shares("Split", ask(`avg by (version) (weir_split_weight_ratio{service="$service"})`, "{{version}}")),
			graph("Requests", "reqps", ask(rate(`weir_requests_total{service="$service",code!="0"}`, "version"), "{{version}}")),
			graph("In flight", "", ask(`sum by (version) (weir_requests_in_flight{service="$service"})`, "{{version}}")),
		),
		line(9,
			graph("Errors", "percentunit", ask(ratio(rate(`weir_request_errors_total{service="$service"}`, "version"), rate(`weir_requests_total{service="$service"}`, "version")), "{{version}}")).
				says("What the judge calls an error: 5xx, refused and broken connections, timeouts, truncated bodies."),
			graph("Errors by reason", "reqps", ask(rate(`weir_request_errors_total{service="$service"}`, "version, reason")+orZero, "{{version}} {{reason}}")),
			graph("Answered 4xx", "percentunit", ask(ratio(rate(`weir_requests_total{service="$service",code=~"4.."}`, "version"), rate(`weir_requests_total{service="$service",code!="0"}`, "version")), "{{version}}")),
		),
		line(9,
			graph("p50", "s", ask(quantile("0.5"), "{{version}}")),
			graph("p90", "s", ask(quantile("0.9"), "{{version}}")),
			graph("p99", "s", ask(quantile("0.99"), "{{version}}")),
		),
		section("Ways and limits"),
		line(9,
			graph("Answers by status", "reqps", ask(rate(`weir_requests_total{service="$service",code!="0"}`, "version, code"), "{{version}} {{code}}")),
			graph("Why requests went to their version", "reqps", ask(rate(`weir_lane_requests_total{service="$service"}`, "version, lane"), "{{version}} {{lane}}")),
			graph("Attempts beyond the first", "reqps",
				ask(rate(`weir_retries_total{service="$service"}`, "version, reason")+orZero, "{{version}} {{reason}}"),
				ask(rate(`weir_retries_denied_total{service="$service"}`, "version")+orZero, "{{version}} denied by the budget")),
		),
		line(9,
			graph("Endpoints up", "", ask(`sum by (version) (min by (version, endpoint) (weir_endpoint_up{service="$service"}))`, "{{version}}")).
				says("Endpoints that every node calls up."),
			graph("Endpoints taken out", "", ask(`sum by (version) (increase(weir_endpoint_ejections_total{service="$service"}[$__rate_interval]))`+orZero, "{{version}}")),
			graph("At a limit of its own", "reqps", ask(rate(`weir_circuit_open_total{service="$service"}`, "version, reason")+orZero, "{{version}} {{reason}}")),
			graph("Copies", "reqps", ask(rate(`weir_mirror_requests_total{service="$service"}`, "version, result")+orZero, "{{version}} {{result}}")).
				says("Of mirrored requests, by how they ended."),
		),
	)
	d.Annotations.List = marks("$service")
	return d
}

// marks are what happened to the releases of a service, on the time axis.
func marks(service string) []Annotation {
	of := `{service="` + service + `"}`
	return []Annotation{
		mark("Phases", "blue", `max by (rollout, phase) (weir_rollout_phase`+of+`) unless max by (rollout, phase) (weir_rollout_phase`+of+` offset 1m)`, "{{phase}}"),
		mark("Put back", "red", `
			sum by (path) (increase(weir_rollbacks_total`+of+`[1m])) > 0
			or sum by (path) (weir_rollbacks_total`+of+`) unless sum by (path) (weir_rollbacks_total`+of+` offset 1m)`, "put back: {{path}}"),
	}
}

func mark(name, color, expr, title string) Annotation {
	return Annotation{Name: name, Source: source(), Enable: true, IconColor: color, Expr: trim(expr), Step: "15s", TitleFormat: title, TextFormat: "{{rollout}}"}
}
