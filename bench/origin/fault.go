package main

import (
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// kind is what a spoilt answer is.
type kind int

const (
	fails     kind = iota // status 500
	hangsUp               // no answer
	resets                // the connection is reset before the head
	truncates             // the body ends early
)

// fault is what is wrong with an origin. The zero value is a healthy one.
type fault struct {
	share     float64 // of answers that are spoilt, 0 to 1
	kind      kind
	latency   time.Duration // added to every answer
	unhealthy bool          // the probe fails
	smoky     bool          // the smoke check is not answered
	told      string        // only answers to requests that were told this by a flag are spoilt; empty: any
	text      string
}

// parseFault reads a query such as `errors=0.5&latency=300ms`. A share follows
// errors, hang, reset or truncated, of which there is at most one; unhealthy=1
// fails the probes, smoky=1 leaves the smoke check without an answer; told=flag=on
// spoils the answers to requests that carry that alone. The empty query is a
// healthy origin.
func parseFault(query string) (fault, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fault{}, fmt.Errorf("cannot read fault %q: %w", query, err)
	}
	f := fault{text: query}
	kinds := map[string]kind{"errors": fails, "hang": hangsUp, "reset": resets, "truncated": truncates}
	for name, given := range values {
		value := given[0]
		k, spoils := kinds[name]
		switch {
		case spoils && f.share > 0:
			err = fmt.Errorf("one of errors, hang, reset and truncated is enough")
		case spoils:
			f.kind = k
			f.share, err = parseShare(value)
		case name == "latency":
			f.latency, err = time.ParseDuration(value)
		case name == "unhealthy":
			f.unhealthy, err = strconv.ParseBool(value)
		case name == "smoky":
			f.smoky, err = strconv.ParseBool(value)
		case name == "told":
			f.told = value
		default:
			err = fmt.Errorf("there is no fault %q", name)
		}
		if err != nil {
			return fault{}, fmt.Errorf("cannot read fault %q: %w", query, err)
		}
	}
	return f, nil
}

func parseShare(text string) (float64, error) {
	share, err := strconv.ParseFloat(text, 64)
	if err == nil && !(share > 0 && share <= 1) {
		err = fmt.Errorf("the share %s is not above 0 and at most 1", text)
	}
	return share, err
}
