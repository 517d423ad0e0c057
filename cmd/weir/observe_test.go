package main

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
)

func TestNode_WritesTheAccessLogToItsEnd(t *testing.T) {
	leavesNothing(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "lost.html"), []byte("<p>lost</p>"), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := configs.ReadNode(nodeFile(t, dir, anyPort, anyPort,
		"request_id: {return: true}\ntrace: {}\nerrors: {404: {file: lost.html}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	config.Log.Access, config.Log.AccessFile = "combined", filepath.Join(dir, "access.log")
	n, err := newNode(t.Context(), config, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	outcome := make(chan error, 1)
	go func() { outcome <- n.run(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); n.ready() != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(n.ready())
		}
	}
	resp, err := http.Get("http://" + n.listeners[0].Addr().String() + "/nowhere?secret=1")
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	_, _ = body.ReadFrom(resp.Body)
	_ = resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != 404 || body.String() != "<p>lost</p>" || len(resp.Header.Get("X-Request-Id")) != 32 {
		t.Errorf("got %d %q %v", resp.StatusCode, body.String(), resp.Header)
	}
	var metrics bytes.Buffer
	n.writeMetrics(&metrics)
	if !strings.Contains(metrics.String(), "\nweir_access_log_dropped_total 0\n") {
		t.Error("what was lost of the access log is not told")
	}
	stop()
	if err := <-outcome; err != nil {
		t.Error(err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "access.log"))
	if err != nil || strings.Count(string(log), "\n") != 1 || !strings.Contains(string(log), `"GET /nowhere HTTP/1.1" 404 11 "-" "Go-http-client/1.1"`) {
		t.Errorf("the log holds %q (%v)", log, err)
	}
}
