// Package measure asks what the judge wants to know besides requests: smoke
// checks of endpoints, their memory and CPU, and metrics by query. It knows
// nothing of rollouts; each call asks once and is bounded by its context.
package measure

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/call"
	"github.com/weirproxy/weir/proxy/upstream"
)

// maxSmoked is how much of an answer is searched for what it should contain.
const maxSmoked = 1 << 20

// Endpoint is where smoke checks and pages are asked for.
type Endpoint struct {
	Address string        // host:port
	Host    string        // of the Host header; empty: the address
	Link    upstream.Link // how connections to it are made
}

// client is one that speaks as the endpoint does, and the function that ends it.
func (e Endpoint) client(shared *call.Client) (client *call.Client, done func()) {
	if e.Link == (upstream.Link{}) {
		return shared, func() {}
	}
	linked := call.NewLinked(e.Link.Dial, e.Link.H2)
	return linked, linked.Close
}

func (e Endpoint) url(path string) string {
	if e.Link.TLS != nil {
		return "https://" + e.Address + path
	}
	return "http://" + e.Address + path
}

// Smoke makes the checks of one endpoint in order and returns in one sentence
// what the first that failed did, or nothing. Timeout is that of a check that
// names none.
func Smoke(ctx context.Context, client *call.Client, e Endpoint, checks []configs.Smoke, timeout time.Duration) string {
	client, done := e.client(client)
	defer done()
	for _, check := range checks {
		if failed := smokeOne(ctx, client, e, check, timeout); failed != "" {
			return fmt.Sprintf("GET %s of %s %s", check.Get, e.Address, failed)
		}
	}
	return ""
}

func smokeOne(ctx context.Context, client *call.Client, e Endpoint, check configs.Smoke, timeout time.Duration) string {
	within := check.Expect.Within.Std()
	if within > 0 {
		timeout = within
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	a, err := client.Do(ctx, call.Request{URL: e.url(check.Get), Host: e.Host, MaxAnswer: maxSmoked})
	switch {
	case err != nil && ctx.Err() != nil && within > 0:
		return fmt.Sprintf("did not answer within %s", within)
	case err != nil:
		return "failed: " + err.Error()
	case check.Expect.Status == 0 && a.Status/100 != 2:
		return fmt.Sprintf("answered %d, not 2xx", a.Status)
	case check.Expect.Status != 0 && a.Status != check.Expect.Status:
		return fmt.Sprintf("answered %d, not %d", a.Status, check.Expect.Status)
	case !bytes.Contains(a.Body, []byte(check.Expect.Contains)):
		return fmt.Sprintf("answered without %q", check.Expect.Contains)
	}
	return ""
}

// at is the address of an endpoint's host with another port; 0: its own.
func at(address string, port int) string {
	host, _, err := net.SplitHostPort(address)
	if port == 0 || err != nil {
		return address
	}
	return net.JoinHostPort(host, fmt.Sprint(port))
}

// SmokeAll is Smoke for all endpoints of a version, some at a time.
func SmokeAll(ctx context.Context, client *call.Client, endpoints []Endpoint, checks []configs.Smoke, timeout time.Duration) string {
	failed := make([]string, len(endpoints))
	each(endpoints, func(i int) { failed[i] = Smoke(ctx, client, endpoints[i], checks, timeout) })
	for _, text := range failed {
		if text != "" {
			return text
		}
	}
	return ""
}

// inParallel bounds how many endpoints are asked at once, by one measurement.
const inParallel = 4

// each calls f for each endpoint and returns when all calls have.
func each(endpoints []Endpoint, f func(i int)) {
	var running sync.WaitGroup
	free := make(chan struct{}, inParallel)
	for i := range endpoints {
		free <- struct{}{}
		running.Go(func() {
			defer func() { <-free }()
			f(i)
		})
	}
	running.Wait()
}
