//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
	"github.com/weirproxy/weir/control/call"
)

// heard is one call of a hook.
type heard struct {
	key, kind string
	signed    bool
	seq       int
}

// hookServer is the other side of hooks. Answer is asked under the path's name.
type hookServer struct {
	url string

	mu     sync.Mutex
	calls  map[string][]heard
	answer func(name string, nth int, w http.ResponseWriter)
}

const hookSecret = "a-secret-of-hooks"

func newHookServer(t *testing.T, answer func(name string, nth int, w http.ResponseWriter)) *hookServer {
	t.Helper()
	s := &hookServer{calls: map[string][]heard{}, answer: answer}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		var event struct {
			Seq  int    `json:"seq"`
			Kind string `json:"kind"`
		}
		_ = json.NewDecoder(bytes.NewReader(body)).Decode(&event)
		name := strings.TrimPrefix(r.URL.Path, "/")
		s.mu.Lock()
		s.calls[name] = append(s.calls[name], heard{
			key: r.Header.Get("Weir-Key"), kind: event.Kind, seq: event.Seq,
			signed: call.Verify(r.Header.Get(call.SignatureHeader), []byte(hookSecret), body, time.Now(), time.Minute) == nil,
		})
		nth, answer := len(s.calls[name]), s.answer
		s.mu.Unlock()
		answer(name, nth, w)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *hookServer) of(name string) []heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls[name])
}

