package main

// logKey is a key of structured log lines and what stands under it.
type logKey struct {
	Key     string `json:"key"`
	Meaning string `json:"meaning"`
}

// logKeys are all keys that weir's log has, in one place: people alert on them.
// A test holds the list against the code and against what a node writes.
// Durations are text such as 1.5s, times ISO 8601.
func logKeys() []logKey {
	return []logKey{
		// Of every line.
		{"level", "debug, info, warn or error"},
		{"time", "when, by the clock of the node"},
		{"msg", "what happened: the same words each time"},
		{"logger", "the part of weir, where it is one of its own: store, etcd"},
		{"error", "why something failed"},
		{"errorVerbose", "the same, longer, where the error has more to tell"},

		// What it is about.
		{"node", "name of a node"},
		{"service", "name of a service"},
		{"version", "name of a version of a service; where weir starts, of weir"},
		{"endpoint", "address of an endpoint"},
		{"rollout", "id of a rollout"},
		{"notifier", "name of a notifier"},
		{"cluster", "another cluster that forwards its deployments"},
		{"freeze", "name of a freeze"},
		{"flag", "name of a feature flag"},
		{"hook", "name of a hook"},
		{"metric", "what a rule measures"},
		{"name", "a name of the DNS"},
		{"key", "a key of the state"},
		{"file", "a file on this machine"},
		{"cert", "file of a certificate"},
		{"client", "network address of a client of the control API"},
		{"clients", "addresses that clients are served on"},
		{"control", "address of the control API"},
		{"operation", "operation of the control API, as /openapi.json names it"},
		{"subject", "whom a client certificate names"},
		{"pid", "id of a process"},

		// What changed.
		{"from", "what it was before: a phase, a revision, addresses"},
		{"to", "what it is now"},
		{"stage", "index of a stage, from 0"},
		{"path", "how a verdict came about: fast, slow, literal, health, fuse, smoke, value"},
		{"reason", "why, in one sentence"},
		{"hint", "what to do about it"},
		{"actor", "who did it: a token's name, a person, or weir"},
		{"role", "of the actor: viewer, operator, admin, or local where no tokens are in use"},
		{"action", "what was done, in the audit trail"},
		{"object", "what it was done to: services/<name> and so on"},
		{"text", "the same in one sentence"},
		{"changes", "which fields changed, with what was before and after of those that hold no header values"},
		{"differences", "fields in which a file differs from the state"},
		{"leading", "this node leads now"},
		{"source", "where the state comes from: etcd or disk"},

		// How much and how long.
		{"took", "how long it took"},
		{"for", "how long it lasts already"},
		{"elapsed", "time since a rollout began, without pauses"},
		{"stage_elapsed", "time that counts towards its stage"},
		{"retry_in", "when it is tried again"},
		{"expires", "when a certificate runs out"},
		{"seen", "when a node was heard of last"},
		{"saved_at", "when the copy on disk was made"},
		{"failures", "how often it failed in a row"},
		{"connections", "open connections of clients"},
		{"opened", "connections that were opened to a candidate ahead of its traffic"},
		{"services", "how many services"},
		{"rollouts", "how many rollouts"},
		{"candidates", "how many candidates lost their traffic"},
		{"keys", "how many keys of the state"},
		{"dropped", "how many events were given up"},
		{"bytes", "size in bytes"},
		{"quota", "the largest size that etcd allows, in bytes"},

		// The state and its etcd.
		{"revision", "of the state"},
		{"applied", "revision that a node routes by"},
		{"wanted", "revision that it should route by"},
		{"known_revision", "revision that this node knew before etcd was another"},
		{"found_revision", "revision that it found"},
		{"other_cluster", "etcd is of another cluster than before"},
		{"services_found", "there are services in it"},
		{"fence", "number of the leadership that writes are bound to"},
		{"refused", "writes of a leader that was relieved, which etcd refused"},
		{"in_the_way", "keys that stood in the way of a transaction"},
		{"original", "where a damaged file was moved"},
		{"set_aside", "where a copy that cannot be used was moved"},

		// Telling others.
		{"event", "id of an event that recipients are told"},
		{"kind", "what kind of event"},
		{"recipient", "notifier or hook that is told"},
		{"first_left_out", "the first recipient that is not"},

		// Defects of weir: please report them.
		{"panic", "what went wrong"},
		{"stack", "where"},
	}
}
