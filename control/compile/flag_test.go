package compile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/route"
)

func (b *bench) putFlag(doc configs.Flag) {
	b.Revision++
	if b.Flags == nil {
		b.Flags = map[string]FlagSource{}
	}
	b.Flags[doc.Name] = FlagSource{Document: doc, ModRevision: b.Revision, Killed: b.Flags[doc.Name].Killed}
}

// share gives a flag's variant on so much.
func (b *bench) share(flag string, on configs.Weight) {
	b.t.Helper()
	b.Revision++
	id := configs.FlagService(flag)
	doc := b.Flags[flag].Document
	b.States[id] = State{Service: state(b.t, doc.Service(), map[string]configs.Weight{"on": on, "off": configs.Whole - on}), ModRevision: b.Revision}
}

// anybody has a key and nothing else.
type anybody string

func (a anybody) Value(route.By, string) []byte   { return nil }
func (a anybody) FlagKey(route.By, string) []byte { return []byte(a) }

// on is how many of a thousand users get the variant on.
func on(f *route.Flag) (n int) {
	for i := range 1000 {
		if e := f.Evaluate(anybody(fmt.Sprint(i)), "production", noon.Unix()); f.Variants[e.Variant].Name == "on" {
			n++
		}
	}
	return n
}

func TestBuild_ServicesCarryTheirFlags(t *testing.T) {
	b := newBench(t)
	b.put(document("shop", "/"))
	b.put(document("search", "/search/"))
	b.putFlag(configs.Flag{Name: "new", Services: []string{"shop"}})
	b.putFlag(configs.Flag{Name: "all", Services: []string{"shop", "search", "gone"}})
	b.putFlag(configs.Flag{Name: "apps"})
	table := b.build()
	names := func(service string) string {
		var all []string
		for _, f := range table.Service(service).Flags {
			all = append(all, f.Name)
		}
		return strings.Join(all, " ")
	}
	if names("shop") != "all new" || names("search") != "all" || table.Flag("apps") == nil || table.Flag("other") != nil {
		t.Errorf("shop carries %q, search %q, apps is %v", names("shop"), names("search"), table.Flag("apps"))
	}

	// Only what has changed is made anew.
	shop, search, all := table.Service("shop"), table.Service("search"), table.Flag("all")
	b.share("new", 3000)
	table = b.build()
	if table.Service("shop") == shop || table.Service("search") != search || table.Flag("all") != all {
		t.Error("a change of one flag touched a service that does not carry it, or not the one that does")
	}
	if n := on(table.Service("shop").Flags[1]); n < 220 || n > 380 {
		t.Errorf("%d of 1 000 users have it, want about 300", n)
	}
	if w := b.Last.Effective("flag:new"); w["on"] != 3000 || w["off"] != 7000 {
		t.Errorf("in force is %v", w)
	}
}

func TestBuild_ACutAndAKillHoldInEveryForm(t *testing.T) {
	b := newBench(t)
	b.putFlag(configs.Flag{Name: "new"})
	b.share("new", 5000)
	id := configs.FlagService("new")
	s := b.States[id]
	s.Service.Rollout = "r1"
	b.States[id] = s
	if n := on(b.build().Flag("new")); n < 400 {
		t.Fatalf("%d of 1 000 users have it, want about 500", n)
	}
	b.Cuts = []rollout.Cut{{Rollout: "r1", Service: id, Version: "on", At: noon}}
	if n := on(b.build().Flag("new")); n != 0 {
		t.Errorf("%d of 1 000 users have what was cut", n)
	}
	b.Cuts = nil
	b.putFlag(configs.Flag{Name: "new", Variants: map[string]configs.FlagValue{"one": configs.FlagValue("1")}, Default: "one"})
	if n := on(b.build().Flag("new")); n < 400 {
		t.Errorf("%d of 1 000 users have it by the last good form, want about 500", n)
	}
	b.refused(id, `there is no version "off", which is stable`)
	kill := func(dead bool) {
		source := b.Flags["new"]
		source.Killed = dead
		b.Flags["new"] = source
	}
	kill(true)
	if n := on(b.build().Flag("new")); n != 0 {
		t.Errorf("%d of 1 000 users have what was killed", n)
	}
	kill(false)
	b.build()
	b.Revision++
	b.States[id] = State{Service: rollout.Service{Name: id, Stable: "another", Weights: map[string]configs.Weight{"another": configs.Whole}}, ModRevision: b.Revision}
	if n := on(b.build().Flag("new")); n < 400 {
		t.Fatalf("%d of 1 000 users have it by a state that no form knows, want about 500", n)
	}
	kill(true)
	if n := on(b.build().Flag("new")); n != 0 {
		t.Errorf("%d of 1 000 users have what was killed, in a state that no form knows", n)
	}
}

func TestBuild_AFlagWithoutKeysWaitsForThem(t *testing.T) {
	b := newBench(t)
	keys := b.Keys
	b.Keys = nil
	b.putFlag(configs.Flag{Name: "all-or-none"})
	b.putFlag(configs.Flag{Name: "half"})
	b.share("half", 5000)
	if table := b.build(); table.Flag("all-or-none") == nil || table.Flag("half") != nil {
		t.Errorf("flags are %v", table.Flags)
	}
	b.refused("flag:half", "the keys that draw its users have not been read yet")
	b.Keys = keys
	if b.build().Flag("half") == nil {
		t.Error("the flag does not come with the keys")
	}
	b.refused("flag:half", "")
}

func TestBuild_TooManyFlagsForOneServiceLeaveTheLastOut(t *testing.T) {
	b := newBench(t)
	b.put(document("shop", "/"))
	for i := range route.MaxFlags + 2 {
		b.putFlag(configs.Flag{Name: fmt.Sprintf("f%02d", i), Services: []string{"shop"}})
	}
	if n := len(b.build().Service("shop").Flags); n != route.MaxFlags {
		t.Errorf("requests carry %d flags", n)
	}
	b.refused("flag:f15", "")
	b.refused("flag:f16", "carry 16 flags already")
	b.refused("flag:f17", "carry 16 flags already")
}

func TestBuild_RulesOfAFlagHaveTheirTimes(t *testing.T) {
	b := newBench(t)
	b.putFlag(configs.Flag{Name: "sale", Rules: []configs.FlagRule{{
		Variant: "on", From: noon.Format(time.RFC3339), Until: noon.Add(time.Hour).Format(time.RFC3339), Environments: []string{"staging"},
	}}})
	f := b.build().Flag("sale")
	for at, want := range map[time.Duration]string{-time.Second: "off", 0: "on", time.Hour - time.Second: "on", time.Hour: "off"} {
		if e := f.Evaluate(anybody("u"), "staging", noon.Add(at).Unix()); f.Variants[e.Variant].Name != want {
			t.Errorf("%s after its begin it is %s, want %s", at, f.Variants[e.Variant].Name, want)
		}
	}
	b.putFlag(configs.Flag{Name: "sale", Rules: []configs.FlagRule{{Variant: "on", Until: "1970-01-01T00:00:00Z"}}})
	if n := on(b.build().Flag("sale")); n != 0 {
		t.Errorf("a rule that ended with 1969 gives it to %d users", n)
	}
	if e := f.Evaluate(anybody("u"), "production", noon.Unix()); f.Variants[e.Variant].Name != "off" {
		t.Error("the rule counts in another environment")
	}
}
