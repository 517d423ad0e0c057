package route

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/proxy/stats"
)

// person is a Subject made of texts.
type person struct {
	key    string
	values map[string]string
}

func (p person) Value(_ By, name string) []byte { return []byte(p.values[name]) }
func (p person) FlagKey(By, string) []byte      { return []byte(p.key) }

// testFlag is a flag of variants off, on and, by shares, whoever has them.
func testFlag(t testing.TB, shares map[string]int, rules ...FlagRule) *Flag {
	t.Helper()
	f := Flag{Name: "new-checkout", Rules: rules}
	labels := make(Labels, 0, Buckets)
	for i, name := range []string{"off", "on", "slow"} {
		f.Variants = append(f.Variants, Variant{Name: name, Recorder: stats.NewRecorder(1)})
		for range shares[name] {
			labels = append(labels, uint8(i))
		}
	}
	f.Mixed = len(shares) > 1
	f.Split = NewSplit(labels, len(f.Variants))
	return NewFlag(f, testKeys(t, 1))
}

func TestFlag_DrawsItsShares(t *testing.T) {
	f := testFlag(t, map[string]int{"off": 7000, "on": 2000, "slow": 1000})
	got := [3]int{}
	for i := range 20_000 {
		e := f.Evaluate(person{key: fmt.Sprint("user-", i)}, "production", testNow)
		if e.Reason != ReasonSplit || f.Split.Pick(int(e.Bucket)) != int(e.Variant) {
			t.Fatalf("user %d got %+v", i, e)
		}
		got[e.Variant]++
	}
	// Six standard deviations of 20 000 draws are 430, 340 and 255.
	for i, want := range []int{14_000, 4_000, 2_000} {
		if d := got[i] - want; d < -430 || d > 430 {
			t.Errorf("%d of 20 000 users got %s, want about %d", got[i], f.Variants[i].Name, want)
		}
	}
}

func TestFlag_TwoFlagsDrawApart(t *testing.T) {
	a := testFlag(t, map[string]int{"off": 5000, "on": 5000})
	other := *a
	other.Name = "another"
	b := NewFlag(other, testKeys(t, 1))
	both := 0
	for i := range 20_000 {
		p := person{key: fmt.Sprint("user-", i)}
		if a.Evaluate(p, "", testNow).Variant == 1 && b.Evaluate(p, "", testNow).Variant == 1 {
			both++
		}
	}
	if both < 4_600 || both > 5_400 {
		t.Errorf("%d of 20 000 users have both flags on, want about a quarter", both)
	}
}

func TestFlag_TheFirstRuleThatHoldsDecides(t *testing.T) {
	beta := NewCondition(Header, "X-Beta", []string{"yes"}, 0, nil, "")
	pro := NewCondition(Attribute, "plan", []string{"pro", "team"}, 0, nil, "")
	alice := NewCondition(Attribute, TargetingKey, []string{"alice"}, 0, nil, "")
	f := testFlag(t, map[string]int{"off": Buckets},
		FlagRule{Variant: 2, All: []Condition{beta, pro}, Share: Buckets},
		FlagRule{Variant: 1, All: []Condition{pro}, Environments: []string{"staging"}, Share: Buckets},
		FlagRule{Variant: 1, All: []Condition{alice}, From: testNow, Until: testNow + 60, Share: Buckets},
	)
	want := func(p person, environment string, at int64, variant int, reason Reason) {
		t.Helper()
		if got := f.Evaluate(p, environment, at); int(got.Variant) != variant || got.Reason != reason {
			t.Errorf("%+v in %q at %d got %+v, want variant %d by %s", p, environment, at-testNow, got, variant, reason)
		}
	}
	both := person{"bob", map[string]string{"X-Beta": "yes", "plan": "team"}}
	want(both, "production", testNow, 2, ReasonTargeted)
	want(person{"bob", map[string]string{"X-Beta": "no", "plan": "team"}}, "staging", testNow, 1, ReasonTargeted)
	want(person{"bob", map[string]string{"plan": "team"}}, "production", testNow, 0, ReasonStatic)
	want(person{"bob", map[string]string{"plan": "free"}}, "staging", testNow, 0, ReasonStatic)
	want(person{key: "alice"}, "", testNow-1, 0, ReasonStatic)
	want(person{key: "alice"}, "", testNow, 1, ReasonTargeted)
	want(person{key: "alice"}, "", testNow+60, 0, ReasonStatic)

	killed := *f
	killed.Killed, killed.Default = true, 0
	f = &killed
	want(both, "production", testNow, 0, ReasonKilled)
}

