package store

import "strings"

// DefaultPrefix is the prefix of a cluster whose node files name none.
const DefaultPrefix = "/weir/default"

// Prefixes and fixed keys of the state, relative to the cluster's prefix.
// A range of them is named by the constant, one key by the function beside it.
const (
	Services  = "services/"
	States    = "state/"
	Rollouts  = "rollouts/"
	Evidences = "evidence/"
	Cuts      = "cuts/"
	Nodes     = "nodes/"
	Tallies   = "tallies/"
	Notifiers = "notifiers/"
	Freezes   = "freezes/"
	Flags     = "flags/"
	Kills     = "kills/"
	Releases  = "releases/"
	Deploys   = "deployments/"
	Migrates  = "migrations/"
	Outbox    = "outbox/"
	Audit     = "audit/"

	// CookieKey holds the sticky cookie's signing keys and the salts of key-less buckets.
	CookieKey = "keys/cookie"
	// LeaderKey is held under the leader's lease. Its CreateRevision is the fence of leader writes.
	LeaderKey = "leader"
)

// ServiceKey is the key of the operator's document of a service.
func ServiceKey(service string) string { return Services + service }

// StateKey is the key of a service's split: stable, weights, labels, rollout in force.
func StateKey(service string) string { return States + service }

// flagState is how the name of a state begins that is of a flag, not of a service.
const flagState = "flag:"

// documentOf is the key of the document that a state of that name belongs to.
func documentOf(state string) string {
	if flag, ok := strings.CutPrefix(state, flagState); ok {
		return FlagKey(flag)
	}
	return ServiceKey(state)
}

// RolloutKey is the key of a rollout's plan and state.
func RolloutKey(id string) string { return Rollouts + id }

// EvidenceKey is the key of the judge's state of a rollout. Only the leader writes it.
func EvidenceKey(id string) string { return Evidences + id }

// CutKey is the key of a node's fact that it took a rollout's candidate to 0.
func CutKey(rollout, node string) string { return CutsOf(rollout) + node }

// CutsOf is the prefix of all cuts of one rollout. It ends in a slash, so that
// the cuts of rollout "a" are not confused with those of rollout "ab".
func CutsOf(rollout string) string { return Cuts + rollout + "/" }

// NodeKey is the key of a node's announcement, held under its lease.
func NodeKey(node string) string { return Nodes + node }

// TallyKey is the key of a node's rule counters, held under its lease.
func TallyKey(node string) string { return Tallies + node }

// NotifierKey is the key of a Notifier document.
func NotifierKey(name string) string { return Notifiers + name }

// FreezeKey is the key of a Freeze document.
func FreezeKey(name string) string { return Freezes + name }

// FlagKey is the key of a Flag document.
func FlagKey(name string) string { return Flags + name }

// KillKey is the key of the fact that a person switched a flag off.
func KillKey(flag string) string { return Kills + flag }

// ReleaseKey is the key of a Release document.
func ReleaseKey(application, version string) string { return Releases + application + "/" + version }

// DeploymentKey is the key of a deployment that another system reported.
func DeploymentKey(id string) string { return Deploys + id }

// MigrationKey is the key of what was told of a migration in one environment.
func MigrationKey(application, environment, name string) string {
	return MigrationsOf(application, environment) + name
}

// MigrationsOf is the prefix of all migrations of an application in an environment.
func MigrationsOf(application, environment string) string {
	return Migrates + application + "/" + environment + "/"
}

// OutboxKey is the key of an effect that was decided and still has to be carried out.
func OutboxKey(id string) string { return Outbox + id }

// AuditKey is the key of one entry of the audit trail.
func AuditKey(id string) string { return Audit + id }

// CutOf splits a cut's key into its rollout and node; ok is false for any other key.
func CutOf(key string) (rollout, node string, ok bool) {
	rest, ok := strings.CutPrefix(key, Cuts)
	if !ok {
		return "", "", false
	}
	rollout, node, ok = strings.Cut(rest, "/")
	return rollout, node, ok && rollout != "" && node != ""
}

// cached reports whether a key belongs in the disk copy: what a node needs to
// serve with etcd gone. What lives under a lease, the judge's counters and the
// trail do not, and leaving them out keeps the copy quiet between changes.
func cached(key string) bool {
	for _, p := range []string{Services, States, Rollouts, Cuts, "keys/", Notifiers, Freezes, Flags, Kills, Releases, Deploys, Migrates} {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return false
}

// cleanPrefix returns prefix with one leading and no trailing slash; empty means DefaultPrefix.
func cleanPrefix(prefix string) string {
	prefix = strings.Trim(prefix, "/")
	if prefix == "" {
		return DefaultPrefix
	}
	return "/" + prefix
}
