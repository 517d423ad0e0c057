package analysis

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestJudge_GoesOnAfterARestartAsIfNothingHadBeen(t *testing.T) {
	p := triggers(t, "error_rate > 1%", "latency_p99 > 200ms", "error_rate < 5%", "health_check == failing")
	p.Rules[0].Patience = 10 * time.Second
	w := newWorld(p)
	r := rand.New(rand.NewPCG(9, 9))
	for i := range 60 {
		w.SetStage(Stage{Index: i / 20, Weight: 100 * (i / 20)})
		w.rates(r, 1, .01, .012)
		data, err := json.Marshal(w.Judge)
		if err != nil {
			t.Fatal(err)
		}
		resumed := NewJudge(p)
		if err := json.Unmarshal(data, resumed); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(resumed)
		if err != nil || string(again) != string(data) {
			t.Fatalf("second %d: the state changed on its way: %v\n%s\n%s", i, err, data, again)
		}
		if i%2 == 0 {
			w.Judge = resumed
		}
	}
	twin := newWorld(p)
	r = rand.New(rand.NewPCG(9, 9))
	for i := range 60 {
		twin.SetStage(Stage{Index: i / 20, Weight: 100 * (i / 20)})
		twin.rates(r, 1, .01, .012)
	}
	got, _ := json.Marshal(w.Judge)
	want, _ := json.Marshal(twin.Judge)
	if string(got) != string(want) {
		t.Fatalf("restarts changed the judge:\n%s\n%s", got, want)
	}
	t.Logf("the state has %d bytes", len(want))
}

func TestJudge_KeepsItsEvidenceWhenTheTimeoutChanges(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	w := newWorld(p)
	w.ticks(100, 0, 3)
	p.Timeout = time.Minute
	if err := json.Unmarshal(mustJSON(t, w.Judge), NewJudge(p)); err != nil {
		t.Fatal(err)
	}
}

func TestJudge_RefusesAStateThatIsNotItsOwn(t *testing.T) {
	p := triggers(t, "error_rate > 1%")
	w := newWorld(p)
	w.ticks(50, 0, 1)
	data, err := json.Marshal(w.Judge)
	if err != nil {
		t.Fatal(err)
	}
	other := NewJudge(triggers(t, "error_rate > 2%"))
	before, _ := json.Marshal(other)
	if err := json.Unmarshal(data, other); !errors.Is(err, ErrOtherPolicy) {
		t.Fatalf("%v", err)
	}
	f := func(old, new string) {
		t.Helper()
		bad := strings.Replace(string(data), old, new, 1)
		if bad == string(data) {
			t.Fatalf("%q is not in %s", old, data)
		}
		j := NewJudge(p)
		if err := json.Unmarshal([]byte(bad), j); err == nil {
			t.Fatalf("%s was taken over", bad)
		}
		if after, _ := json.Marshal(j); string(after) != string(before) && j.state.Now != 0 {
			t.Fatal("a refused state changed the judge")
		}
	}
	f(`"reserve":0`, `"reserve":-0`+"1")
	f(`"reserve":0`, `"reserve":3`)
	f(`"seconds":`, `"seconds":-1`)
	f(`"rules":[`, `"rules":[{},`)
	f(`"slot":4`, `"slot":-4`)
	f(`"half":0`, `"half":-1`)
	f(`"now":`, `"now":-`)
	f(`"sum":{"stable":{"n":`, `"sum":{"stable":{"n":1`)
	f(`}`, ``)
}

func FuzzJudge_UnmarshalJSON(f *testing.F) {
	p := triggers(f, "error_rate > 1%", "latency_p99 > 200ms")
	w := newWorld(p)
	f.Add(mustJSON(f, w.Judge))
	w.ticks(100, 1, 1)
	f.Add(mustJSON(f, w.Judge))
	w.ticks(30, 0, 9)
	f.Add(mustJSON(f, w.Judge))
	f.Add([]byte(`{"rules":[null,null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		w := newWorld(p)
		if json.Unmarshal(data, w.Judge) != nil {
			return
		}
		w.at = w.state.Now
		if w.at > math.MaxInt64/2 {
			return
		}
		w.ticks(30, 1, 2)
		w.Report()
		mustJSON(t, w.Judge)
		mustJSON(t, w.Verdict())
	})
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