func TestFlag_WhoHasNoKeyStaysWhereUsersAre(t *testing.T) {
	f := testFlag(t, map[string]int{"off": 1, "on": Buckets - 1}, FlagRule{Variant: 1, Share: Buckets - 1})
	if got := f.Evaluate(person{}, "", testNow); got.Variant != 0 || got.Reason != ReasonKeyless || got.Bucket != -1 {
		t.Errorf("a subject without key got %+v", got)
	}
}

// A larger share of a rule keeps everybody whom the smaller one had.
func TestFlagRule_ALargerShareKeepsItsUsers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.IntRange(0, Buckets).Draw(t, "small")
		large := rapid.IntRange(small, Buckets).Draw(t, "large")
		p := person{key: rapid.StringN(1, 20, -1).Draw(t, "user")}
		of := func(share int) int32 {
			f := Flag{Name: "f", Variants: make([]Variant, 2), Split: NewSplit(nil, 2), Rules: []FlagRule{{Variant: 1, Share: share}}}
			return NewFlag(f, ruleKeys).Evaluate(p, "", testNow).Variant
		}
		if of(small) == 1 && of(large) != 1 {
			t.Fatalf("%q has the variant at %d and not at %d", p.key, small, large)
		}
	})
}

// Rules that are named keep their users wherever they stand, and no two rules draw
// the same ones.
func TestFlagRule_ANamedOneKeepsItsUsersWhereverItStands(t *testing.T) {
	drawn := func(rules ...FlagRule) (by [3]map[int]bool) {
		f := Flag{Name: "f", Variants: make([]Variant, 4), Split: NewSplit(nil, 4), Rules: rules}
		for i := range f.Rules {
			f.Rules[i].Share = 2000
		}
		f = *NewFlag(f, ruleKeys)
		by = [3]map[int]bool{{}, {}, {}}
		for i := range 4000 {
			if v := f.Evaluate(person{key: fmt.Sprint("user-", i)}, "", testNow).Variant; v > 0 {
				by[v-1][i] = true
			}
		}
		return by
	}
	alone := drawn(FlagRule{Name: "beta", Variant: 1})
	after := drawn(FlagRule{Variant: 2}, FlagRule{Name: "beta", Variant: 1})
	for user := range alone[0] {
		if !after[0][user] && !after[1][user] {
			t.Fatalf("user %d lost the variant to a rule that came before", user)
		}
	}
	same := drawn(FlagRule{Name: "x", Variant: 1}, FlagRule{Name: "x", Variant: 2}, FlagRule{Variant: 3})
	for i, users := range same {
		if len(users) < 350 {
			t.Errorf("rule %d drew %d of 4 000 users", i, len(users))
		}
	}
}

var ruleKeys = &Keyring{salt0: 1, salt1: 2}

// visitor is a Subject that allocates nothing.
type visitor struct{ key, value []byte }

func (v *visitor) Value(By, string) []byte   { return v.value }
func (v *visitor) FlagKey(By, string) []byte { return v.key }

func flagToEvaluate(t testing.TB) (*Flag, *visitor) {
	return testFlag(t, map[string]int{"off": 5000, "on": 5000}, FlagRule{
		Variant: 1, Share: Buckets, Environments: []string{"staging", "production"},
		All: []Condition{NewCondition(Header, "X-Beta", []string{"yes", "1"}, 0, nil, "")},
	}), &visitor{[]byte("user-4711"), []byte("no")}
}

// BenchmarkFlag_Evaluate has a bar of 100 ns.
func BenchmarkFlag_Evaluate(b *testing.B) {
	f, v := flagToEvaluate(b)
	dst := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		dst = f.AppendPiece(dst[:0], f.Evaluate(v, "production", testNow))
	}
	b.ReportMetric(100, "bar-ns/op")
}
