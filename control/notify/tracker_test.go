package notify

import (
	"errors"
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

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/release"
)

// tracker is a server that keeps what it is asked, and answers as it is told.
type tracker struct {
	url string

	mu    sync.Mutex
	asked []string                                            // method, path and body
	auth  []string                                            // their Authorization
	says  func(method, path string) (status int, body string) // nil: 204
}

func newTracker(t *testing.T, says func(method, path string) (int, string)) *tracker {
	t.Helper()
	k := &tracker{says: says}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		k.mu.Lock()
		defer k.mu.Unlock()
		path := r.URL.RequestURI()
		k.asked = append(k.asked, strings.TrimSpace(r.Method+" "+path+" "+string(body)))
		k.auth = append(k.auth, r.Header.Get("Authorization")+r.Header.Get("PRIVATE-TOKEN"))
		status, answer := http.StatusNoContent, ""
		if k.says != nil {
			status, answer = k.says(r.Method, path)
		}
		if status == http.StatusTooManyRequests {
			w.Header().Set("Retry-After", "7")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	k.url = s.URL
	return k
}

func (k *tracker) was(t *testing.T, want ...string) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if !slices.Equal(k.asked, want) {
		t.Errorf("it was asked\n%s\nwant\n%s", strings.Join(k.asked, "\n"), strings.Join(want, "\n"))
	}
	k.asked = nil
}

