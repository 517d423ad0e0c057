package upstream

import (
	"math"
	"sync/atomic"
)

// Policy says how the endpoints of one version are picked and how much they are
// given at one time. The zero Policy limits nothing and suspects nobody.
// Policies are compared by value.
type Policy struct {
	// Failures is how many gateway failures in a row make an endpoint suspect.
	// Whether it is then ejected is not decided here. 0: it never is.
	Failures int

	// Panic is a percentage: with fewer endpoints up than that, but one at
	// least, requests go to all, as so many cannot be spared (Envoy's panic
	// threshold). 0: never.
	Panic int

	// LastResort allows PickAny: with no endpoint up anywhere, all are tried.
	LastResort bool

	// Connections is the largest number of connections to one endpoint, and
	// Pending that of requests waiting for one of them. They bound HTTP/1.1
	// alone: a request there has a connection to itself. 0 connections: no bound.
	Connections, Pending int

	// Requests is the largest number of requests in flight at one endpoint, and
	// VersionRequests that at all endpoints of the version. 0: no limit.
	// Requests that begin in the same instant may pass a limit by a few.
	Requests, VersionRequests int

	// Uploads is the largest number of requests at one endpoint whose bodies are
	// still coming. 0: no limit.
	Uploads int
}

// room is how many requests in flight one endpoint takes, and the circuit that
// opens beyond.
//
// Every request in flight holds a connection or waits for one, so that a bound
// on requests is one on those that wait, and needs no counter of its own.
func (p *Policy) room() (int64, Circuit) {
	room, circuit := int64(math.MaxInt64), RequestsCircuit
	if p.Connections > 0 {
		room, circuit = int64(p.Connections+p.Pending), PendingCircuit
	}
	if p.Requests > 0 && int64(p.Requests) <= room {
		room, circuit = int64(p.Requests), RequestsCircuit
	}
	return room, circuit
}

// Circuit is a limit beyond which a version's requests are answered by weir.
type Circuit uint8

// Circuits of a version.
const (
	ConnectionsCircuit     Circuit = iota // no connection came free in time
	PendingCircuit                        // too many requests wait for a connection
	RequestsCircuit                       // too many requests in flight at one endpoint
	VersionRequestsCircuit                // too many requests in flight at the version
	UploadsCircuit                        // too many bodies under way to one endpoint, and none of them slow
)

// Circuits is the number of circuits.
const Circuits = 5

// String returns the circuit's word in metrics.
func (c Circuit) String() string {
	switch c {
	case ConnectionsCircuit:
		return "connections"
	case PendingCircuit:
		return "pending"
	case RequestsCircuit:
		return "requests"
	case VersionRequestsCircuit:
		return "version_requests"
	case UploadsCircuit:
		return "uploads"
	}
	return "unknown"
}

// refusals counts the requests that found a circuit of their version open.
type refusals [Circuits]atomic.Uint64

func (r *refusals) count(c Circuit) { r[c].Add(1) }
