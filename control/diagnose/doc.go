// Package diagnose gathers what somebody far away needs to know of a node that
// is in trouble: a bundle of its state, its routing, its log and its profiles,
// without a secret in it. It also holds the level of the log, which may change
// while the node runs, and the log's last lines.
package diagnose
