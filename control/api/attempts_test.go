package api

import (
	"net/netip"
	"testing"
	"time"
)

func TestAttempts_OfManyClientsStayBounded(t *testing.T) {
	a := newAttempts()
	now := time.Unix(0, 0)
	first := netip.MustParseAddr("10.0.0.1")
	for range freeAttempts {
		a.failed(first, now)
	}
	client := first
	for range 2 * maxAttemptsKept {
		client = client.Next()
		a.failed(client, now)
	}
	if len(a.until) > maxAttemptsKept {
		t.Fatalf("%d clients are kept", len(a.until))
	}
	if a.failed(first, now) == 0 {
		t.Fatal("the busiest client was forgotten first")
	}
	now = now.Add(time.Hour)
	a.failed(client.Next(), now)
	if a.failed(first, now) != 0 || len(a.until) > 3 {
		t.Fatalf("an hour later %d clients are kept", len(a.until))
	}
}

func TestAttempts_ComeBackOneByOne(t *testing.T) {
	a := newAttempts()
	now := time.Unix(0, 0)
	client := netip.MustParseAddr("10.0.0.1")
	free := func() (n int) {
		for a.failed(client, now) == 0 {
			n++
		}
		return n
	}
	if n := free(); n != freeAttempts {
		t.Fatalf("%d free attempts", n)
	}
	now = now.Add(3 * attemptsRefill)
	if n := free(); n != 3 {
		t.Fatalf("%d free attempts after three pauses", n)
	}
	now = now.Add(time.Hour)
	if n := free(); n != freeAttempts {
		t.Fatalf("%d free attempts after an hour", n)
	}
}
