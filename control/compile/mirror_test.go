package compile

import (
	"testing"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
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
