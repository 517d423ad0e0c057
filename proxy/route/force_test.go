package route

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestCondition_ListsAgreeWithASearch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.StringN(0, 3, -1), 1, 20).Draw(t, "values")
		value := rapid.StringN(0, 3, -1).Draw(t, "value")
		c := NewCondition(Header, "x", values, 0, nil, "")
		if want := value != "" && slices.Contains(values, value); c.Met([]byte(value)) != want {
			t.Fatalf("%q of %q: %v", value, values, !want)
		}
	})
}

func TestCondition_ShareDrawsItsPartOfTheUsersAnewEachTime(t *testing.T) {
	keys := testSticky(t).Keys
	one, other := NewCondition(Header, "x", nil, 1000, keys, "r1"), NewCondition(Header, "x", nil, 1000, keys, "r2")
	met, both := 0, 0
	for i := range 20_000 {
		user := fmt.Appendf(nil, "user-%d", i)
		drawn := one.Met(user)
		if drawn {
			met++
			if other.Met(user) {
				both++
			}
		}
		if one.Met(user) != drawn {
			t.Fatal("a user is drawn twice")
		}
	}
	if met < 1800 || met > 2200 || both > met/5 {
		t.Errorf("of 20000 users %d are drawn, %d of them by another rollout too", met, both)
	}
}
