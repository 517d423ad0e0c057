package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/rollout"
)

// board is a tracker: a server that keeps what it is told of tasks.
type board struct {
	url    string
	sender *notify.Sender

	mu   sync.Mutex
	told []string          // task and word
	last map[string]string // word by task
	says func(task string) int
}

func newBoard(t testing.TB) *board {
	b := &board{last: map[string]string{}, sender: notify.NewSender(notify.SenderOptions{})}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		word, _ := io.ReadAll(r.Body)
		task := strings.TrimPrefix(r.URL.Path, "/")
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.says != nil {
			if status := b.says(task); status != http.StatusOK {
				w.WriteHeader(status)
				return
			}
		}
		b.told, b.last[task] = append(b.told, task+" "+string(word)), string(word)
	}))
	t.Cleanup(func() { b.sender.Close(); s.Close() })
	b.url = s.URL
	return b
}

func (b *board) notifier() configs.Notifier {
	return configs.Notifier{Name: "issues", Tracker: &configs.TrackerTarget{
		URL: b.url, Requests: []configs.TrackerRequest{{Path: "/{{task.id}}", Body: "{{word}}", Type: "text"}},
		States: []configs.TrackerState{
			{State: "merged", Word: "merged {{environment}}"}, {State: "deploying", Word: "{{weight}} in {{environment}}"},
			{State: "live", Word: "live in {{environment}}"}, {State: "rolled_back", Word: "back from {{environment}}"},
		},
	}}
}

func (b *board) deliver(ctx context.Context, n *configs.Notifier, e *notify.Entry) error {
	return b.sender.Send(ctx, n, e)
}

func (b *board) set(says func(task string) int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.says = says
}

func (b *board) heard() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.told)
}

func newTrackerLab(t *testing.T, b *board) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), base: time.Now(), deliver: b.deliver}
	l.start()
	t.Cleanup(func() { l.stop() })
	l.do(ApplyService{Document: shop(), Actor: "ann"})
	l.do(ApplyNotifier{Document: b.notifier(), Actor: "ann"})
	return l
}

func cutRelease(version string, tasks ...string) ApplyRelease {
	doc := configs.Release{Application: "shop", Version: version}
	for _, id := range tasks {
		doc.Tasks = append(doc.Tasks, configs.Task{ID: id, Title: "Pay by card"})
	}
	return ApplyRelease{Document: doc, Actor: "ci"}
}

func TestTracking_TellsWhereTasksAreThroughAChangeOfLeader(t *testing.T) {
	b := newBoard(t)
	l := newTrackerLab(t, b)
	l.do(cutRelease("v1.5.0", "SHOP-12"))
	l.do(ReportDeployment{Deployment: release.Deployment{Application: "shop", Environment: "staging", Version: "v1.5.0", State: release.Live}, Actor: "ci"})
	want := []string{"SHOP-12 merged ", "SHOP-12 live in staging"}
	l.until("staging is told", func() bool { return slices.Equal(b.heard(), want) })

	plan := canary(stage(500, time.Hour), stage(10_000, 100*time.Millisecond))
	plan.Release = "v1.5.0"
	id := l.do(StartRollout{Plan: plan, Actor: "ci"}).ID
	want = append(want, "SHOP-12 5% in production")
	l.until("the canary is told", func() bool { return slices.Equal(b.heard(), want) })

	b.set(func(string) int { return http.StatusServiceUnavailable })
	l.do(Act{ID: id, Verb: "abort", Actor: "ann"})
	l.until("it was tried", func() bool { box := l.View().Outbox; return len(box) == 1 && box[0].Failures > 0 })
	again := l.do(Act{ID: id, Verb: "retry", Actor: "ann"}).ID
	l.do(Act{ID: again, Verb: "promote", Full: true, Actor: "ann"})
	l.until("all users have it", func() bool { return l.phase(again) == rollout.Succeeded })
	l.stop()
	b.set(nil)
	l.start()
	l.until("everything is told", func() bool { return l.View().OutboxSize == 0 })
	got := b.heard()
	if !slices.Equal(got[:3], want) || got[3] != "SHOP-12 back from production" || got[len(got)-1] != "SHOP-12 live in production" {
		t.Errorf("told %q", got)
	}
	l.do(DeleteRelease{Application: "shop", Version: "v1.5.0", Actor: "ann"})
	if v := l.View(); v.OutboxSize != 0 {
		t.Errorf("a release that is gone is told: %+v", v.Outbox)
	}
}

