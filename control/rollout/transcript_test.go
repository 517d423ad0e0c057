package rollout

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
)

var rewrite = flag.Bool("rewrite", false, "write the transcripts anew; only commit a change that you understand")

// TestStep_Transcripts plays the commands of testdata/*.txt. A line that begins
// with > is a command, the lines after it are what came of it.
func TestStep_Transcripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *rewrite {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s differs at line %d; got\n%s", file, firstDifference(got, want), got)
			}
		})
	}
}

func firstDifference(a, b []byte) int {
	x, y := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	for i := range min(len(x), len(y)) {
		if !bytes.Equal(x[i], y[i]) {
			return i + 1
		}
	}
	return min(len(x), len(y)) + 1
}

// play runs the commands of a transcript and returns it with what came of them.
func play(t *testing.T, text string) []byte {
	t.Helper()
	w := newStage()
	var out bytes.Buffer
	output := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "> "):
			fmt.Fprintf(&out, "%s\n%s", line, w.run(t, strings.Fields(line[2:])))
			output = true
		case line == "" || strings.HasPrefix(line, "#"):
			output = false
			fmt.Fprintln(&out, line)
		case !output:
			t.Fatalf("line %q is neither a command, nor a comment, nor output", line)
		}
	}
	return out.Bytes()
}

// stage is the world around one service: what the controller does, in small.
type stage struct {
	svc     configs.Service
	pair    Pair
	at      time.Time
	elapsed time.Duration
	ids     int
}

func newStage() *stage {
	w := &stage{at: time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC)}
	w.svc = configs.Service{Name: "shop", Stable: "blue", Versions: map[string]configs.Version{
		"blue":  {Endpoints: []string{"127.0.0.1:9001"}},
		"green": {Endpoints: []string{"127.0.0.1:9002"}, Revision: "g1"},
		"red":   {Endpoints: []string{"127.0.0.1:9003"}},
		"teal":  {Endpoints: []string{"127.0.0.1:9004", "127.0.0.1:9005", "127.0.0.1:9006"}},
	}}
	w.pair.Service = NewService(w.svc, w.at)
	return w
}

// run carries out one command and says what came of it.
func (w *stage) run(t *testing.T, words []string) string {
	t.Helper()
	before := w.pair
	var effects []Effect
	var err error
	switch verb, args := words[0], words[1:]; verb {
	case "start", "weights":
		effects, err = w.begin(verb, args)
	case "tick":
		d := duration(t, args[0])
		w.advance(d)
		tick := w.tick(t, args[1:])
		w.pair, effects, err = Step(w.pair, tick, w.elapsed)
		checkRest(t, before, w.pair, happening{"tick", tick, w.elapsed}, effects)
	case "after": // time that is nobody's stage time
		w.at = w.at.Add(duration(t, args[0]))
		return ""
	default:
		w.pair, effects, err = Step(w.pair, w.event(t, verb, args), w.spent(verb, args))
	}
	if w.pair.Rollout.Stretch() != before.Rollout.Stretch() || before.Rollout.ID != w.pair.Rollout.ID {
		w.elapsed = 0
	}
	return w.show(before, effects, err)
}

func (w *stage) advance(d time.Duration) {
	w.at = w.at.Add(d)
	if w.pair.Rollout.Phase != Paused {
		w.elapsed += d
	}
}

func (w *stage) spent(verb string, args []string) time.Duration {
	if verb == "stable-breaks" {
		d, _ := time.ParseDuration(args[1])
		return d
	}
	return w.elapsed
}

// begin starts a rollout as the controller does: one of weights by hand gives way.
func (w *stage) begin(verb string, args []string) ([]Effect, error) {
	w.ids++
	id := fmt.Sprintf("%s-%d", w.svc.Name, w.ids)
	cur := w.pair.Service
	var weights map[string]configs.Weight
	if verb == "weights" {
		weights = weightsOf(args)
	}
	if verb == "weights" && cur.Rollout != "" {
		next, effects, err := Step(w.pair, SetWeights{At: w.at, Actor: "ana", Weights: weights}, w.elapsed)
		if r, ok := errors.AsType[*Refusal](err); !ok || r.Kind != NeedsNew {
			w.ids--
			w.pair = next
			return effects, err
		}
	}
	var effects []Effect
	if cur.Rollout != "" && w.pair.Rollout.Strategy == configs.StrategyManual {
		ended, more, err := Step(w.pair, Supersede{At: w.at, Actor: "ana", By: id}, w.elapsed)
		if err != nil {
			return nil, err
		}
		cur, effects = ended.Service, more
	}
	var next Pair
	var err error
	if verb == "weights" {
		next, err = NewManual(id, weights, w.svc, cur, w.at, "ana")
	} else {
		next, err = New(id, planOf(args), w.svc, cur, w.at, "ana")
	}
	if err == nil {
		w.pair = next
	}
	return effects, err
}

// tick reads a verdict, or several as version:verdict, and what is amiss.
func (w *stage) tick(t *testing.T, args []string) Tick {
	t.Helper()
	ev := Tick{At: w.at, CandidateUp: true, BatchUp: true, StableUp: true, Acked: true}
	for _, arg := range args {
		version, verdict, several := strings.Cut(arg, ":")
		switch {
		case several:
			if ev.Candidates == nil {
				ev.Candidates = make(map[string]analysis.Verdict)
			}
			ev.Candidates[version] = verdictOf(verdict)
		case arg == "candidate-down":
			ev.CandidateUp = false
		case arg == "batch-down":
			ev.BatchUp = false
		case arg == "stable-down":
			ev.StableUp = false
		case arg == "unacked":
			ev.Acked = false
		case arg == "frozen":
			ev.Freeze = frost()
		case lacks(arg) != nil:
			ev.Requires = append(ev.Requires, lacks(arg)...)
		default:
			ev.Verdict = verdictOf(arg)
		}
	}
	return ev
}

