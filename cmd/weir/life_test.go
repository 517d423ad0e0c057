package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
)

// liveShortly runs a node from its file until during returns.
func liveShortly(t *testing.T, file string, log logs, during func(n *node)) {
	t.Helper()
	config, err := configs.ReadNode(file)
	if err != nil {
		t.Fatal(err)
	}
	n, err := newHeir(t.Context(), config, log, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	outcome := make(chan error, 1)
	go func() { outcome <- n.run(ctx) }()
	for deadline := time.Now().Add(time.Minute); n.ready() != nil; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error(n.ready())
			break
		}
	}
	during(n)
	stop()
	if err := <-outcome; err != nil {
		t.Error(err)
	}
}

// ask runs a command against a node, and returns what it printed.
func (n *node) ask(t *testing.T, want int, args ...string) string {
	t.Helper()
	code, out, errs := weir(t.Context(), append(args, "--control", "http://"+n.control.Addr().String())...)
	if code != want {
		t.Errorf("weir %s: exit code %d, want %d: %s%s", strings.Join(args, " "), code, want, out, errs)
	}
	return out
}

// write puts files into a folder, for their owner alone.
func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