func (s *hookServer) set(answer func(name string, nth int, w http.ResponseWriter)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

// hooked is a canary with hooks; its lines follow `hooks:`.
func (w *world) hooked(hooks ...string) lab.Document {
	w.t.Helper()
	secret := filepath.Join(filepath.Dir(w.node.File), "hook-secret")
	w.check(os.WriteFile(secret, []byte(hookSecret+"\n"), 0o600))
	return canary("{weight: 20%, duration: 2s}", "{weight: 50%, duration: 60s}") +
		lab.Document("hooks:\n  - "+strings.Join(hooks, "\n  - ")+"\n")
}

func TestHooks_AGateThatHangsFailsAndWaitsHoldsTheRolloutAndNothingElse(t *testing.T) {
	w := newWorld(t, options{})
	release := make(chan struct{})
	defer close(release)
	s := newHookServer(t, func(_ string, nth int, rw http.ResponseWriter) {
		switch nth {
		case 1:
			<-release // hangs
		case 2:
			rw.WriteHeader(http.StatusServiceUnavailable)
		default:
			rw.WriteHeader(http.StatusConflict)
			fmt.Fprint(rw, `{"reason": "people are asleep"}`)
		}
	})
	traffic := w.load().Open(300)
	id := w.begin(w.hooked(fmt.Sprintf("{name: qa, at: start, url: %s/qa, secret_file: hook-secret, timeout: 1s, interval: 1s}", s.url)))
	r, err := w.api.AwaitRollout(id, "held by the gate's reason", 30*time.Second, func(r *lab.Rollout) bool {
		return r.WaitingFor == "hook" && strings.Contains(r.Reason, "people are asleep")
	})
	w.check(err)
	if r.Phase != "pending" {
		t.Errorf("the rollout is %s", r.Phase)
	}
	held := time.Now()
	s.set(func(string, int, http.ResponseWriter) { time.Sleep(300 * time.Millisecond) }) // late
	w.awaitStage(id, 0, 30*time.Second)
	w.check(w.api.Act(id, "abort"))
	shots := traffic.Stop()
	w.unharmed(shots)
	w.only("blue", shots.Of(func(s lab.Shot) bool { return s.Ended.Before(held) }))
	for _, c := range s.of("qa") {
		if !c.signed || c.key != s.of("qa")[0].key || c.key == "" {
			t.Errorf("a call with key %q, signed %v", c.key, c.signed)
		}
	}
}

func TestHooks_AVetoPutsTheTrafficBack(t *testing.T) {
	w := newWorld(t, options{})
	s := newHookServer(t, func(string, int, http.ResponseWriter) {})
	traffic := w.load().Open(300)
	id := w.begin(w.hooked(fmt.Sprintf("{name: veto, at: any, mode: check, url: %s/veto, interval: 1s}", s.url)))
	w.awaitStage(id, 1, 30*time.Second)
	s.set(func(_ string, _ int, rw http.ResponseWriter) {
		rw.WriteHeader(http.StatusForbidden)
		fmt.Fprint(rw, `{"reason": "orders fell by half"}`)
	})
	r := w.await(id, "rolled_back", 20*time.Second)
	back := time.Now()
	time.Sleep(time.Second)
	shots := traffic.Stop()
	w.unharmed(shots)
	w.only("blue", shots.After(back))
	w.holds(r.Reason, "orders fell by half")
}

// TestHooks_EveryEventIsToldThoughTheLeaderDies kills weir while its hook takes
// nothing: what was written and not sent is sent by the next process.
func TestHooks_EveryEventIsToldInOrderThoughTheLeaderIsKilled(t *testing.T) {
	w := newWorld(t, options{})
	down := func(_ string, nth int, rw http.ResponseWriter) {
		if nth%2 == 0 {
			rw.WriteHeader(http.StatusInternalServerError)
			return
		}
		// The hook takes it, and its answer is lost: weir must send it again.
		panic(http.ErrAbortHandler)
	}
	s := newHookServer(t, down)
	id := w.begin(w.hooked(fmt.Sprintf("{name: log, at: any, mode: notify, url: %s/log, secret_file: hook-secret}", s.url)))
	w.awaitStage(id, 0, 20*time.Second)
	w.check(w.api.Act(id, "pause"))
	w.check(w.api.Act(id, "resume"))
	w.check(lab.Await("a call of the hook", 20*time.Second, func() (bool, error) { return len(s.of("log")) > 0, nil }))
	w.node.Kill()
	w.check(w.node.Start())
	w.check(lab.Await("the state", 20*time.Second, func() (bool, error) { _, err := w.api.Rollout(id); return err == nil, nil }))
	w.check(w.api.Act(id, "abort"))
	before := len(s.of("log"))
	s.set(func(string, int, http.ResponseWriter) {})
	w.check(lab.Await("the last event", 60*time.Second, func() (bool, error) {
		return slices.ContainsFunc(s.of("log")[before:], func(h heard) bool { return h.kind == "aborted" }), nil
	}))
	last := 0
	keys := map[int]string{}
	for _, h := range s.of("log") {
		if h.seq != last && h.seq != last+1 {
			t.Errorf("event %d comes after event %d", h.seq, last)
		}
		last = h.seq
		if keys[h.seq] == "" {
			keys[h.seq] = h.key
		}
		if keys[h.seq] != h.key || !h.signed {
			t.Errorf("event %d comes with key %q and %q, signed %v", h.seq, keys[h.seq], h.key, h.signed)
		}
	}
	var box struct {
		Size int `json:"size"`
	}
	w.check(lab.Await("an empty outbox", 20*time.Second, func() (bool, error) {
		a, err := w.api.Call(http.MethodGet, "/v1/outbox", nil)
		if err != nil {
			return false, err
		}
		return json.Unmarshal(a.Body, &box) == nil && box.Size == 0, nil
	}))
	t.Logf("%d events in %d calls", last, len(s.of("log")))
	if last < 4 {
		t.Errorf("only %d events were told", last)
	}
}

func TestGates_TwoPeopleApproveAndAFreezeHoldsAllButAnAbort(t *testing.T) {
	w := newWorld(t, options{})
	cli := func(want int, args ...string) string {
		t.Helper()
		code, out, errOut, err := w.node.CLI(args...)
		w.check(err)
		if code != want {
			t.Fatalf("weir %s: exit %d, not %d: %s%s", strings.Join(args, " "), code, want, out, errOut)
		}
		return out + errOut
	}
	id := w.begin(canary("{weight: 20%, duration: 1s}", "{weight: 100%, duration: 60s}") + "approval: manual\napprovers: 2\n")
	waits := func(what string) {
		t.Helper()
		_, err := w.api.AwaitRollout(id, "waiting for "+what, 20*time.Second, func(r *lab.Rollout) bool { return r.WaitingFor == what })
		w.check(err)
	}
	waits("approval")
	by := func(actor string) *lab.Answer {
		t.Helper()
		a, err := w.api.Call(http.MethodPost, "/v1/rollouts/"+id+"/approve", map[string]any{"reason": "seen"}, "X-Weir-Actor", actor)
		w.check(err)
		return a
	}
	by("ana")
	if a := by("ana"); a.Status != http.StatusConflict {
		t.Errorf("a second approval by ana: %d %s", a.Status, a.Body)
	}
	w.holds(cli(0, "freeze", "--for", "1h", "--reason", "incident 4711"), "in force now")
	by("bob")
	waits("freeze")
	w.holds(cli(0, "rollout", "status", id), "approved by", "ana", "bob", "incident 4711")
	w.holds(cli(1, "rollout", "promote", id), "incident 4711")
	w.holds(cli(0, "get", "freezes"), "in force until")
	cli(0, "delete", "freeze", "now")
	w.awaitStage(id, 1, 20*time.Second)
	cli(0, "freeze")
	cli(0, "rollout", "abort", id)
	w.await(id, "aborted", 5*time.Second)
}
