package hook_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/call"
	"github.com/weirproxy/weir/control/hook"
	"github.com/weirproxy/weir/control/rollout"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

func caller(t *testing.T, dir string) *hook.Caller {
	t.Helper()
	c := hook.New(hook.Options{Node: "one", Secrets: dir})
	t.Cleanup(c.Close)
	return c
}

func asking(h configs.Hook) rollout.AskHook {
	return rollout.AskHook{Key: "shop-1/qa/0", Hook: h, Stage: -1, For: "stage 1 begins"}
}

func state() rollout.State {
	return rollout.State{
		ID: "shop-1", Service: "shop", Strategy: "canary", From: "blue", To: "green", Phase: rollout.Pending,
		Weights: map[string]configs.Weight{"blue": configs.Whole}, Actor: "ana",
		Plan: configs.Rollout{Meta: map[string]string{"ticket": "4711"}},
	}
}

func TestCaller_ReadsEveryAnswer(t *testing.T) {
	f := func(status int, body string, want rollout.Answer, text string) {
		t.Helper()
		url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		})
		got := caller(t, "").Ask(t.Context(), asking(configs.Hook{Name: "qa", URL: url}), state())
		if got.Answer != want || got.Text != text {
			t.Errorf("%d %s: got %+v, want %s %q", status, body, got, want, text)
		}
	}
	f(200, "", rollout.HookGo, "")
	f(204, "", rollout.HookGo, "")
	f(200, "fine", rollout.HookGo, "")
	f(200, `{"hold": true, "reason": "3 of 10"}`, rollout.HookWait, "3 of 10")
	f(200, `{"hold": false, "reason": "done"}`, rollout.HookGo, "done")
	f(409, `{"reason": "asleep"}`, rollout.HookWait, "asleep")
	f(409, "", rollout.HookWait, "it answered 409 Conflict")
	f(403, `{"reason": "no"}`, rollout.HookRefuse, "no")
	f(500, "", rollout.HookRefuse, "it answered 500 Internal Server Error")
	f(302, "", rollout.HookRefuse, "it answered 302 Found")
	f(429, "", rollout.HookNone, "it answered 429 Too Many Requests")
	f(503, "", rollout.HookNone, "it answered 503 Service Unavailable")
	f(403, `{"reason": "\u001b[31mred\nline"}`, rollout.HookRefuse, " [31mred line")
	f(403, `{"reason": "`+strings.Repeat("x", 400)+`"}`, rollout.HookRefuse, strings.Repeat("x", 301)+"…")
	f(200, `{"hold": true, "log": "`+strings.Repeat("x", 20<<10)+`"}`, rollout.HookNone, "its answer begins like JSON and cannot be read")
}

func TestCaller_SignsWhatItSendsAndSaysWhatItIsAbout(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var body []byte
	var header http.Header
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ = io.ReadAll(r.Body)
		header = r.Header
	})
	h := configs.Hook{Name: "qa", URL: url, SecretFile: "key"}
	if got := caller(t, dir).Ask(t.Context(), asking(h), state()); got.Answer != rollout.HookGo {
		t.Fatalf("got %+v", got)
	}
	if err := call.Verify(header.Get(call.SignatureHeader), []byte("hush"), body, time.Now(), time.Minute); err != nil {
		t.Error(err)
	}
	if header.Get("Weir-Key") != "shop-1/qa/0" || header.Get("Content-Type") != "application/json" {
		t.Errorf("the header is %v", header)
	}
	var said map[string]any
	if err := json.Unmarshal(body, &said); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"key": "shop-1/qa/0", "hook": "qa", "mode": "gate", "for": "stage 1 begins", "rollout": "shop-1", "service": "shop",
		"from": "blue", "to": "green", "phase": "pending", "node": "one", "stage": -1.0, "starter": "ana",
	} {
		if said[name] != want {
			t.Errorf("%s is %v, not %v", name, said[name], want)
		}
	}
	if meta, _ := said["meta"].(map[string]any); meta["ticket"] != "4711" {
		t.Errorf("meta is %v", said["meta"])
	}
	h.SecretFile = "gone"
	if got := caller(t, dir).Ask(t.Context(), asking(h), state()); got.Answer != rollout.HookNone || !strings.Contains(got.Text, `"gone"`) {
		t.Errorf("without its secret: %+v", got)
	}
}

func TestCaller_IsNotKeptWaitingNorLedElsewhere(t *testing.T) {
	release := make(chan struct{})
	url := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	hangs := configs.Hook{Name: "qa", URL: url, Timeout: configs.Duration(50 * time.Millisecond)}
	if got := caller(t, "").Ask(t.Context(), asking(hangs), state()); got.Answer != rollout.HookNone {
		t.Errorf("one that hangs: %+v", got)
	}
	called := false
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { called = true })
	url = serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere, http.StatusTemporaryRedirect)
	})
	if got := caller(t, "").Ask(t.Context(), asking(configs.Hook{Name: "qa", URL: url}), state()); got.Answer != rollout.HookRefuse || called {
		t.Errorf("a redirect: %+v, followed %v", got, called)
	}
	gone := configs.Hook{Name: "qa", URL: "http://127.0.0.1:1/hush"}
	if got := caller(t, "").Ask(t.Context(), asking(gone), state()); got.Answer != rollout.HookNone || strings.Contains(got.Text, "hush") {
		t.Errorf("nobody there: %+v", got)
	}
	url = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(503)
	})
	if got := caller(t, "").Ask(t.Context(), asking(configs.Hook{Name: "qa", URL: url}), state()); got.After != 7*time.Second {
		t.Errorf("Retry-After: %+v", got)
	}
}
