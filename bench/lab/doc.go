// Package lab runs weir, the versions behind it and an external etcd as real
// processes, sends them traffic and counts what its users got. The end-to-end
// proofs and the benchmarks of rollback and drain are built on it.
package lab
