package route

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCookie_CarriesItsPin(t *testing.T) {
	s := testSticky(t)
	rapid.Check(t, func(t *rapid.T) {
		pin := Pin{Version: rapid.Int64Range(0, MaxVersions).Draw(t, "version"), Epoch: rapid.Int64Range(1, 999_999_999_999).Draw(t, "epoch")}
		value, _, _ := bytes.Cut(s.AppendPinned(nil, Buckets-1, pin, testNow, false), []byte(";"))
		value = value[len(s.Name)+1:]
		if len(value) > longestCookie {
			t.Fatalf("%s is longer than what is read back", value)
		}
		pin.Issued = testNow
		got, ok := s.ReadCookie(value, testNow+60)
		if !ok || got != (Visitor{Bucket: Buckets - 1, Pin: pin}) {
			t.Fatalf("%s: %+v, %v", value, got, ok)
		}
		at := rapid.IntRange(0, len(value)-1).Draw(t, "flipped")
		value[at] ^= 1
		if got, ok := s.ReadCookie(value, testNow); ok || got != (Visitor{}) {
			t.Fatalf("the forged %s gives %+v", value, got)
		}
	})
}

// A client that comes back within half of the cookie's life keeps its bucket, its
// pin and the time that it was pinned, however often the cookie is renewed.
func TestCookie_IsRenewedBeforeItEnds(t *testing.T) {
	s := testSticky(t)
	half := int64(s.MaxAge/time.Second) / 2
	rapid.Check(t, func(t *rapid.T) {
		want := Visitor{Bucket: rapid.IntRange(0, Buckets-1).Draw(t, "bucket")}
		if rapid.Bool().Draw(t, "pinned") {
			want.Pin = Pin{Version: rapid.Int64Range(0, MaxVersions).Draw(t, "version"), Epoch: rapid.Int64Range(1, 999_999_999_999).Draw(t, "epoch"), Issued: testNow}
		}
		issue := func(now int64) []byte {
			value, _, _ := bytes.Cut(s.AppendPinned(nil, want.Bucket, want.Pin, now, false), []byte(";"))
			return value[len(s.Name)+1:]
		}
		now, issued := int64(testNow), int64(testNow)
		value := issue(now)
		for range rapid.IntRange(1, 20).Draw(t, "visits") {
			now += rapid.Int64Range(0, half).Draw(t, "gap")
			got, ok := s.ReadCookie(value, now)
			want.Aged = now-issued > half
			if !ok || got != want || len(value) > longestCookie {
				t.Fatalf("%s after %d s: %+v, want %+v, %v", value, now-testNow, got, want, ok)
			}
			if got.Aged {
				value, issued = issue(now), now
			}
		}
	})
}

func TestPins_HoldWhileTheirVersionIsThere(t *testing.T) {
	blue, green := &Version{Name: "blue"}, &Version{Name: "green"}
	p := &Pins{Epoch: 7, Versions: []*Version{blue, green, nil}, Until: testNow}
	f := func(pin Pin, now int64, want *Version) {
		t.Helper()
		if got := p.Held(pin, green, now); got != want {
			t.Errorf("%+v at %d holds %v, want %v", pin, now-testNow, got, want)
		}
	}
	f(Pin{Version: 0, Epoch: 7}, testNow, blue)
	f(Pin{Version: 0, Epoch: 7}, testNow+1, nil) // blue is kept no longer
	f(Pin{Version: 1, Epoch: 7}, testNow+1, green)
	f(Pin{Version: 0, Epoch: 6}, testNow, nil)
	f(Pin{}, testNow, nil)
	for _, version := range []int64{-1, 2, 3, 1 << 40} {
		f(Pin{Version: version, Epoch: 7}, testNow, nil)
	}
}

// FuzzReadCookie_Pins reads cookies of any text, rightly signed: a number in it is
// at most a version that there is.
func FuzzReadCookie_Pins(f *testing.F) {
	s := testSticky(f)
	for _, text := range []string{"v1." + s.Keys.SigningID() + ".1.2.3.4", "v1." + s.Keys.SigningID() + ".1.1795000000.999999999999.1", "v1.x.1.2.-3.4"} {
		f.Add([]byte(text))
	}
	pins := &Pins{Epoch: 4, Versions: []*Version{{Name: "blue"}, {Name: "green"}}}
	f.Fuzz(func(t *testing.T, text []byte) {
		v, ok := s.ReadCookie(signed(s, string(text)), time.Unix(testNow, 0).Unix())
		pin := v.Pin
		if !ok && pin != (Pin{}) {
			t.Fatalf("a cookie that is refused has the pin %+v", pin)
		}
		if pin.Version < 0 || pin.Epoch < 0 || pin.Issued < 0 {
			t.Fatalf("the pin is %+v", pin)
		}
		pins.Held(pin, pins.Versions[0], testNow)
	})
}
