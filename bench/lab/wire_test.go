package lab

import (
	"testing"

	"github.com/valyala/fasthttp"
)

func TestWire_PassesUntilItIsCutAndAgainWhenItIsMended(t *testing.T) {
	target, stop := serve(t, func(int) (string, bool) { return hello, true })
	defer stop()
	w, err := (&Lab{ports: map[int]bool{}}).Wire(target)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ask := func(c *conn) Fate {
		var resp fasthttp.Response
		fate, _ := c.do([]byte("GET / HTTP/1.1\r\nHost: shop\r\n\r\n"), &resp)
		return fate
	}
	reach := func(want Fate) *conn {
		t.Helper()
		c, err := dial(w.Address)
		if err != nil {
			t.Fatal(err)
		}
		if got := ask(c); got != want {
			t.Fatalf("a request through the wire was %s, want %s", got, want)
		}
		return c
	}
	old := reach(Answered)
	defer old.close()
	w.Cut()
	if fate := ask(old); fate == Answered {
		t.Fatal("a connection outlived the cut")
	}
	c, err := dial(w.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if fate := ask(c); fate == Answered {
		t.Fatal("a request came through a wire that is cut")
	}
	w.Mend()
	reach(Answered).close()
}
