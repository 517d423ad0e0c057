package main

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Tokens of the node in these tests.
const (
	adminToken  = "planted-admin-0123456789abcdef"
	secretsNode = `kind: Node
name: one
listen: [{address: "127.0.0.1:0", tls: {certificates: [{cert: edge.crt, key: edge.key}]}}]
control: {address: "127.0.0.1:0", tokens: tokens.yaml}
trace: {otlp: "http://127.0.0.1:1/planted-otlp?key=planted-otlp-query"}
drain: {window: 1ms, grace: 1s}
`
	secretsService = `kind: Service
name: shop
routes:
  - path: /
    headers: {X-Pick: planted-pick}
    request_headers: {set: {Authorization: Basic planted-basic, X-Anything: planted-set}, add: {Cookie: session=planted-cookie}}
versions:
  blue: {endpoints: ['127.0.0.1:1']}
  green: {endpoints: ['127.0.0.1:2']}
stable: blue
sticky: {by: cookie}
`
	secretsNotifiers = `kind: Notifier
name: chat
slack: {webhook_url_file: secrets/slack}
on: [started, aborted]
---
kind: Notifier
name: calls
webhook: {url: "http://127.0.0.1:1/planted-webhook/T0?key=planted-webhook-query"}
on: [started, aborted]
---
kind: Notifier
name: mail
email: {smtp: "127.0.0.1:1", tls: starttls, username: planted-user, password_file: secrets/smtp, from: a@example.com, to: [b@example.com]}
on: [started, aborted]
`
	secretsRollout = `kind: Rollout
service: shop
to: green
strategy: canary
stages:
  - {weight: 5%, duration: 10m}
hooks:
  - {name: qa, at: start, mode: gate, url: "http://127.0.0.1:1/planted-hook?token=planted-hook-query"}
smoke:
  - {get: "/?token=planted-smoke", expect: {status: 200, contains: planted-smoke-answer}}
meta: {pipeline: "https://ci.example.com/planted-meta-path"}
`
)

// TestDebug_BundleHoldsNoSecret plants one wherever one may stand, and looks for
// them all in every file of a bundle.
func TestDebug_BundleHoldsNoSecret(t *testing.T) {
	leavesNothing(t)
	dir := t.TempDir()
	selfSigned(t, dir)
	write(t, dir, map[string]string{
		"node.yaml": secretsNode, "shop.yaml": secretsService, "notifiers.yaml": secretsNotifiers, "canary.yaml": secretsRollout,
		"shop2.yaml":    strings.ReplaceAll(secretsService, "planted-", "planted-again-"),
		"tokens.yaml":   "tokens: [{name: ana, role: admin, token: " + adminToken + "}]\n",
		"secrets/slack": "http://127.0.0.1:1/services/planted-slack\n", "secrets/smtp": "planted-smtp\n",
	})
	t.Setenv("WEIR_TOKEN", adminToken)
	file := filepath.Join(dir, "bundle.tar.gz")
	log := logsTo(&sink{}, zapcore.DebugLevel, "json")
	var keys []string
	liveShortly(t, filepath.Join(dir, "node.yaml"), log, func(n *node) {
		n.ask(t, exitDone, "apply", "-f", filepath.Join(dir, "shop.yaml"), "-f", filepath.Join(dir, "notifiers.yaml"))
		n.ask(t, exitDone, "apply", "-f", filepath.Join(dir, "shop2.yaml"))
		n.ask(t, exitDone, "rollout", "start", "-f", filepath.Join(dir, "canary.yaml"))
		n.ask(t, exitDone, "rollout", "abort", "shop", "--reason", "password=planted-reason, see https://x:planted-url@example.com/a")
		log.Warn("planted", zap.String("reason", "Authorization: Bearer planted-line"), zap.Error(errors.New("dial http://u:planted-line@example.com")))
		keys = cookieKeys(t, n)
		n.ask(t, exitDone, "debug", "-o", file)
	})
	files := unpack(t, file)
	private, err := os.ReadFile(filepath.Join(dir, "edge.key"))
	if err != nil {
		t.Fatal(err)
	}
	secrets := append(keys, adminToken, strings.Split(string(private), "\n")[1])
	for name, text := range files {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %q", name, secret)
			}
		}
		if i := strings.Index(text, "planted-"); i >= 0 {
			t.Errorf("%s holds what was planted: …%s", name, text[max(i-80, 0):min(i+60, len(text))])
		}
		if strings.HasSuffix(name, ".json") && !json.Valid([]byte(text)) {
			t.Errorf("%s is no JSON", name)
		}
	}
	for name, want := range map[string]string{
		"state.json": "\"keys/cookie\",\n      \"value\": \"[redacted]\"", "node.json": `/edge.crt"`, "table.json": `"buckets": 10000`, "view.json": `"shop"`, "audit.json": `"apply"`,
		"events.json": `"rollout"`, "metrics.txt": "weir_split_weight_ratio", "log.jsonl": `"msg":"audit"`, "files.txt": "edge.key: -rw", "goroutines.txt": "control.(*Controller).Run",
		"machine.txt": "open",
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s has no %q: %.600s", name, want, files[name])
		}
	}
	if files["errors.txt"] != "" {
		t.Errorf("something could not be had: %s", files["errors.txt"])
	}
}

// cookieKeys are the secrets of the sticky cookie.
func cookieKeys(t *testing.T, n *node) []string {
	t.Helper()
	dump, err := n.controller.ExportState(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	for _, k := range dump.Keys {
		if !strings.HasPrefix(k.Key, "keys/") {
			continue
		}
		for _, word := range strings.FieldsFunc(string(k.Value), func(r rune) bool { return strings.ContainsRune(`{}[]",:`, r) }) {
			if len(word) >= 16 && !strings.Contains(word, "-") { // no date
				secrets = append(secrets, word)
			}
		}
	}
	if len(secrets) == 0 {
		t.Fatal("there are no keys to look for")
	}
	return secrets
}

// unpack reads a bundle by the names of its files, without their folder.
func unpack(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
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
		files[path.Base(head.Name)] = string(text)
	}
}
