package main

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap/zapcore"
)

// TestLogKeys_AreThoseOfTheCode holds the list against every call of zap's
// constructors of fields.
func TestLogKeys_AreThoseOfTheCode(t *testing.T) {
	listed := make(map[string]bool)
	for _, k := range logKeys() {
		if listed[k.Key] || k.Meaning == "" {
			t.Errorf("%q is there twice, or without a meaning", k.Key)
		}
		listed[k.Key] = true
	}
	used := map[string]bool{ // by zap itself, and by names of kinds
		"level": true, "time": true, "msg": true, "logger": true, "errorVerbose": true,
		"service": true, "rollout": true, "notifier": true, "freeze": true, "flag": true,
	}
	files := 0
	for _, folder := range []string{"cmd", "control", "proxy"} {
		err := filepath.WalkDir("../../"+folder, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			files++
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			for _, key := range keysIn(f) {
				used[key] = true
				if !listed[key] {
					t.Errorf("%s logs the key %q, which `weir log keys` does not know: add it to logKeys, or use one that is there", path, key)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 100 {
		t.Fatalf("only %d files were read", files)
	}
	for key := range listed {
		if !used[key] {
			t.Errorf("nothing logs the key %q any more", key)
		}
	}
}

// keysIn are the keys of the fields that a file makes.
func keysIn(f *ast.File) []string {
	var keys []string
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		made, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if from, ok := made.X.(*ast.Ident); !ok || from.Name != "zap" {
			return true
		}
		if made.Sel.Name == "Error" {
			keys = append(keys, "error")
			return true
		}
		if key, ok := call.Args[0].(*ast.BasicLit); ok && key.Kind == token.STRING && len(call.Args) == 2 {
			if text, err := strconv.Unquote(key.Value); err == nil {
				keys = append(keys, text)
			}
		}
		return true
	})
	return keys
}

// sink is a log that is read afterwards.
type sink struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *sink) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *sink) Sync() error { return nil }

func (s *sink) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestLog_EveryLineHasKnownKeys lets a node live a short life at the loudest
// level, in both forms.
func TestLog_EveryLineHasKnownKeys(t *testing.T) {
	leavesNothing(t)
	listed := make(map[string]bool)
	for _, k := range logKeys() {
		listed[k.Key] = true
	}
	var out sink
	dir := t.TempDir()
	write(t, dir, map[string]string{"shop.yaml": strings.NewReplacer("planted-", "plain-").Replace(secretsService), "canary.yaml": shortCanary, "notifiers.yaml": secretsNotifiers})
	liveShortly(t, nodeFile(t, dir, anyPort, anyPort, ""), logsTo(&out, zapcore.DebugLevel, "json"), func(n *node) {
		n.ask(t, exitDone, "apply", "-f", filepath.Join(dir, "shop.yaml"), "-f", filepath.Join(dir, "notifiers.yaml"))
		n.ask(t, exitDone, "weights", "shop", "blue=90%", "green=10%")
		n.ask(t, exitDone, "rollout", "start", "-f", filepath.Join(dir, "canary.yaml"))
		n.ask(t, exitDone, "rollout", "abort", "shop", "--reason", "enough")
		n.ask(t, exitFailed, "rollout", "pause", "shop")
		n.ask(t, exitDone, "freeze", "--for", "1h")
		n.ask(t, exitFailed, "notify", "test", "calls")
		n.ask(t, exitDone, "log", "level", "warn", "--for", "1ms")
		n.ask(t, exitDone, "delete", "service", "shop")
	})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	said := make(map[string]bool)
	for _, text := range lines {
		var fields map[string]any
		if err := json.Unmarshal([]byte(text), &fields); err != nil {
			t.Errorf("a line is no JSON: %s", text)
			continue
		}
		for _, key := range []string{"level", "time", "msg"} {
			if fields[key] == nil {
				t.Errorf("a line has no %s: %s", key, text)
			}
		}
		said[fields["msg"].(string)] = true
		if fields["logger"] == "store.etcd" || fields["logger"] == "etcd" {
			continue // etcd's own lines, errors alone
		}
		for key := range fields {
			if !listed[key] {
				t.Errorf("the key %q is not known: %s", key, text)
			}
		}
	}
	for _, msg := range []string{"weir is ready", "audit", "rollout changed", "draining", "drained"} {
		if !said[msg] {
			t.Errorf("no line says %q:\n%s", msg, out.String())
		}
	}
}

func TestLog_ConsoleFormIsALineForEachEvent(t *testing.T) {
	var out sink
	log := logsTo(&out, zapcore.WarnLevel, "console")
	log.Info("remembered alone")
	log.Debug("unheard")
	log.Warn("heard\nof")
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 2 || !strings.Contains(lines[0], "WARN") {
		t.Errorf("the console shows %q", lines)
	}
	if kept := log.lines.Lines(); len(kept) != 2 || !strings.Contains(string(kept[0]), "remembered alone") || !json.Valid(kept[1]) {
		t.Errorf("kept are %q", kept)
	}
}

const shortCanary = `kind: Rollout
service: shop
to: green
strategy: canary
stages:
  - {weight: 5%, duration: 10m}
`
