package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
)

// leavesNothing fails the test if a goroutine that began since is left at its end.
func leavesNothing(t *testing.T) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		goleak.VerifyNone(t, before,
			// It ends within ten seconds of its server's end.
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
			// Likewise after its last connection.
			goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*HostClient).connsCleaner"))
	})
}

// weir runs a command line in this process.
func weir(ctx context.Context, args ...string) (code int, out, errOut string) {
	var stdout, stderr bytes.Buffer
	code = run(ctx, args, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// nodeFile writes a node file in dir and returns its name.
func nodeFile(t *testing.T, dir, listen, control, more string) string {
	t.Helper()
	text := fmt.Sprintf("kind: Node\nname: one\nlisten: [{address: %q}]\ncontrol: {address: %q}\nlog: {level: error}\ndrain: {window: 1ms, grace: 1s}\n%s", listen, control, more)
	file := filepath.Join(dir, "node.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func taken(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

const anyPort = "127.0.0.1:0"

func TestServe_SaysWhatItCannotOpenAndLeavesNothing(t *testing.T) {
	leavesNothing(t)
	busy := taken(t)
	f := func(what, listen, control, more string, want ...string) {
		t.Helper()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "bad.yaml"), []byte("kind: Service\nname: shop\nversons: {}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errOut := weir(t.Context(), "serve", "-c", nodeFile(t, dir, listen, control, more))
		if code != exitFailed {
			t.Errorf("%s: exit code %d", what, code)
		}
		for _, w := range want {
			if !strings.Contains(errOut, w) {
				t.Errorf("%s: %q does not say %q", what, errOut, w)
			}
		}
		if n := strings.Count(errOut, "weir: "); n != 1 {
			t.Errorf("%s: %d errors are printed:\n%s", what, n, errOut)
		}
	}
	f("clients", busy, anyPort, "", busy, "in use")
	f("control", anyPort, busy, "", "control", busy, "in use")
	f("status", anyPort, anyPort, fmt.Sprintf("status: {address: %q}\n", busy), "status", busy, "in use")
	f("not loopback", anyPort, "0.0.0.0:0", "", "other machines", "tokens")
	f("no file", anyPort, anyPort, "apply: [none.yaml]\n", "none.yaml")
	f("bad file", anyPort, anyPort, "apply: [bad.yaml]\n", "bad.yaml:3", "versons")
}

func TestServe_FolderOfAnotherProcessIsRefused(t *testing.T) {
	leavesNothing(t)
	dir := t.TempDir()
	file := nodeFile(t, dir, anyPort, anyPort, "")
	config, err := configs.ReadNode(file)
	if err != nil {
		t.Fatal(err)
	}
	first, err := newNode(t.Context(), config, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	code, _, errOut := weir(t.Context(), "serve", "-c", file)
	if code != exitFailed || !strings.Contains(errOut, dir) || strings.Count(errOut, "\n") != 1 {
		t.Errorf("exit code %d, %q", code, errOut)
	}
	first.close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(2*time.Second, cancel)
	if code, _, errOut := weir(ctx, "serve", "-c", file); code != exitDone {
		t.Errorf("after the first one left: exit code %d, %q", code, errOut)
	}
}

func TestServe_ToldToEndBeforeItBeganIsNoFailure(t *testing.T) {
	leavesNothing(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if code, _, errOut := weir(ctx, "serve", "-c", nodeFile(t, t.TempDir(), anyPort, anyPort, "")); code != exitDone || errOut != "" {
		t.Errorf("exit code %d, %q", code, errOut)
	}
}

func TestNode_NeedsAName(t *testing.T) {
	config := &configs.Node{Listen: []configs.Listen{{Address: anyPort}}}
	config.SetDefaults()
	config.Name = ""
	if _, err := newNode(t.Context(), config, zap.NewNop()); err == nil || !strings.Contains(err.Error(), "name: ") {
		t.Errorf("got %v", err)
	}
}

func TestNode_DrainsAndFailsWhenAPartOfItEnds(t *testing.T) {
	leavesNothing(t)
	config, err := configs.ReadNode(nodeFile(t, t.TempDir(), anyPort, anyPort, ""))
	if err != nil {
		t.Fatal(err)
	}
	n, err := newNode(t.Context(), config, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	outcome := make(chan error, 1)
	go func() { outcome <- n.run(context.Background()) }()
	for n.ready() != nil {
		time.Sleep(5 * time.Millisecond)
	}
	_ = n.listeners[0].Close()
	select {
	case err := <-outcome:
		if err == nil || !strings.Contains(err.Error(), n.listeners[0].Addr().String()) || !n.server.Draining() {
			t.Errorf("ended with %v; drained: %v", err, n.server.Draining())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("a node that accepts nobody goes on")
	}
}

func TestDemo_LeavesNoFolder(t *testing.T) {
	f := func(what string, after time.Duration, want int, says string, args ...string) {
		t.Helper()
		folder := t.TempDir()
		t.Setenv("TMPDIR", folder)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if after > 0 {
			time.AfterFunc(after, cancel)
		}
		code, out, errOut := weir(ctx, append([]string{"demo", "--rps", "100", "--users", "100"}, args...)...)
		if code != want || !strings.Contains(out+errOut, says) {
			t.Errorf("%s: exit code %d, want %d with %q\n%s\n%s", what, code, want, says, out, errOut)
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v, %v", what, left, err)
		}
	}
	busy := taken(t)
	f("clients' address in use", 0, exitFailed, "--listen", "--listen", busy, "--control", anyPort)
	f("control address in use", 0, exitFailed, "--control", "--listen", anyPort, "--control", busy)
	f("control address elsewhere", 0, exitUsage, "--control", "--listen", anyPort, "--control", "https://weir.example.com")
	f("stopped", 4*time.Second, exitDone, "stopped", "--listen", anyPort, "--control", anyPort)
	f("stopped at once", time.Millisecond, exitFailed, "", "--once", "--listen", anyPort, "--control", anyPort)
}
