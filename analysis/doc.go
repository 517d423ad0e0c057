// Package analysis judges a candidate version against stable on the counts of
// real traffic. A Policy says what is promised, a Collector turns the counts of
// a recorder into Samples, and a Judge turns Samples into a Verdict.
//
// Everything here is pure: no clock, no goroutine, no logger, no I/O. Time comes
// in as an argument, so that a node, a replay and a simulation share this code.
// Nothing in the package may be used by two goroutines at once.
//
// The promise: a candidate that is no worse than its limits allow is put back
// with a probability of at most Policy.Alpha over a whole rollout, however often
// the Judge looks. It is proven for independent requests and measured, not
// proven, for clients whose requests fail together. Health triggers lie outside.
package analysis
