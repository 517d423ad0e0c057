package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/exposition/expositiontest"
)

// started runs a node of that text until the test ends; its files are in dir.
func started(t *testing.T, dir, text string) *node {
	t.Helper()
	file := filepath.Join(dir, "node.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := configs.ReadNode(file)
	if err != nil {
		t.Fatal(err)
	}
	n, err := newNode(t.Context(), config, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the node ended with %v", err)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); n.ready() != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not ready: %v", n.ready())
		}
	}
	return n
}

// The families of the Controller are held next to it; these are the others.
func TestMetrics_WholePageIsStrict(t *testing.T) {
	leavesNothing(t)
	pages := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	dir := t.TempDir()
	selfSigned(t, dir)
	n := started(t, dir, tlsNode+"status: {address: \"127.0.0.1:0\"}\nlog: {level: error, access: json, access_file: access.log}\n")
	resp, err := pages.Get("http://" + n.status.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !resp.Uncompressed || resp.Header.Get("Content-Type") != "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("compressed %v, %v", resp.Uncompressed, resp.Header)
	}
	families := expositiontest.Read(t, string(page))
	for name, want := range map[string]string{
		"weir_client_rejections_total":               "counter reason",
		"weir_client_connections":                    "gauge",
		"weir_stale_retries_total":                   "counter",
		"weir_panics_total":                          "counter",
		"weir_spans_total":                           "counter",
		"weir_tunnels_open":                          "gauge",
		"weir_access_log_dropped_total":              "counter",
		"weir_certificate_expires_timestamp_seconds": "gauge file",
		"weir_ready":                                 "gauge",
		"weir_build_info":                            "gauge goversion version",
		"weir_state_connected":                       "gauge",
		"process_cpu_seconds_total":                  "counter",
		"process_resident_memory_bytes":              "gauge",
		"process_open_fds":                           "gauge",
		"process_max_fds":                            "gauge",
		"process_start_time_seconds":                 "gauge",
		"process_io_read_bytes_total":                "counter",
		"go_goroutines":                              "gauge",
		"go_memstats_heap_inuse_bytes":               "gauge",
		"go_gc_duration_seconds":                     "summary",
		"go_info":                                    "gauge version",
	} {
		f, ok := families[name]
		if got := strings.Join(append([]string{f.Type}, f.LabelNames()...), " "); !ok || got != want && len(f.Samples) > 0 {
			t.Errorf("%s is %q, not %q", name, got, want)
		}
	}
	expires := families["weir_certificate_expires_timestamp_seconds"].Samples
	if len(expires) != 1 || expires[0].Labels["file"] != filepath.Join(dir, "edge.crt") || time.Until(time.Unix(int64(expires[0].Value), 0)).Round(time.Hour) != time.Hour {
		t.Errorf("one file ends in an hour, not %v", expires)
	}
	if f := families["weir_ready"]; len(f.Samples) != 1 || f.Samples[0].Value != 1 {
		t.Errorf("ready: %v", f.Samples)
	}
	if f := families["weir_state_connected"]; len(f.Samples) != 1 || f.Samples[0].Value != 1 {
		t.Errorf("connected: %v", f.Samples)
	}
}

// Rules and dashboards ask for what the page has, by its name.
func TestMetrics_RulesAskForWhatThereIs(t *testing.T) {
	leavesNothing(t)
	n := started(t, t.TempDir(), "kind: Node\nname: one\nlisten: [{address: \"127.0.0.1:0\"}]\ncontrol: {address: \"127.0.0.1:0\"}\nlog: {level: error, access: json, access_file: access.log}\ndrain: {window: 1ms, grace: 1s}\n")
	var page strings.Builder
	n.writeMetrics(&page)
	families := expositiontest.Read(t, page.String())
	asked := 0
	names := regexp.MustCompile(`\b(weir|process|go)_[a-z_]+`)
	for _, pattern := range []string{"../../configs/prometheus/*.yaml", "../../configs/grafana/*.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names.FindAllString(string(text), -1) {
				asked++
				base := strings.TrimSuffix(name, "_bucket")
				if f := families[base]; f.Type == "" || base != name && f.Type != "histogram" {
					t.Errorf("%s asks for %s", file, name)
				}
			}
		}
	}
	if asked < 100 {
		t.Errorf("only %d names were found", asked)
	}
}

// metrics.md tells of each metric, and of no other.
func TestMetrics_AreToldOf(t *testing.T) {
	leavesNothing(t)
	dir := t.TempDir()
	selfSigned(t, dir)
	var page strings.Builder
	started(t, dir, tlsNode).writeMetrics(&page)
	text, err := os.ReadFile("../../configs/examples/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, m := range regexp.MustCompile("`(weir_[a-z_]+)`").FindAllStringSubmatch(string(text), -1) {
		told[m[1]] = true
	}
	for name := range expositiontest.Read(t, page.String()) {
		if strings.HasPrefix(name, "weir_") && !told[name] {
			t.Errorf("metrics.md does not tell of %s", name)
		}
		delete(told, name)
	}
	for name := range told {
		t.Errorf("metrics.md tells of %s, and there is none", name)
	}
}
