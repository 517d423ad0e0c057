package proxy

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The twin fills a purse every nanosecond.
func TestCalmer_AllowanceIsSpentAndComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const limit = 1000
		var k calmer
		left, now := float64(limit), int64(1)
		for range rapid.IntRange(1, 50).Draw(t, "times") {
			wait := rapid.Int64Range(0, int64(refill)/4).Draw(t, "wait")
			price := rapid.Int64Range(-300, 300).Draw(t, "price")
			now += wait
			left = min(limit, left+limit*float64(wait)/float64(refill))
			left = min(limit, max(left-float64(price), -limit))
			got := k.spend(price, limit, now)
			if want := left < 0; got != want && (left < -1e-6 || left > 1e-6) {
				t.Fatalf("beyond: %v, with %v left", got, left)
			}
		}
	})
}

func TestCalmers_ForgetWhoHasNothingAgainstThem(t *testing.T) {
	var c calmers
	for i := range 10_000 {
		now := int64(i) * int64(time.Second)
		k := c.of(netip.MustParseAddr(fmt.Sprintf("10.0.%d.%d", i>>8, i&255)), now)
		k.spend(2000, 1000, now)
		k.quiet(now + int64(10*time.Second))
		c.giveBack(k)
	}
	if n := len(c.known); n > 3000 {
		t.Errorf("%d clients are known, of whom 20 are of interest", n)
	}
	last := netip.MustParseAddr("10.0.39.15")
	if !c.calm(last, 9_999*int64(time.Second)) {
		t.Error("the last one is forgotten")
	}
	if c.calm(last, 10_010*int64(time.Second)) {
		t.Error("the last one is never forgiven")
	}
}
