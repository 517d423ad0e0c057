package compile

import (
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/route"
)

func TestBuild_MirrorsByTheState(t *testing.T) {
	b := newBench(t)
	b.put(document("shop", "/"))
	f := func(m *rollout.Mirror, want int) {
		t.Helper()
		b.weigh("shop", map[string]configs.Weight{"blue": 9_999, "green": 1})
		s := b.States["shop"]
		s.Service.Mirror = m
		b.States["shop"] = s
		got := b.build().Service("shop").Mirror
		b.refused("shop", "")
		switch {
		case want == 0 && got != nil:
			t.Errorf("%+v: mirrors %d to %s", m, got.Share, got.Version.Name)
		case want > 0 && (got == nil || got.Share != want || got.Version.Name != "green"):
			t.Errorf("%+v: mirrors %+v, want %d to green", m, got, want)
		}
	}

	f(nil, 0)
	f(&rollout.Mirror{To: "green", Share: 500}, 500)
	f(&rollout.Mirror{To: "green", Share: configs.Whole}, 10_000)
	f(&rollout.Mirror{To: "green"}, 0)
	f(&rollout.Mirror{To: "blue", Share: 500}, 0) // stable: these are its users
	b.Cuts = []rollout.Cut{{Rollout: "m1", Version: "green"}}
	f(&rollout.Mirror{To: "green", Share: 500}, 0)
}

func TestBuild_MirrorThatCannotBeIsRefused(t *testing.T) {
	b := newBench(t)
	b.put(document("shop", "/"))
	f := func(m rollout.Mirror, text string) {
		t.Helper()
		b.weigh("shop", map[string]configs.Weight{"blue": configs.Whole})
		s := b.States["shop"]
		s.Service.Mirror = &m
		b.States["shop"] = s
		b.build()
		b.refused("shop", text)
	}

	f(rollout.Mirror{To: "black", Share: 500}, `"black"`)
	f(rollout.Mirror{Share: 500}, "mirrors")
	f(rollout.Mirror{To: "green", Share: configs.Whole + 1}, "100.01%")
}

func TestBuild_RetriesWhatTheDocumentSays(t *testing.T) {
	b := newBench(t)
	doc := document("shop", "/")
	b.put(doc)
	s := b.build().Service("shop")
	if s.Retry != (route.Retry{Attempts: 3}) || s.Shield || s.Fallback != nil || s.Replaced != (route.StatusSet{}) {
		t.Errorf("without a policy it is %+v, shield %v", s.Retry, s.Shield)
	}
	doc.Retry = &configs.Retry{Attempts: 2, On: []string{"connect", "reset", "timeout", "429", "503"}, AttemptTimeout: configs.Duration(time.Second)}
	doc.Shield = true
	doc.Fallback = &configs.Fallback{}
	b.put(doc)
	b.weigh("shop", map[string]configs.Weight{"blue": 9_000, "green": 1_000})
	s = b.build().Service("shop")
	want := route.Retry{Attempts: 2, Connect: true, Reset: true, Timeout: true, Status: route.Statuses(429, 503), Attempt: time.Second}
	if s.Retry != want || !s.Shield {
		t.Errorf("got %+v, want %+v", s.Retry, want)
	}
	for status, replaced := range map[int]bool{200: false, 404: true, 429: true, 410: false, 500: true, 503: true} {
		if s.Replaced.Has(status) != replaced {
			t.Errorf("%d is replaced: %v", status, !replaced)
		}
	}
}

func TestBuild_AskOtherLiveVersionForWhatOneDoesNotKnow(t *testing.T) {
	b := newBench(t)
	doc := document("shop", "/")
	doc.Versions["red"] = configs.Version{Endpoints: []string{"127.0.0.1:9007"}}
	doc.Fallback = &configs.Fallback{}
	f := func(weights map[string]configs.Weight, change func(*rollout.Service), want map[string]string) {
		t.Helper()
		b.put(doc)
		b.weigh("shop", weights)
		if change != nil {
			st := b.States["shop"]
			change(&st.Service)
			b.States["shop"] = st
		}
		s := b.build().Service("shop")
		for _, v := range s.Versions {
			got := ""
			if other := s.Fallback.Of(v, []byte("HEAD")); other != nil {
				got = other.Name
			}
			if got != want[v.Name] {
				t.Errorf("%v: %s asks %q, want %q", weights, v.Name, got, want[v.Name])
			}
			if s.Fallback.Of(v, []byte("POST")) != nil {
				t.Errorf("%s asks for a POST", v.Name)
			}
		}
	}

	f(map[string]configs.Weight{"blue": configs.Whole}, nil, nil)
	f(map[string]configs.Weight{"blue": 9_000, "green": 1_000}, nil, map[string]string{"blue": "green", "green": "blue"})
	f(map[string]configs.Weight{"green": configs.Whole}, nil, map[string]string{"blue": "green", "green": "blue"})
	f(map[string]configs.Weight{"blue": 8_000, "green": 500, "red": 1_500}, nil, map[string]string{"blue": "red", "green": "blue", "red": "blue"})
	kept := func(s *rollout.Service) { s.Previous, s.KeepUntil = "red", noon }
	f(map[string]configs.Weight{"blue": configs.Whole}, kept, map[string]string{"blue": "red"})
	if got := b.build().Service("shop").Fallback.Until; !got.Equal(noon) {
		t.Errorf("red is asked until %s", got)
	}
	b.Cuts = []rollout.Cut{{Rollout: "m1", Version: "green"}}
	f(map[string]configs.Weight{"blue": 9_000, "green": 1_000}, nil, nil)
}

func TestBuild_VersionKeepsItsBudget(t *testing.T) {
	b := newBench(t)
	doc := document("shop", "/")
	b.put(doc)
	before := b.build().Service("shop").Versions
	doc.Versions["blue"] = configs.Version{Endpoints: []string{"127.0.0.1:9009"}}
	b.put(doc)
	after := b.build().Service("shop").Versions
	if after[0] == before[0] || after[0].Budget != before[0].Budget || after[0].Budget == nil {
		t.Error("a version with other endpoints has another budget")
	}
	if after[0].Budget == after[1].Budget {
		t.Error("two versions share a budget")
	}
}
