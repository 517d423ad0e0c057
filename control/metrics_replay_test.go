package control

import (
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/stats"
)

func TestMetrics_TellWhatVersionsWereAskedBeyondTheirRequests(t *testing.T) {
	b := newBare(t)
	b.serve(wide(1))
	r := b.opts.Recorders.Recorder("shop", "green")
	r.Retry(stats.ResetCause)
	r.Retry(stats.ShieldCause)
	r.Retry(stats.ShieldCause)
	r.Deny()
	r.DropCopy()
	for _, reason := range []stats.Reason{stats.None, stats.Timeout} {
		token := r.Begin(0, stats.Mirror, int64(time.Second), -1)
		r.End(&token, 2*int64(time.Second), stats.Outcome{Reason: reason})
	}
	var metrics strings.Builder
	b.WriteMetrics(&metrics)
	for _, want := range []string{
		`weir_retries_total{service="shop",version="green",reason="reset"} 1`,
		`weir_retries_total{service="shop",version="green",reason="shield"} 2`,
		`weir_retries_denied_total{service="shop",version="green"} 1`,
		`weir_mirror_requests_total{service="shop",version="green",result="ok"} 1`,
		`weir_mirror_requests_total{service="shop",version="green",result="timeout"} 1`,
		`weir_mirror_requests_total{service="shop",version="green",result="dropped"} 1`,
		`weir_lane_requests_total{service="shop",version="green",lane="mirror"} 2`,
		`weir_requests_in_flight{service="shop",version="green"} 0`,
	} {
		if !strings.Contains(metrics.String(), want+"\n") {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(metrics.String(), `weir_requests_total{service="shop",version="green"`) {
		t.Error("copies count as requests of clients")
	}
}