func trackerSender(t *testing.T) *Sender {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte("hush\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := NewSender(SenderOptions{Secrets: dir, PublicURL: "https://weir.example.com/"})
	t.Cleanup(s.Close)
	return s
}

func moved(id, environment string, state release.TaskState, weight configs.Weight) release.Move {
	return release.Move{
		Task: configs.Task{ID: id, Title: "Pay by card"}, Release: "v1.5.0", Environment: environment,
		Place: release.TaskPlace{State: state, Weight: weight},
	}
}

func moves(tasks ...release.Move) *Entry {
	return &Entry{
		ID: "tasks:shop/1-r", Stream: "tasks:shop", To: "notifier:issues", Kind: KindTasks, At: time.Unix(1e9, 0),
		Moves: &Moves{Application: "shop", Rollout: "r", Actor: "ana", Tasks: tasks},
	}
}

func labels() []configs.TrackerState {
	return []configs.TrackerState{
		{State: "live", Environment: "production", Word: "In production"}, {State: "live", Word: "Deployed to {{environment}}"},
		{State: "deploying", Word: "Canary in {{environment}}"}, {State: "merged", Word: "Merged"},
	}
}

func TestTracker_LabelsAnIssueOfGitHub(t *testing.T) {
	k := newTracker(t, func(method, _ string) (int, string) {
		if method == http.MethodDelete {
			return http.StatusNotFound, `{"message": "Label does not exist"}`
		}
		return http.StatusOK, "[]"
	})
	n := &configs.Notifier{Tracker: &configs.TrackerTarget{Preset: "github", URL: k.url, Project: "example/shop", TokenFile: "token", States: labels()}}
	if err := trackerSender(t).Send(t.Context(), n, moves(moved("#12", "production", release.TaskLive, configs.Whole), moved("GH-7", "", release.TaskMerged, 0))); err != nil {
		t.Fatal(err)
	}
	if k.auth[0] != "Bearer hush" {
		t.Errorf("it came with %q", k.auth[0])
	}
	issue := "/repos/example/shop/issues/"
	k.was(t,
		"DELETE "+issue+"12/labels/Deployed%20to%20production", "DELETE "+issue+"12/labels/Canary%20in%20production", "DELETE "+issue+"12/labels/Merged",
		"POST "+issue+`12/labels {"labels": ["In production"]}`,
		"POST "+issue+`7/labels {"labels": ["Merged"]}`)
}

func TestTracker_MovesAnIssueOfJiraByTheTransitionThatLeadsThere(t *testing.T) {
	offered := `{"transitions": [{"id": "11", "name": "Back", "to": {"name": "To do"}}, {"id": "31", "name": "Ship", "to": {"name": "in Production"}}]}`
	k := newTracker(t, func(method, _ string) (int, string) {
		if method == http.MethodGet {
			return http.StatusOK, offered
		}
		return http.StatusNoContent, ""
	})
	n := &configs.Notifier{Tracker: &configs.TrackerTarget{Preset: "jira", URL: k.url, User: "weir@example.com", TokenFile: "token", States: labels()}}
	s := trackerSender(t)
	issue := "/rest/api/3/issue/SHOP-12/transitions"
	if err := s.Send(t.Context(), n, moves(moved("SHOP-12", "production", release.TaskLive, configs.Whole))); err != nil {
		t.Fatal(err)
	}
	k.was(t, "GET "+issue, "POST "+issue+` {"transition": {"id": "31"}}`)
	if k.auth[1] != "Basic d2VpckBleGFtcGxlLmNvbTpodXNo" {
		t.Errorf("it came with %q", k.auth[1])
	}
	// Nothing leads there: it is there already, or its workflow does not have it.
	if err := s.Send(t.Context(), n, moves(moved("SHOP-12", "staging", release.TaskLive, configs.Whole))); err != nil {
		t.Fatal(err)
	}
	k.was(t, "GET "+issue)
}

func TestTracker_EditsLabelsOfJira(t *testing.T) {
	k := newTracker(t, nil)
	n := &configs.Notifier{Tracker: &configs.TrackerTarget{Preset: "jira-labels", URL: k.url, TokenFile: "token", States: []configs.TrackerState{
		{State: "live", Word: "in-{{environment}}"}, {State: "rolled_back", Word: "back-from-{{environment}}"},
	}}}
	if err := trackerSender(t).Send(t.Context(), n, moves(moved("SHOP-12", "production", release.TaskRolledBack, 0))); err != nil {
		t.Fatal(err)
	}
	issue := "PUT /rest/api/3/issue/SHOP-12?notifyUsers=false "
	k.was(t, issue+`{"update": {"labels": [{"remove": "in-production"}]}}`, issue+`{"update": {"labels": [{"add": "back-from-production"}]}}`)
}

func TestTracker_MovesATaskOfGitScrumToItsColumn(t *testing.T) {
	k := newTracker(t, func(_, path string) (int, string) {
		switch {
		case strings.HasPrefix(path, "/tasks/by-code/"):
			return http.StatusOK, `{"data": {"uuid": "u-1"}}`
		case strings.HasPrefix(path, "/project-templates/"):
			return http.StatusOK, `{"data": [{"id": 4, "title": "To do"}, {"id": 9, "title": "In Production"}]}`
		}
		return http.StatusOK, "{}"
	})
	n := &configs.Notifier{Tracker: &configs.TrackerTarget{Preset: "gitscrum", URL: k.url, Project: "acme/shop", TokenFile: "token", States: labels()}}
	if err := trackerSender(t).Send(t.Context(), n, moves(moved("SH-12", "production", release.TaskLive, configs.Whole))); err != nil {
		t.Fatal(err)
	}
	k.was(t, "GET /tasks/by-code/SH-12", "GET /project-templates/workflow?project_slug=shop&company_slug=acme", `PUT /tasks/u-1 {"workflow_id": 9}`)
}

func own(url string) *configs.Notifier {
	return &configs.Notifier{Name: "own", Tracker: &configs.TrackerTarget{
		URL: url, TokenFile: "token", TokenHeader: "PRIVATE-TOKEN", States: []configs.TrackerState{{State: "live", Word: "live"}, {State: "deploying", Word: "{{weight}}"}},
		Requests: []configs.TrackerRequest{{Method: "PUT", Path: "/t/{{task.id}}", Body: `{"is": "{{word}}", "see": "{{link}}"}`}},
	}}
}

func live(ids ...string) *Entry {
	var all []release.Move
	for _, id := range ids {
		all = append(all, moved(id, "production", release.TaskLive, configs.Whole))
	}
	return moves(all...)
}

// left are the ids of what a delivery left, with why the tracker refused them.
func left(t *testing.T, err error) string {
	t.Helper()
	p, ok := errors.AsType[*Progress](err)
	if !ok {
		t.Fatalf("no progress: %v", err)
	}
	var ids []string
	for _, m := range p.Left.Tasks {
		id := m.ID
		if m.Refused != "" {
			id += "!"
		}
		ids = append(ids, id)
	}
	return strings.Join(ids, " ")
}

func TestTracker_OneTaskHoldsUpNoOther(t *testing.T) {
	k := newTracker(t, func(_, path string) (int, string) {
		switch path {
		case "/t/gone":
			return http.StatusNotFound, "no such task"
		case "/t/sick":
			return http.StatusInternalServerError, ""
		}
		return http.StatusOK, ""
	})
	s, n := trackerSender(t), own(k.url)
	e := live("a", "gone", "sick", "..", "b")
	e.Moves.Tasks = append(e.Moves.Tasks, moved("sick", "production", release.TaskDeploying, 100))
	err := s.Send(t.Context(), n, e)
	if got := left(t, err); got != "sick sick gone! ..!" || errors.Is(err, ErrRefused) {
		t.Errorf("left %s: %v", got, err)
	}
	at := func(id string) string {
		return "PUT /t/" + id + ` {"is": "live", "see": "https://weir.example.com/rollouts/r"}`
	}
	k.was(t, at("a"), at("gone"), at("sick"), at("b"))
	if k.auth[0] != "hush" {
		t.Errorf("it came with %q", k.auth[0])
	}

	// What is left is told alone, and at the end what was refused is a dead letter.
	k.mu.Lock()
	k.says = nil
	k.mu.Unlock()
	p, _ := errors.AsType[*Progress](err)
	e.Moves = p.Left
	err = s.Send(t.Context(), n, e)
	if got := left(t, err); got != "gone! ..!" || !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "404 Not Found: no such task") {
		t.Errorf("left %s: %v", got, err)
	}
	k.was(t, at("sick"), `PUT /t/sick {"is": "1%", "see": "https://weir.example.com/rollouts/r"}`)
	p, _ = errors.AsType[*Progress](err)
	e.Moves, e.Dead = p.Left, true
	again := e.Revived(time.Now())
	if again.Moves.Tasks[0].Refused != "" || e.Moves.Tasks[0].Refused == "" {
		t.Errorf("sent again: %+v", again.Moves)
	}
}

