package notify

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
)

var rewrite = flag.Bool("rewrite", false, "write what the tests got over their golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var started = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

// entryOf is an entry as the outbox has it: the rollout shop, green, with change
// on top.
func entryOf(kind string, after time.Duration, change func(*Event)) *Entry {
	e := &Entry{
		ID: "shop-20260302-0930-abcde/3", Rollout: "shop-20260302-0930-abcde", Seq: 3, To: ToNotifier("deployments"), Kind: kind, At: started.Add(after),
		Event: Event{
			Text: "shop: something happened", Service: "shop", Strategy: "canary", From: "blue", To: "green", Phase: rollout.Progressing,
			Stage: 1, Stages: 4, Weights: map[string]configs.Weight{"blue": 9000, "green": 1000},
			Actor: "weir", Starter: "sarah", Reason: "stage 1 passed", StartedAt: started,
			Meta: map[string]string{
				"by": "@sarah", "via": "GitHub Actions", "pipeline": "https://ci.example.com/runs/812",
				"pull_request": "https://git.example.com/shop/pull/97", "change": "SHOP-412",
			},
		},
	}
	if change != nil {
		change(&e.Event)
	}
	return e
}

func verdict() *analysis.Verdict {
	return &analysis.Verdict{
		Kind: analysis.Fail, Rule: "trigger-1", Path: analysis.PathFast, Action: analysis.Rollback, At: 1814 * time.Second,
		Stable: analysis.Counts{N: 4120, X: 1, Raw: 1}, Candidate: analysis.Counts{N: 431, X: 29, Raw: 31},
		StableRate: 1. / 4120, CandidateRate: 31. / 431, Limit: .01, Evidence: 171.4, Threshold: 133.3,
		Text: "error_rate > 1% is broken: 31 of 431 failed (7.19%) on the candidate, 1 of 4120 failed (0.0243%) on stable; evidence 171 of 133 needed.",
	}
}

// stories are the events of rollouts as people are told of them.
func stories() map[string]*Entry {
	return map[string]*Entry{
		"started": entryOf(rollout.AnnounceStarted, 0, func(e *Event) {
			e.Stage, e.Weights = 0, map[string]configs.Weight{"blue": 9900, "green": 100}
		}),
		"stage":  entryOf(rollout.AnnounceStage, 15*time.Minute, nil),
		"baking": entryOf(rollout.AnnounceBaking, time.Hour, func(e *Event) { e.Phase, e.Reason = rollout.Baking, "stage 4 passed" }),
		"paused": entryOf(rollout.AnnouncePaused, 20*time.Minute, func(e *Event) {
			e.Phase, e.Reason = rollout.Paused, "paused by ana: looks odd"
		}),
		"resumed": entryOf(rollout.AnnounceResumed, 25*time.Minute, func(e *Event) { e.Reason = "resumed by ana" }),
		"approval": entryOf(rollout.AnnounceApproval, 25*time.Minute, func(e *Event) {
			e.Reason, e.WaitingFor = "the plan asks for a person's approval before green takes all traffic", rollout.WaitApproval
		}),
		"waiting": entryOf(rollout.AnnounceWaiting, time.Minute, func(e *Event) {
			e.Phase, e.Stage, e.WaitingFor, e.Weights = rollout.Pending, -1, rollout.WaitHealth, map[string]configs.Weight{"blue": configs.Whole}
			e.Text, e.Reason = "shop: v1.5 has been live in staging for 12m of 1h", "green has no healthy endpoint yet"
		}),
		"overridden": entryOf(rollout.AnnounceOverridden, time.Minute, func(e *Event) {
			e.Phase, e.Stage, e.Actor, e.Weights = rollout.Pending, -1, "ana", map[string]configs.Weight{"blue": configs.Whole}
			e.Text = "shop: overridden by ana: the shop is down, although v1.5 has been live in staging for 12m of 1h"
		}),
		"succeeded": entryOf(rollout.AnnounceSucceeded, 204*time.Second, func(e *Event) {
			e.Phase, e.Reason, e.EndedAt = rollout.Succeeded, "the bake passed", started.Add(204*time.Second)
			e.Weights = map[string]configs.Weight{"green": configs.Whole}
		}),
		"failed": entryOf(rollout.AnnounceFailed, 10*time.Minute, func(e *Event) {
			e.Phase, e.Stage, e.Reason = rollout.Failed, -1, "green had no healthy endpoint for 10m0s"
			e.Weights = map[string]configs.Weight{"blue": configs.Whole}
		}),
		"rolled_back": entryOf(rollout.AnnounceRolledBack, 1814*time.Second, func(e *Event) {
			e.Phase, e.Verdict = rollout.RolledBack, verdict()
			e.Reason = e.Verdict.Text + " (cut by node edge-1)"
			e.Weights = map[string]configs.Weight{"blue": configs.Whole}
			e.Meta["incident"] = "https://incidents.example.com/55"
		}),
		"aborted": entryOf(rollout.AnnounceAborted, 20*time.Minute, func(e *Event) {
			e.Phase, e.Actor, e.Reason = rollout.Aborted, "ana", "aborted by ana: wrong build"
		}),
		"observed": entryOf(rollout.AnnounceObserved, 20*time.Minute, func(e *Event) {
			e.Verdict = verdict()
			e.Reason = e.Verdict.Text
		}),
		"hostile": entryOf(rollout.AnnounceAborted, time.Minute, func(e *Event) {
			e.Reason = "<!channel> & \"quotes\"\r\nBcc: everybody@example.com\n<script>alert(1)</script> " + strings.Repeat("ü", 20)
			e.Meta = map[string]string{"by": "<@U0|eve>", "evil": "javascript:alert(1)", "page": "https://x.example/?a=1&b=<2>", "note": "a\nb"}
		}),
		"manual": entryOf(rollout.AnnounceWeights, time.Minute, func(e *Event) {
			e.Strategy, e.Stage, e.Stages, e.Reason, e.Meta = configs.StrategyManual, 0, 0, "weights set by ana", nil
		}),
		"staging": entryOf(rollout.AnnounceSucceeded, 204*time.Second, func(e *Event) {
			e.Service, e.Application, e.Environment, e.Release = "shop-staging", "shop", "staging", "v1.5.0"
			e.Phase, e.Reason, e.EndedAt = rollout.Succeeded, "the bake passed", started.Add(204*time.Second)
			e.Weights = map[string]configs.Weight{"green": configs.Whole}
		}),
		"flag": entryOf(rollout.AnnounceRolledBack, 30*time.Second, func(e *Event) {
			e.Service, e.Strategy, e.From, e.To = configs.FlagService("search"), configs.StrategyFlag, "off", "on"
			e.Phase, e.Verdict = rollout.RolledBack, verdict()
			e.Reason, e.Weights = e.Verdict.Text, map[string]configs.Weight{"off": configs.Whole}
		}),
		"test": {ID: "test/abc", To: ToNotifier("deployments"), Kind: KindTest, At: started, Event: Event{Text: "ana sent this from edge-1"}},
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *rewrite {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; run with -rewrite to create it", err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}

func indented(t *testing.T, v any) string {
	t.Helper()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// text is the message as a reviewer reads it.
func text(m Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", m.Title)
	for _, l := range m.Lines {
		fmt.Fprintf(&b, "%s\n", l)
	}
	for _, f := range m.Facts {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	for _, l := range m.Links {
		fmt.Fprintf(&b, "[%s](%s)\n", l.Name, l.URL)
	}
	return b.String()
}

func TestCompose_TellsWhoWhatWhereAndWhy(t *testing.T) {
	for name, e := range stories() {
		golden(t, name+"/message.txt", text(Compose(e, "production")))
	}
}

func TestChannels_GiveTheMessageTheirForm(t *testing.T) {
	s := &Sender{SenderOptions: SenderOptions{Place: "production", Node: "edge-1"}}
	boundary := regexp.MustCompile(`[0-9a-f]{60}`)
	for name, e := range stories() {
		m := Compose(e, s.Place)
		golden(t, name+"/slack.json", indented(t, slackOf(e, m)))
		golden(t, name+"/pagerduty.json", indented(t, s.pagerOf(e, m)))
		golden(t, name+"/webhook.json", indented(t, s.webhookOf(e, m)))
		mail, err := mailOf("weir@example.com", "oncall@example.com", s.Place, e, m)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := mail.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, name+"/email.txt", boundary.ReplaceAllString(strings.ReplaceAll(b.String(), "\r\n", "\n"), "BOUNDARY"))
	}
}

// What people write ends up in messages: it must not end a header, name a
// channel, or grow without bound.
func TestCompose_BoundsWhatPeopleWrote(t *testing.T) {
	e := stories()["hostile"]
	e.Event.Reason += strings.Repeat("ü", 5000)
	m := Compose(e, "production")
	for _, l := range append([]string{m.Title}, m.Lines...) {
		if len(l) > maxText || strings.ContainsAny(l, "\r\n") || !utf8.ValidString(l) {
			t.Errorf("a line of %d bytes: %.80q", len(l), l)
		}
	}
	for _, l := range m.Links {
		if !strings.HasPrefix(l.URL, "https://") {
			t.Errorf("a link to %q", l.URL)
		}
	}
}

func FuzzCompose(f *testing.F) {
	f.Add("rolled_back", "reason", "name", "https://x.example")
	f.Add("", "\xff\x00\n", "by", "<>|&")
	f.Fuzz(func(t *testing.T, kind, reason, name, value string) {
		e := entryOf(kind, time.Minute, func(e *Event) { e.Reason, e.Meta, e.To = reason, map[string]string{name: value}, value })
		m := Compose(e, value)
		for _, l := range append(append([]string{m.Title}, m.Lines...), m.plain(e)) {
			if strings.ContainsAny(strings.TrimSpace(l), "\r\x00") || !utf8.ValidString(l) {
				t.Fatalf("%q", l)
			}
		}
		if strings.Contains(slackOf(e, m).Text, "<!") {
			t.Fatalf("%q names a channel", m.Title)
		}
		if p := (&Sender{}).pagerOf(e, m); p.Payload != nil && len(p.Payload.Summary) > 1024 || len(p.DedupKey) > 255 {
			t.Fatal("too long for PagerDuty")
		}
	})
}
