package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/zap/zapcore"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/api/apitest"
	"github.com/weirproxy/weir/control/diagnose"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/route"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // golden files hold times of day
	testscript.Main(m, map[string]func(){"weir": main})
}

// TestCLI runs the scripts of testdata/script, each against its own control API
// over an in-memory Controller.
func TestCLI(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			fake := apitest.New()
			tokens := filepath.Join(env.WorkDir, "tokens.yaml")
			text := "tokens:\n  - {name: vera, role: viewer, token: viewer-0123456789abcdef}\n"
			if err := os.WriteFile(tokens, []byte(text), 0o600); err != nil {
				return err
			}
			loaded, err := api.LoadTokens(tokens)
			if err != nil {
				return err
			}
			options := api.Options{Control: fake, Version: "v0.1.0", Level: diagnose.NewLevel(zapcore.InfoLevel), Node: &diagnose.Node{
				Name: "n1", Version: "v0.1.0", Config: map[string]string{"name": "n1"}, Control: fake, Log: &diagnose.Ring{},
				Table: func() *route.Table { return nil }, Metrics: func(io.Writer) {},
			}}
			open := httptest.NewServer(api.New(options))
			options.Tokens = loaded
			guarded := httptest.NewServer(api.New(options))
			env.Defer(open.Close)
			env.Defer(guarded.Close)
			env.Values["fake"] = fake
			env.Setenv("WEIR_CONTROL", open.URL)
			env.Setenv("GUARDED", guarded.URL)
			env.Setenv("TZ", "UTC")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"code":  exitCode,
			"usage": usage,
			"end":   endRollout,
			"same":  same,
			"fail":  failRollout,
			"bury":  bury,
		},
	})
}

func fakeOf(ts *testscript.TestScript) *apitest.Controller {
	return ts.Value("fake").(*apitest.Controller)
}

// bury is `bury RECIPIENT`: an event for it is a dead letter.
func bury(ts *testscript.TestScript, _ bool, args []string) {
	e := notify.Entry{
		ID: "shop-7/3", Rollout: "shop-7", Seq: 3, To: args[0], Kind: "failed", At: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC),
		Event: notify.Event{Text: "shop: green failed"}, Dead: true, LastError: "it answered 400 Bad Request",
	}
	if strings.HasPrefix(e.To, "hook:") {
		e.Hook = &configs.Hook{Name: "ci"}
	}
	fakeOf(ts).Bury(e)
}