func TestTracking_WhatATrackerRefusesIsADeadLetterThatSaysWhereTheTaskIsWhenItIsSentAgain(t *testing.T) {
	b := newBoard(t)
	b.set(func(task string) int {
		if task == "SHOP-2" {
			return http.StatusNotFound
		}
		return http.StatusOK
	})
	l := newTrackerLab(t, b)
	l.do(cutRelease("v1", "SHOP-1", "SHOP-2", "SHOP-3"))
	report := func(state release.State) {
		l.do(ReportDeployment{Deployment: release.Deployment{Application: "shop", Environment: "staging", Version: "v1", State: state}, Actor: "ci"})
	}
	report(release.Live)
	l.until("the others are told, and two letters are dead", func() bool {
		return len(b.heard()) == 4 && len(l.View().DeadLetters) == 2
	})
	dead := l.View().DeadLetters[1]
	if len(dead.Moves.Tasks) != 1 || dead.Moves.Tasks[0].ID != "SHOP-2" || !strings.Contains(dead.LastError, "SHOP-2: it answered 404") || strings.Contains(dead.Letter(), "/") {
		t.Errorf("the dead letter %s is %+v: %s", dead.Letter(), dead.Moves, dead.LastError)
	}
	b.set(nil)
	l.do(cutRelease("v2", "SHOP-4"))
	l.do(ReportDeployment{Deployment: release.Deployment{Application: "shop", Environment: "staging", Version: "v0", State: release.Live}, Actor: "ci"})
	l.until("the return is told", func() bool { return slices.Contains(b.heard(), "SHOP-2 merged staging") })
	l.until("nothing waits", func() bool { return l.View().OutboxSize == 2 })
	before := len(b.heard())
	l.do(Resend{Letter: dead.Letter(), Actor: "ann"})
	l.until("it is told", func() bool { return l.View().OutboxSize == 1 })
	if got := b.heard()[before:]; !slices.Equal(got, []string{"SHOP-2 merged staging"}) {
		t.Errorf("what was overtaken is told: %q", got)
	}
}

