package diagnose

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/route"
)

func TestLevel_FallsBackByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLevel(zapcore.InfoLevel)
		f := func(what string, want zapcore.Level) {
			t.Helper()
			level, _ := l.Now()
			if level != want || !l.Enabled(want) || l.Enabled(want-1) {
				t.Errorf("%s: the level is %s, want %s", what, level, want)
			}
		}
		f("at first", zapcore.InfoLevel)
		l.Set(zapcore.DebugLevel, time.Now().Add(10*time.Minute))
		f("changed", zapcore.DebugLevel)
		time.Sleep(10*time.Minute - time.Second)
		f("just before", zapcore.DebugLevel)
		time.Sleep(2 * time.Second)
		f("after", zapcore.InfoLevel)
		if _, until := l.Now(); !until.IsZero() {
			t.Errorf("it is still until %s", until)
		}
		l.Set(zapcore.ErrorLevel, time.Time{})
		time.Sleep(1000 * time.Hour)
		f("for good", zapcore.ErrorLevel)
		l.Set(zapcore.InfoLevel, time.Now().Add(time.Hour))
		f("as configured", zapcore.InfoLevel)
		if _, until := l.Now(); !until.IsZero() {
			t.Errorf("as configured until %s", until)
		}
	})
}

func TestRing_KeepsTheLastLines(t *testing.T) {
	var r Ring
	for i := range ringLines + 10 {
		_, _ = fmt.Fprintf(&r, "line %d", i)
	}
	_, _ = r.Write(bytes.Repeat([]byte("x"), 3*ringLine))
	lines := r.Lines()
	if len(lines) != ringLines || string(lines[0]) != "line 11" || len(lines[ringLines-1]) != ringLine {
		t.Errorf("%d lines, the first %q, the last of %d bytes", len(lines), lines[0], len(lines[len(lines)-1]))
	}
}

func TestRedactor_TakesSecretsOutOfText(t *testing.T) {
	r := newRedactor()
	f := func(text, want string) {
		t.Helper()
		if got := r.text(text); got != want {
			t.Errorf("%q becomes\n%q, want\n%q", text, got, want)
		}
	}
	f("plain text: 5 of 7 failed", "plain text: 5 of 7 failed")
	f("weir_requests_total{service=\"shop\",version=\"green\"} 5", "weir_requests_total{service=\"shop\",version=\"green\"} 5")
	f("https://user:pw@hooks.example.com:8443/T0/B1/xyz?a=b failed", "https://hooks.example.com:8443/[redacted] failed")
	f("http://127.0.0.1:9797", "http://127.0.0.1:9797")
	f("Authorization: Bearer abc.def-ghi", "Authorization: [redacted] [redacted]")
	f("it sent Basic dXNlcjpwdw==", "it sent Basic [redacted]")
	f(`{"api_key":"12345","n":1}`, `{"api_key":"[redacted]","n":1}`)
	f("password = hunter2, user = ana", "password = [redacted], user = ana")
	f("weir_"+strings.Repeat("ab", 32), redacted)
	f("xoxb-12-34-abc", redacted)
	f("a eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln b", "a [redacted] b")
	f("-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\nrest", "[redacted]\nrest")
	f("-----BEGIN PRIVATE KEY-----\\nMHccut", redacted)
}

func TestRedactor_TakesSecretsOutOfDocuments(t *testing.T) {
	in := `{"routes":[{"request_headers":{"set":{"X-Anything":"planted-1"},"remove":["X-Old"]},"headers":{"X-Pick":"planted-2"}}],
		"hooks":[{"url":"https://planted-3@ci.example.com/planted-4","secret_file":"hook.key"}],"smoke":[{"path":"/x?token=planted-5","body":"planted-6"}],
		"Changes":["routes[0].set.X-Anything: planted-7 → planted-8"],"weights":{"blue":"90%"},"revision":9007199254740993,
		"notifier":{"password":"planted-9","webhook_url_file":"slack.url"},"meta":{"ticket":"planted-10"},"preview":{"header":"X-Preview"}}`
	out, err := newRedactor().json(json.RawMessage(in))
	if err != nil {
		t.Fatal(err)
	}
	if i := strings.Index(string(out), "planted"); i >= 0 {
		t.Errorf("planted: %s", out[i:])
	}
	for _, kept := range []string{`"X-Anything"`, `"X-Old"`, `https://ci.example.com/`, `"hook.key"`, `"slack.url"`, `"90%"`, `9007199254740993`, `"routes[0].set.X-Anything"`} {
		if !strings.Contains(string(out), kept) {
			t.Errorf("%s is lost: %s", kept, out)
		}
	}
}

