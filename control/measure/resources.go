package measure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/call"
	"github.com/weirproxy/weir/proxy/upstream"
)

// maxPage bounds a page of metrics: client libraries write some kilobytes,
// exporters up to a few megabytes.
const maxPage = 4 << 20

// What Prometheus' client libraries call memory and CPU of their process.
const (
	defaultPage   = "/metrics"
	defaultMemory = "process_resident_memory_bytes"
	defaultCPU    = "process_cpu_seconds_total"
)

// Usage is what one endpoint shows at one moment. NaN: it does not show that.
type Usage struct {
	At     time.Time
	Memory float64 // bytes
	CPU    float64 // seconds, since its process began
}

// Resources reads the page of one endpoint.
func Resources(ctx context.Context, client *call.Client, e Endpoint, r configs.Resources) (Usage, error) {
	e.Address = at(e.Address, r.Port)
	if r.Port != 0 {
		e.Link = upstream.Link{} // another listener, of which nothing is known
	}
	client, done := e.client(client)
	defer done()
	a, err := client.Do(ctx, call.Request{
		URL: e.url(cmp.Or(r.Path, defaultPage)), MaxAnswer: maxPage,
		Header: http.Header{"Accept": {"text/plain;version=0.0.4"}},
	})
	switch {
	case err != nil:
		return Usage{}, fmt.Errorf("cannot read the metrics of %s: %w", e.Address, err)
	case a.Status != http.StatusOK:
		return Usage{}, fmt.Errorf("cannot read the metrics of %s: it answered %d", e.Address, a.Status)
	case a.Truncated:
		return Usage{}, fmt.Errorf("cannot read the metrics of %s: the page is longer than %d bytes", e.Address, maxPage)
	}
	u, err := parseUsage(a.Body, cmp.Or(r.Memory, defaultMemory), cmp.Or(r.CPU, defaultCPU))
	if err != nil {
		return Usage{}, fmt.Errorf("cannot read the metrics of %s: %w", e.Address, err)
	}
	u.At = time.Now()
	return u, nil
}

// CPUBetween is how many cores were busy between two readings of one endpoint.
// NaN: that cannot be said, because one is missing, its process began anew, or no
// time has passed.
func CPUBetween(before, after Usage) float64 {
	span := after.At.Sub(before.At).Seconds()
	used := after.CPU - before.CPU
	if before.At.IsZero() || span <= 0 || !(used >= 0) {
		return math.NaN()
	}
	return used / span
}

// ResourcesAll reads the pages of all endpoints of a version, by address. Those
// that cannot be read are left out; the error is the first one's if none could.
func ResourcesAll(ctx context.Context, client *call.Client, endpoints []Endpoint, r configs.Resources) (map[string]Usage, error) {
	usages, errs := make([]Usage, len(endpoints)), make([]error, len(endpoints))
	each(endpoints, func(i int) {
		ctx, cancel := context.WithTimeout(ctx, r.Timeout.Std())
		defer cancel()
		usages[i], errs[i] = Resources(ctx, client, endpoints[i], r)
	})
	readings := make(map[string]Usage, len(endpoints))
	for i, e := range endpoints {
		if errs[i] == nil {
			readings[e.Address] = usages[i]
		}
	}
	if len(readings) > 0 {
		return readings, nil
	}
	if len(errs) == 0 {
		return nil, errors.New("there is no endpoint")
	}
	return nil, errs[0]
}
