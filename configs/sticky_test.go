package configs

import "testing"

func TestSticky_SameKeyIsWhatAClientIsToldApartBy(t *testing.T) {
	f := func(a, b *Sticky, want bool) {
		t.Helper()
		if a.SameKey(b) != want || b.SameKey(a) != want {
			t.Errorf("%+v and %+v: the same key %v, want %v", a, b, !want, want)
		}
	}
	cookie := func(name string, age Duration) *Sticky {
		return &Sticky{By: "cookie", Mode: "follow", Cookie: &StickyCookie{Name: name, MaxAge: age}}
	}
	user := &Sticky{By: "header", Header: "X-User"}
	f(nil, nil, true)
	f(user, nil, false)
	f(user, &Sticky{By: "header", Header: "X-User"}, true)
	f(user, &Sticky{By: "header", Header: "X-Session"}, false)
	f(user, &Sticky{By: "query", Query: "user"}, false)
	f(cookie("a", 1), cookie("a", 2), true)
	f(cookie("a", 1), cookie("b", 1), false)
	f(cookie("a", 1), &Sticky{By: "cookie", Mode: "pin", Cookie: &StickyCookie{Name: "a"}}, false)
}
