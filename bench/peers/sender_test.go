package main

import (
	"strings"
	"testing"
	"time"
)

func TestParse_CountsWhatFailed(t *testing.T) {
	f := func(parse func([]byte) (sample, error), out string, requests, errors int) {
		t.Helper()
		got, err := parse([]byte(out))
		if err != nil || got.requests != requests || got.errors != errors {
			t.Errorf("%q: %+v, %v; want %d requests and %d errors", out, got, err, requests, errors)
		}
	}
	f(parseJSON, "Running 2s test\n{\"requests\":10,\"errors\":2,\"p50_us\":1.5,\"p99_us\":9}\n", 10, 2)
	f(parseH2load, "finished in 2.00s\nrequests: 0 total, 12 started, 9 done, 7 succeeded, 2 failed, 0 errored, 0 timeout\n", 9, 2)

	got, err := parseJSON([]byte(`{"requests":1,"p50_us":1.5,"p99_us":9}`))
	if err != nil || got.p50 != 1500*time.Nanosecond || got.p99 != 9*time.Microsecond {
		t.Errorf("times %v and %v, %v", got.p50, got.p99, err)
	}
	for _, parse := range []func([]byte) (sample, error){parseJSON, parseH2load} {
		if _, err := parse([]byte("Segmentation fault\n")); err == nil {
			t.Error("output without figures is taken for figures")
		}
	}
}

func TestWrkScript_AsksTheScriptOnlyForVisitorsWhoDiffer(t *testing.T) {
	f := func(back []visitor, differ bool) {
		t.Helper()
		script := wrkScript(&scenario{}, back)
		if got := strings.Contains(script, "function request()"); got != differ {
			t.Errorf("%v: own requests %v, want %v", back, got, differ)
		}
		for _, v := range back {
			if !strings.Contains(script, v.host) || !strings.Contains(script, v.cookie) {
				t.Errorf("%+v is not in the script", v)
			}
		}
	}
	f([]visitor{{host: "a.test"}, {host: "a.test"}}, false)
	f([]visitor{{host: "a.test"}, {host: "b.test"}}, true)
	f([]visitor{{"a.test", "id=1"}, {"a.test", "id=2"}}, true)
}

func TestSelect_TakesWhatIsNamedAndNothingElse(t *testing.T) {
	f := func(names, peers string, scenarios, of int) {
		t.Helper()
		got, err := selectScenarios(names, peers)
		if err != nil || len(got) != scenarios || len(got[0].peers) != of {
			t.Errorf("selectScenarios(%q, %q): %d, %v", names, peers, len(got), err)
		}
	}
	f("", "", len(all()), len(all()[0].peers))
	f("open,small", "", 2, 5)
	f("small", "weir,base", 1, 2)
	for _, wrong := range [][2]string{{"smal", ""}, {"", "envoy"}} {
		if _, err := selectScenarios(wrong[0], wrong[1]); err == nil {
			t.Errorf("selectScenarios(%q, %q) takes what does not exist", wrong[0], wrong[1])
		}
	}
}

func TestScenarios_NameKnownPeers(t *testing.T) {
	for _, s := range all() {
		for _, name := range s.peers {
			if _, err := peerNamed(name); err != nil {
				t.Errorf("scenario %s: %v", s.name, err)
			}
		}
	}
}