func TestTracker_OneThatIsDownIsLeftAlone(t *testing.T) {
	f := func(status int, asked int, check func(error) bool) {
		t.Helper()
		k := newTracker(t, func(string, string) (int, string) { return status, "" })
		err := trackerSender(t).Send(t.Context(), own(k.url), live("a", "b", "c", "d", "e"))
		if got := left(t, err); len(strings.Fields(got)) != 5 || strings.Contains(got, "!") || errors.Is(err, ErrRefused) || !check(err) {
			t.Errorf("%d: left %s: %v", status, got, err)
		}
		if len(k.asked) != asked {
			t.Errorf("%d: asked %d times, not %d", status, len(k.asked), asked)
		}
	}
	any := func(err error) bool { return err != nil }
	f(http.StatusUnauthorized, 1, any)
	f(http.StatusServiceUnavailable, 1, any)
	f(http.StatusFound, 1, any)
	f(http.StatusBadGateway, inARow, any)
	f(http.StatusTooManyRequests, 1, func(err error) bool {
		r, ok := errors.AsType[*RetryAfter](err)
		return ok && r.After == 7*time.Second
	})
}

func TestTracker_ManyTasksAreToldInPasses(t *testing.T) {
	k := newTracker(t, nil)
	var ids []string
	for i := range 2*passTasks + 1 {
		ids = append(ids, fmt.Sprint("T-", i))
	}
	e, s := live(ids...), trackerSender(t)
	for pass := 1; ; pass++ {
		err := s.Send(t.Context(), own(k.url), e)
		if err == nil {
			if pass != 3 || len(k.asked) != len(ids) {
				t.Errorf("%d passes, %d requests", pass, len(k.asked))
			}
			return
		}
		p, ok := errors.AsType[*Progress](err)
		if !ok || p.Err != nil || pass > 3 {
			t.Fatalf("pass %d: %v", pass, err)
		}
		e.Moves = p.Left
	}
}

func TestTracker_ATaskThatNeverPassesIsGivenUp(t *testing.T) {
	k := newTracker(t, func(string, string) (int, string) { return http.StatusInternalServerError, "" })
	e := live("a")
	e.Moves.Tasks[0].Failures = mostTries - 1
	if err := trackerSender(t).Send(t.Context(), own(k.url), e); !errors.Is(err, ErrRefused) || left(t, err) != "a!" {
		t.Errorf("got %v", err)
	}
}

func TestTrackerWants_WhatItsStatesName(t *testing.T) {
	all := []release.Move{
		moved("#1", "", release.TaskMerged, 0), moved("#1", "production", release.TaskDeploying, 100), moved("#1", "production", release.TaskRolledBack, 0),
		moved("SHOP-1", "production", release.TaskLive, configs.Whole), moved("x#1", "production", release.TaskLive, configs.Whole),
	}
	stage := moved("#1", "production", release.TaskDeploying, 5000)
	stage.Share = true
	all = append(all, stage)
	f := func(what string, doc configs.TrackerTarget, want string) {
		t.Helper()
		var got []string
		for _, m := range TrackerWants(&doc, "shop", all) {
			got = append(got, fmt.Sprint(m.ID, " ", m.Place.State))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	doc := configs.TrackerTarget{Preset: "github", Project: "a/b", States: labels()}
	f("labels", doc, "#1 merged, #1 deploying")
	doc.States = []configs.TrackerState{{State: "deploying", Word: "at {{weight}}"}, {State: "rolled_back", Word: "back"}}
	f("with the share", doc, "#1 deploying, #1 rolled_back, #1 deploying")
	doc.Tasks = ".*"
	doc.States = []configs.TrackerState{{State: "live", Environment: "production", Word: "live"}}
	f("any task", doc, "SHOP-1 live, x#1 live")
	doc.Applications = []string{"cart"}
	f("of another application", doc, "")
}

func TestDryRun_ShowsRequestsWithoutTheirToken(t *testing.T) {
	doc := own("https://tracker.example.com").Tracker
	lines, err := DryRun(doc, live("T-1"))
	want := []string{"T-1 live in production:", `  PUT https://tracker.example.com/t/T-1 {"is": "live", "see": ""}`}
	if err != nil || !slices.Equal(lines, want) {
		t.Errorf("%q, %v", lines, err)
	}
	if _, err := DryRun(doc, live("..")); err == nil {
		t.Error("a task that cannot be named is shown")
	}
}