// exitCode is `code N PROGRAM ARG…`: the program ends with exit code N.
func exitCode(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("cannot run %v: %v", args[1:], err)
	}
	if want := args[0]; strconv.Itoa(got) != want {
		ts.Fatalf("exit code %d, want %s:\n%s%s", got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// usage is `usage PATTERN ARG…`: weir refuses the arguments with exit code 2,
// an error that matches, and a line on where to look.
func usage(ts *testscript.TestScript, neg bool, args []string) {
	exitCode(ts, neg, append([]string{"2", "weir"}, args[1:]...))
	text := ts.ReadFile("stderr")
	if !regexp.MustCompile(args[0]).MatchString(text) || !strings.Contains(text, "--help` for what it takes") {
		ts.Fatalf("%q is not in:\n%s", args[0], text)
	}
}

// same is `same FILE`: the standard output of the last program is the file, but
// for how long ago things were.
func same(ts *testscript.TestScript, _ bool, args []string) {
	got := regexp.MustCompile(`\S+ ago`).ReplaceAllString(ts.ReadFile("stdout"), "long ago")
	if want := ts.ReadFile(args[0]); got != want {
		ts.Fatalf("the output is\n%s\nwant\n%s", got, want)
	}
}

// endRollout is `end ID PHASE`: it waits for the rollout and ends it.
func endRollout(ts *testscript.TestScript, _ bool, args []string) {
	fake, id := fakeOf(ts), args[0]
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, ok := fake.View().Rollout(id); ok {
			break
		}
		if time.Now().After(deadline) {
			ts.Fatalf("there is no rollout %s", id)
		}
	}
	fake.Change(func(v *control.View, _ int64) {
		r, _ := v.Rollout(id)
		r.State.Phase, r.InForce = rollout.Phase(args[1]), false
		s, _ := v.Service(r.State.Service)
		s.State.Rollout = ""
		r.State.History = append(r.State.History[:1:1], rollout.Transition{
			At: r.State.StartedAt.Add(8 * time.Second), From: rollout.Progressing, To: r.State.Phase, Reason: "It ended.",
			Weights: map[string]configs.Weight{r.State.From: configs.Whole},
		})
	})
}

// failRollout is `fail ID`: it adds a rollout of shop that the judge ended.
func failRollout(ts *testscript.TestScript, _ bool, args []string) {
	at := time.Date(2026, 1, 5, 14, 2, 10, 0, time.UTC)
	v := analysis.Verdict{
		Kind: analysis.Fail, Rule: "trigger-1", Path: analysis.PathFast, Action: analysis.Rollback, At: 7300 * time.Millisecond,
		Stable: analysis.Counts{N: 7813, X: 4, Raw: 4}, Candidate: analysis.Counts{N: 412, X: 198, Raw: 201},
		StableRate: 4. / 7813, CandidateRate: 201. / 412, Limit: .01, Evidence: 1.9e5, Threshold: 133,
		Text: "error_rate > 1% is broken: 201 of 412 failed (48.8%) on the candidate, 4 of 7813 failed (0.0512%) on stable; evidence 190,000 of 133 needed.",
	}
	stages := make([]configs.Stage, 3)
	for i := range stages {
		weight := configs.Weight(500 * (i + 1))
		stages[i] = configs.Stage{Weight: &weight, Duration: configs.Duration(5 * time.Second)}
	}
	before, after := map[string]configs.Weight{"blue": 9500, "green": 500}, map[string]configs.Weight{"blue": configs.Whole}
	fakeOf(ts).AddRollout(rollout.State{
		ID: args[0], Service: "shop", Strategy: configs.StrategyCanary, From: "blue", To: "green", Candidates: []string{"green"},
		Plan:  configs.Rollout{Service: "shop", To: "green", Strategy: configs.StrategyCanary, Stages: stages},
		Phase: rollout.RolledBack, Stage: 1, Weights: after,
		StartedAt: at, UpdatedAt: at.Add(8 * time.Second), EndedAt: at.Add(8 * time.Second), Actor: "ana",
		Verdict: &v, Reason: v.Text,
		History: []rollout.Transition{
			{At: at, From: rollout.Pending, To: rollout.Progressing, Weights: before, Actor: "ana", Reason: "Started by ana."},
			{At: at.Add(8 * time.Second), From: rollout.Progressing, To: rollout.RolledBack, Stage: 1, Weights: after, Reason: v.Text, Verdict: &v},
		},
	})
	fakeOf(ts).Change(func(view *control.View, _ int64) {
		rate := analysis.RuleReport{State: analysis.StateFail, Verdict: v, Condition: analysis.Condition{Metric: analysis.ErrorRate, Rate: 10_000}}
		health := analysis.RuleReport{State: analysis.StateHolding, Verdict: analysis.Verdict{Kind: analysis.Pass, Rule: "trigger-2"}}
		health.Condition.Metric = analysis.HealthCheck
		r, _ := view.Rollout(args[0])
		r.Rules = []analysis.RuleReport{health, rate}
	})
}

func TestRun_WhatIsNotWeirIsUnreachable(t *testing.T) {
	f := func(status int, contentType, body string) {
		t.Helper()
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		defer other.Close()
		var out, errs strings.Builder
		code := run(t.Context(), []string{"get", "services", "--control", other.URL}, strings.NewReader(""), &out, &errs)
		if code != exitUnreachable || !strings.Contains(errs.String(), other.URL) || out.Len() > 0 {
			t.Fatalf("exit code %d: %s%s", code, out.String(), errs.String())
		}
	}
	f(200, "text/html", "<h1>hello</h1>")
	f(404, "text/plain", "404 page not found")
	f(502, "application/json", "{}")
}

func TestOutput_SpansAreWhatAPersonSays(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := span(d); got != want {
			t.Fatalf("%s is written %q, want %q", text, got, want)
		}
	}
	f("-1s", "0s")
	f("0s", "0s")
	f("1200ms", "1.2s")
	f("5s", "5s")
	f("9990ms", "10s")
	f("59900ms", "59s")
	f("1m", "1m")
	f("72s", "1m12s")
	f("1h30m20s", "1h30m")
	f("47h", "47h")
	f("50h", "2d")
}

func TestOutput_NumbersStayReadable(t *testing.T) {
	f := func(got, want string) {
		t.Helper()
		if got != want {
			t.Fatalf("written %q, want %q", got, want)
		}
	}
	f(count(0), "0")
	f(count(999), "999")
	f(count(12345), "12,345")
	f(count(1234567), "1,234,567")
	f(percent(0), "0%")
	f(percent(.000001), "<0.001%")
	f(percent(.000512), "0.0512%")
	f(percent(.01), "1%")
	f(percent(.48786), "48.8%")
	f(percent(1), "100%")
	f(millis(0), "-")
	f(millis(.04), "0.04ms")
	f(millis(1.25), "1.2ms")
	f(millis(250), "250ms")
	f(millis(15_000), "15.0s")
	f(againstLimit(.02, .01), "2.0x over")
	f(againstLimit(.488, .01), "49x over")
	f(againstLimit(.01, .01), "within")
	f(shorten(strings.Repeat("ä", 70), 60), strings.Repeat("ä", 59)+"…")
	f(weightsText(map[string]configs.Weight{"blue": 9000, "green": 1000, "old": 0}), "blue 90%, green 10%")
	f(strconv.Itoa(len([]rune(shorten(strings.Repeat("x", 61), 60)))), "60")
}
