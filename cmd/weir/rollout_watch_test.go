package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/api/apitest"
	"github.com/weirproxy/weir/control/rollout"
)

func TestLines_OneForEachChange(t *testing.T) {
	var out, errs strings.Builder
	v := &lineViewer{out: page{&out, 0}, err: page{&errs, 0}}
	w := &watched{rollout: canary(), now: at(17 * time.Second)}
	r := w.rollout
	r.Verdict = ""
	for range 5 {
		v.show(w)
		r.StageElapsed++ // time alone is not worth a line
		w.now = w.now.Add(time.Second)
	}
	r.Verdict = analysis.Pass // nor is a verdict that comes and goes
	v.show(w)
	r.WaitingFor = rollout.WaitApproval
	v.show(w)
	v.show(w)
	r.WaitingFor, r.Verdict = "", analysis.Shared
	v.show(w)
	w.now = w.now.Add(lineEvery)
	v.show(w)
	w.lost, w.lostAt = &unreachableError{"http://127.0.0.1:9797", "", context.DeadlineExceeded}, w.now
	v.show(w)
	w.now = w.now.Add(4 * time.Second)
	v.show(w)
	w.lost = nil
	end := w.now
	r.Phase, r.EndedAt = rollout.RolledBack, &end
	r.History = append(r.History, api.Transition{At: end, To: r.Phase, Stage: 1, Weights: map[string]configs.Weight{"blue": configs.Whole}, Reason: "proven worse"})
	v.show(w)
	golden(t, "picture/lines.txt", out.String()+"--- standard error\n"+errs.String())
}

// restless is a control API that can be taken away.
type restless struct {
	fake *apitest.Controller
	api  http.Handler
	mode atomic.Value // `up`, `down`, `starting`
	asks atomic.Int64
}

func newRestless(t *testing.T) (*restless, *httptest.Server) {
	r := &restless{fake: apitest.New()}
	r.api = api.New(api.Options{Control: r.fake, Version: "v0.1.0"})
	r.mode.Store("up")
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.fake.AddRollout(rollout.State{
		ID: "shop-1", Service: "shop", Strategy: "canary", From: "blue", To: "green", Phase: rollout.Progressing,
		History: []rollout.Transition{{At: at(0), To: rollout.Progressing, Reason: "started by ana"}},
	})
	return r, server
}

func (r *restless) ServeHTTP(w http.ResponseWriter, in *http.Request) {
	defer r.asks.Add(1) // not before it is decided how this one is answered
	switch r.mode.Load() {
	case "down":
		panic(http.ErrAbortHandler)
	case "starting":
		api.New(api.Options{Control: apitest.New(), Version: "v0.1.0"}).ServeHTTP(w, in)
	default:
		r.api.ServeHTTP(w, in)
	}
}

// asked waits until the API was asked n times more.
func (r *restless) asked(t *testing.T, n int64) {
	t.Helper()
	want := r.asks.Load() + n
	for deadline := time.Now().Add(time.Minute); r.asks.Load() < want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("the watch does not ask")
			return
		}
	}
}

func (r *restless) end(phase rollout.Phase) {
	r.fake.Change(func(v *control.View, _ int64) {
		s, _ := v.Rollout("shop-1")
		s.State.Phase, s.InForce, s.State.Reason = phase, false, "it ended so"
	})
}

func TestWatch_OutlastsARestart(t *testing.T) {
	leavesNothing(t)
	node, server := newRestless(t)
	type outcome struct {
		code      int
		out, errs string
	}
	done := make(chan outcome, 1)
	go func() {
		code, out, errs := weir(t.Context(), "rollout", "watch", "shop-1", "--control", server.URL)
		done <- outcome{code, out, errs}
	}()
	node.asked(t, 3)
	node.mode.Store("down")
	// One may have been under way, and the client asks again by itself if a
	// connection that it used before is closed: the third says that it has given up.
	node.asked(t, 3)
	node.mode.Store("starting") // it answers, and has not loaded its state
	node.asked(t, 2)
	node.mode.Store("up")
	node.asked(t, 2)
	node.end(rollout.Succeeded)
	o := <-done
	if o.code != exitDone || strings.Count(o.out, "started by ana") != 1 {
		t.Errorf("exit code %d, %s", o.code, o.out)
	}
	if strings.Count(o.errs, "trying again: cannot reach") != 1 || strings.Count(o.errs, "answers again after") != 1 {
		t.Errorf("standard error is\n%s", o.errs)
	}
	server.Close()
}

func TestWatch_GivesUpAfterItsPatience(t *testing.T) {
	leavesNothing(t)
	node, server := newRestless(t)
	done := make(chan int, 1)
	go func() {
		code, _, _ := weir(t.Context(), "rollout", "watch", "shop-1", "--control", server.URL, "--patience", "100ms")
		done <- code
	}()
	node.asked(t, 3)
	node.mode.Store("down")
	if code := <-done; code != exitUnreachable {
		t.Errorf("exit code %d", code)
	}
	server.Close()
}

func TestWatch_EndedByAPersonSaysHowToGoOn(t *testing.T) {
	leavesNothing(t)
	node, server := newRestless(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { node.asked(t, 3); cancel() }()
	code, _, errs := weir(ctx, "rollout", "watch", "shop-1", "--control", server.URL)
	if code != exitFailed || !strings.Contains(errs, "the rollout goes on") || !strings.Contains(errs, "weir rollout watch shop-1") {
		t.Errorf("exit code %d, %s", code, errs)
	}
	server.Close()
}

func TestWatch_FailureTellsItsReasonOnStandardError(t *testing.T) {
	leavesNothing(t)
	node, server := newRestless(t)
	node.end(rollout.RolledBack)
	code, out, errs := weir(t.Context(), "rollout", "watch", "shop-1", "--control", server.URL)
	if code != exitFailed || strings.Contains(out, "weir: ") || !strings.Contains(errs, "ended rolled_back, not succeeded\n  it ended so\n`weir rollout why shop-1`") {
		t.Errorf("exit code %d\n%s---\n%s", code, out, errs)
	}
	server.Close()
}