func (w *stage) event(t *testing.T, verb string, args []string) Event {
	t.Helper()
	switch verb {
	case "cut", "cut-by-ana":
		c := w.pair.cut(args[0], "", "errors 40% over the limit of 1%", w.at)
		c.Node, c.Boot = "edge-1", "b1"
		if verb == "cut-by-ana" {
			c.Actor, c.Reason = "ana", "aborted by ana"
		} else {
			c.Verdict = verdictOf("fail")
		}
		if len(args) > 1 {
			c.Generation, _ = strconv.Atoi(args[1])
		}
		return CutSeen{At: w.at, Cut: c}
	case "stable-breaks":
		return StableBreaks{At: w.at, Rule: args[0]}
	case "smoke":
		run, _ := strconv.Atoi(args[1])
		return SmokeDone{At: w.at, Generation: w.pair.Rollout.Generation, Run: run, Passed: args[0] == "passed", Text: "GET /healthz: 503, not 200"}
	case "revision":
		return RevisionChanged{At: w.at, Version: args[0], Revision: args[1]}
	}
	if ev := w.gateEvent(verb, args); ev != nil {
		return ev
	}
	return Command{At: w.at, Actor: "ana", Verb: verb}
}

// show is the state after a command, what moved, the effects and the error.
func (w *stage) show(before Pair, effects []Effect, err error) string {
	var b strings.Builder
	r := w.pair.Rollout
	if err != nil {
		fmt.Fprintf(&b, "refused: %v\n", err)
	}
	if w.pair.Equal(before) {
		fmt.Fprintln(&b, "unchanged")
	} else {
		fmt.Fprintf(&b, "%s %s stage=%d %s", r.ID, r.Phase, r.Stage, describe(r.Weights))
		if r.Generation > 0 {
			fmt.Fprintf(&b, " generation=%d", r.Generation)
		}
		if r.WaitingFor != "" {
			fmt.Fprintf(&b, " waiting_for=%s", r.WaitingFor)
		}
		fmt.Fprintf(&b, "\n  service stable=%s rollout=%q moved=%d raises=%v\n", w.pair.Service.Stable,
			w.pair.Service.Rollout, moved(before.Service, w.pair.Service), w.pair.Raises(before))
		if a := w.pair.Service.Admitted; a != nil {
			fmt.Fprintf(&b, "  admitted %v\n", a)
		}
		if m := w.pair.Service.Mirror; m != nil {
			fmt.Fprintf(&b, "  mirror of %s to %s\n", percent(m.Share), m.To)
		}
		if f := w.pair.Service.Force; f != nil {
			fmt.Fprintf(&b, "  forced to %s: %+v\n", f.To, f.Match)
		}
		if p := w.pair.Service.Preview; p != nil && before.Service.Preview == nil {
			fmt.Fprintf(&b, "  preview of %s by %v %s\n", p.To, p.Header, p.Host)
		}
		fmt.Fprintf(&b, "  reason %s\n", r.Reason)
		if len(r.Missing) > 1 || len(r.Missing) == 1 && r.Missing[0].Wait != r.WaitingFor {
			fmt.Fprintf(&b, "  missing %s\n", Sentences(r.Missing))
		}
	}
	for _, e := range effects {
		switch e := e.(type) {
		case AskHook:
			fmt.Fprintf(&b, "  ask %s %s whether %s, key %s\n", e.Hook.Mode, e.Hook.Name, e.For, e.Key)
		case Announce:
			fmt.Fprintf(&b, "  announce %s: %s\n", e.Kind, e.Text)
		case CutNow:
			fmt.Fprintf(&b, "  cut now %s generation=%d actor=%q: %s\n", e.Cut.Version, e.Cut.Generation, e.Cut.Actor, e.Cut.Reason)
		case RunSmoke:
			fmt.Fprintf(&b, "  run smoke checks of %s, run %d\n", e.Version, e.Run)
		default:
			fmt.Fprintf(&b, "  %T\n", e)
		}
	}
	return b.String()
}

// moved counts the keys that changed their version.
func moved(a, b Service) int {
	x, y := owners(a), owners(b)
	n := 0
	for i := range x {
		if x[i] != y[i] {
			n++
		}
	}
	return n
}

// owners is the version of each bucket.
func owners(s Service) []string {
	order, labels, err := s.Split()
	if err != nil {
		panic(err)
	}
	all := make([]string, 10_000)
	for i := range all {
		label := 0
		if labels != nil {
			label = int(labels[i])
		}
		all[i] = order[label]
	}
	return all
}

func verdictOf(name string) analysis.Verdict {
	v := analysis.Verdict{Kind: analysis.Kind(name), Rule: "errors"}
	switch name {
	case "none":
		return analysis.Verdict{}
	case "fail":
		v.Action, v.Path, v.Text = analysis.Rollback, analysis.PathFast, "errors 40% over the limit of 1%"
	case "fail-pause":
		v.Kind, v.Action, v.Text = analysis.Fail, analysis.Pause, "errors 40% over the limit of 1%"
	case "proven":
		v.Kind, v.Proven = analysis.Pass, true
	case "inconclusive":
		v.Needed, v.Seen, v.Text = 3000, 1200, "not enough requests for errors"
	case "shared":
		v.Text = "stable breaks errors too"
	case "error":
		v.Text = "the latency of green was not counted"
	}
	return v
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