func TestTracking_ManyTasksAreWrittenDownAsTheyAreTold(t *testing.T) {
	b := newBoard(t)
	l := newTrackerLab(t, b)
	var ids []string
	for i := range 120 {
		ids = append(ids, fmt.Sprint("T-", i))
	}
	b.set(func(string) int {
		if len(b.told) >= 70 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	l.do(cutRelease("v1", ids...))
	l.until("it stopped in the middle", func() bool {
		box := l.View().Outbox
		return len(box) == 1 && box[0].Failures > 0 && len(box[0].Moves.Tasks) == 50
	})
	l.stop()
	b.set(nil)
	l.start()
	l.until("everything is told", func() bool { return l.View().OutboxSize == 0 })
	if got := b.heard(); len(got) != len(ids) {
		t.Errorf("%d tasks were told %d times", len(ids), len(got))
	}
}

// However the tracker answers and whenever the node that tells it dies, every task
// that it does not refuse ends with its last word, and none goes back.
func TestTracking_EveryTaskEndsWithItsLastWord(t *testing.T) {
	b := newBoard(t)
	doc := b.notifier()
	rapid.Check(t, func(t *rapid.T) {
		statuses := rapid.SliceOfN(rapid.SampledFrom([]int{200, 200, 200, 500, 503, 429}), 1, 40).Draw(t, "answers")
		refused := rapid.SliceOf(rapid.SampledFrom([]string{"A", "B", "C"})).Draw(t, "refused")
		crashes := rapid.SliceOfN(rapid.Bool(), 1, 10).Draw(t, "crashes")
		answer, crash := 0, 0
		b.mu.Lock()
		b.told, b.last = nil, map[string]string{}
		b.says = func(task string) int {
			if slices.Contains(refused, task) {
				return http.StatusNotFound
			}
			if answer++; answer <= len(statuses) {
				return statuses[answer-1]
			}
			return http.StatusOK
		}
		b.mu.Unlock()
		var queue []notify.Entry
		want := map[string]string{}
		for i := range rapid.IntRange(1, 4).Draw(t, "entries") {
			e := notify.Entry{ID: fmt.Sprint("tasks:shop/", i), Stream: "tasks:shop", Kind: notify.KindTasks, At: shopTime(), Moves: &notify.Moves{Application: "shop"}}
			for _, id := range rapid.SliceOfN(rapid.SampledFrom([]string{"A", "B", "C", "D"}), 1, 6).Draw(t, "tasks") {
				weight := configs.Weight(len(queue)*1000 + len(e.Moves.Tasks)*100 + 1)
				e.Moves.Tasks = append(e.Moves.Tasks, release.Move{Task: configs.Task{ID: id}, Environment: "production", Place: release.TaskPlace{State: release.TaskDeploying, Weight: weight}})
				if want[id] = weight.String() + " in production"; slices.Contains(refused, id) {
					delete(want, id)
				}
			}
			queue = append(queue, e)
		}
		for tries := 0; len(queue) > 0; tries++ {
			if tries > 500 {
				t.Fatalf("it does not end: %+v", queue[0])
			}
			err := b.deliver(context.Background(), &doc, &queue[0])
			if crash++; crash <= len(crashes) && crashes[crash-1] {
				continue // it was told, and that was not written down
			}
			after := outcome(queue[0], err, shopTime())
			if after.Dead != (err != nil && errors.Is(err, notify.ErrRefused)) {
				t.Fatalf("dead %v after %v", after.Dead, err)
			}
			if queue[0] = after; err == nil || after.Dead {
				queue = queue[1:]
			}
		}
		for id, word := range want {
			if b.last[id] != word {
				t.Errorf("%s ends with %q, not %q; told %q", id, b.last[id], word, b.told)
			}
		}
	})
}

func TestTellTrackers_NothingWithoutATrackerAndNeverTooMuch(t *testing.T) {
	b := newBoard(t)
	l := newTrackerLab(t, b)
	doc := b.notifier()
	doc.Tracker.Applications = []string{"cart"}
	l.do(ApplyNotifier{Document: doc, Actor: "ann"})
	var ids []string
	for i := range 500 {
		ids = append(ids, strings.Repeat("x", 120)+fmt.Sprint(i))
	}
	big := cutRelease("v1", ids...)
	for i := range big.Document.Tasks {
		big.Document.Tasks[i].Title = strings.Repeat("t", 500)
	}
	l.do(big)
	if v := l.View(); v.OutboxSize != 0 {
		t.Errorf("a tracker of another application is told: %d", v.OutboxSize)
	}
	b.set(func(string) int { return http.StatusServiceUnavailable })
	doc.Tracker.Applications = nil
	l.do(ApplyNotifier{Document: doc, Actor: "ann"})
	big.Document.Version = "v2"
	for i := range big.Document.Tasks {
		big.Document.Tasks[i].ID = "y" + big.Document.Tasks[i].ID
	}
	l.do(big)
	l.until("the tracker is to be told", func() bool { return l.View().OutboxSize == 1 })
	e := l.View().Outbox[0]
	if len(e.Moves.Tasks) != 500 || e.Moves.Tasks[0].Title != "" || e.Event.Text != "500 tasks of shop: merged" {
		t.Errorf("%d tasks, title %q: %s", len(e.Moves.Tasks), e.Moves.Tasks[0].Title, e.Event.Text)
	}
	reply, err := l.TestNotifier(t.Context(), "issues", "ann")
	if err != nil || !strings.HasPrefix(reply.Text, "nothing was sent") || len(reply.Changes) != 8 {
		t.Errorf("a dry run: %+v, %v", reply, err)
	}
}
