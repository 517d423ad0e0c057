package grafana

// node shows the health of weir itself.
func node() Dashboard {
	instance := variable("instance", "Node", "weir_build_info", "instance")
	instance.Multi, instance.IncludeAll, instance.AllValue = true, true, ".+"
	instance.Current = VariableNow{Text: "All", Value: "$__all"}
	on := func(metric string) string { return metric + `{instance=~"$instance"}` }
	rate := func(metric string) string {
		return `sum by (instance) (rate(` + on(metric) + `[$__rate_interval]))`
	}
	none := ` or on (instance) 0 * ` + on("weir_ready")
	return newDashboard("node", "Nodes", "The health of weir itself.", []Variable{instance},
		line(6,
			table("What runs", "", []string{"Value", "__name__", "job"}, ask(on("weir_build_info"), "")),
			stat("Up since", "s", ask(`time() - `+on("process_start_time_seconds"), "{{instance}}")),
			states("Leads", ask(on("weir_node_leader"), "{{instance}}")),
			states("Takes traffic", ask(on("weir_ready"), "{{instance}}")),
		),
		section("State"),
		line(8,
			states("etcd answers", ask(on("weir_state_connected"), "{{instance}}")),
			graph("Age of the state", "s", ask(on("weir_state_age_seconds"), "{{instance}}")).
				says("Time since it was last proven fresh: about a second while etcd answers."),
			graph("Revision", "", ask(on("weir_state_revision"), "{{instance}}")).
				says("Lines that part: a node does not hear of changes."),
			graph("etcd's space", "percentunit", ask(`(weir_state_bytes{instance=~"$instance"} / weir_state_quota_bytes{instance=~"$instance"})`+none, "{{instance}}")).
				says("Share of its quota; asked once a minute."),
		),
		line(8,
			graph("Values that cannot be used", "",
				ask(on("weir_state_unreadable_values"), "{{instance}} unreadable"),
				ask(`sum by (instance) (`+on("weir_service_refused")+`)`+none, "{{instance}} services refused")),
			graph("Nodes that are left out", "", ask(`max by (node) (weir_fleet_node_silent)`, "{{node}}")),
			graph("The Controller's last sign", "s", ask(on("weir_controller_age_seconds"), "{{instance}}")),
			graph("Writes of a leader that was relieved", "", ask(`increase(`+on("weir_state_fenced_writes_total")+`[$__rate_interval])`, "{{instance}}")),
		),
		section("Told to others"),
		line(8,
			graph("Notifications", "cps", ask(`sum by (notifier, result) (rate(`+on("weir_notifications_total")+`[$__rate_interval])) or on () 0 * max(`+on("weir_ready")+`)`, "{{notifier}} {{result}}")),
			graph("Still to be told", "", ask(`max by (state) (`+on("weir_outbox_entries")+`)`, "{{state}}")),
			graph("Calls of gates and checks", "cps", ask(`sum by (hook, answer) (rate(`+on("weir_hook_calls_total")+`[$__rate_interval])) or on () 0 * max(`+on("weir_ready")+`)`, "{{hook}} {{answer}}")),
			graph("Lines of logs and spans that were lost", "cps",
				ask(rate("weir_access_log_dropped_total")+none, "{{instance}} access log"),
				ask(`sum by (instance) (rate(weir_spans_total{instance=~"$instance",result="dropped"}[$__rate_interval]))`+none, "{{instance}} spans")),
		),
		section("Clients"),
		line(8,
			graph("Connections", "", ask(on("weir_client_connections"), "{{instance}}"), ask(on("weir_tunnels_open"), "{{instance}} upgraded")),
			graph("Refused", "reqps", ask(`sum by (instance, reason) (rate(`+on("weir_client_rejections_total")+`[$__rate_interval])) > 0 or `+rate("weir_client_rejections_total"), "{{instance}} {{reason}}")),
			graph("Certificates end in", "s", ask(`(`+on("weir_certificate_expires_timestamp_seconds")+` - time())`+none, "{{instance}} {{file}}")),
		),
		section("Process"),
		line(8,
			graph("CPU", "none", ask(rate("process_cpu_seconds_total"), "{{instance}}")).says("In processors."),
			graph("Memory", "bytes", ask(on("process_resident_memory_bytes"), "{{instance}} resident"), ask(on("go_memstats_heap_inuse_bytes"), "{{instance}} heap")),
			graph("Garbage collection", "percentunit", ask(rate("go_gc_cpu_seconds_total"), "{{instance}}")).says("In processors."),
		),
		line(8,
			graph("Waits for a processor, p99", "s", ask(`histogram_quantile(0.99, sum by (instance, le) (rate(`+on("go_sched_latencies_seconds_bucket")+`[$__rate_interval])))`, "{{instance}}")).
				says("How long goroutines that could run did not: the first sign of too little CPU."),
			graph("Goroutines", "", ask(on("go_goroutines"), "{{instance}}")),
			graph("File descriptors", "percentunit", ask(on("process_open_fds")+` / `+on("process_max_fds"), "{{instance}}")),
		),
	)
}