func FuzzRedactor_KeepsNoToken(f *testing.F) {
	f.Add("before", "after")
	f.Add(`{"token":"`, `"}`)
	f.Add("https://user:", "@example.com/")
	r := newRedactor()
	f.Fuzz(func(t *testing.T, before, after string) {
		token := "weir_" + strings.Repeat("0123456789abcdef", 4)
		if out := r.text(before + " " + token + " " + after); strings.Contains(out, token) {
			t.Errorf("it stays in %q", out)
		}
	})
}

// stand is a Controller whose state cannot be had.
type stand struct{ Controller }

func (stand) View() *control.View { return &control.View{Node: "n1"} }
func (stand) RecentEvents() []control.Event {
	return []control.Event{{Seq: 7, Text: "password=planted"}}
}
func (stand) Audit(context.Context, control.AuditQuery) ([]control.AuditView, error) { return nil, nil }
func (stand) ExportState(context.Context) (store.Dump, error) {
	return store.Dump{}, errors.New("etcd at https://user:planted@etcd:2379 is gone")
}

func newStand() *Node {
	return &Node{
		Name: "edge/../1", Version: "v0.1.0", Config: map[string]string{"name": "n1"}, Control: stand{}, Log: &Ring{}, Files: map[string]string{"none": "/no/such"},
		Table: func() *route.Table { return nil }, Metrics: func(w io.Writer) { _, _ = io.WriteString(w, "up 1\n") },
	}
}

// unpacked is an archive by the names of its files, without their folder.
func unpacked(t *testing.T, data io.Reader) map[string]string {
	t.Helper()
	zip, err := gzip.NewReader(data)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for archive := tar.NewReader(zip); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		folder, name := path.Split(head.Name)
		if !strings.HasPrefix(folder, "weir-debug-edge_.._1-") || head.Mode != 0o600 {
			t.Errorf("%s has mode %o", head.Name, head.Mode)
		}
		files[name] = string(text)
	}
}

func TestBundle_GoesOnWithoutTheState(t *testing.T) {
	n := newStand()
	_, _ = n.Log.Write([]byte(`{"msg":"token unknown","token":"planted"}`))
	var out bytes.Buffer
	if err := n.WriteBundle(t.Context(), &out, 0); err != nil {
		t.Fatal(err)
	}
	files := unpacked(t, &out)
	for _, name := range []string{"README.txt", "version.json", "node.json", "files.txt", "view.json", "table.json", "events.json", "metrics.txt", "log.jsonl", "goroutines.txt", "goroutine.pprof", "heap.pprof", "machine.txt", "errors.txt"} {
		if files[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
	if !strings.HasPrefix(files["errors.txt"], "state.json: etcd at https://etcd:2379/[redacted] is gone") {
		t.Errorf("errors.txt: %s", files["errors.txt"])
	}
	for name, text := range files {
		if strings.Contains(text, "planted") {
			t.Errorf("%s holds what was planted", name)
		}
		if strings.HasSuffix(name, ".json") && !json.Valid([]byte(text)) {
			t.Errorf("%s is no JSON", name)
		}
	}
	if _, ok := files["cpu.pprof"]; ok {
		t.Error("a profile of the CPU that nobody asked for")
	}
}

func TestBundle_EndsWithItsReader(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	if err := newStand().WriteBundle(ctx, &out, MostCPU); !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	if zip, err := gzip.NewReader(&out); err == nil {
		if _, err := io.ReadAll(zip); err == nil {
			t.Error("what was broken off looks whole")
		}
	}
}
