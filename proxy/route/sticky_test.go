package route

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const testNow = 1_795_000_000

// testKeys returns a Keyring drawn from a seed.
func testKeys(t testing.TB, seed byte) *Keyring {
	t.Helper()
	keys, err := NewKeyring(rand.NewChaCha8([32]byte{seed}))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func testSticky(t testing.TB) *Sticky {
	return &Sticky{By: Cookie, Name: "weir_id", MaxAge: time.Hour, Keys: testKeys(t, 1)}
}

// cookieOf returns the cookie's value as a client sends it back.
func cookieOf(s *Sticky, bucket int, now int64) []byte {
	value, _, _ := bytes.Cut(s.AppendCookie(nil, bucket, now, false), []byte(";"))
	return value[len(s.Name)+1:]
}

// signed returns a cookie of any text with a tag that is right.
func signed(s *Sticky, text string) []byte {
	tag := s.Keys.keys[s.Keys.signing].tag([]byte(text))
	return []byte(text + "." + string(tag[:]))
}

func TestCookie_CarriesItsBucket(t *testing.T) {
	s := testSticky(t)
	rapid.Check(t, func(t *rapid.T) {
		bucket := rapid.IntRange(0, Buckets-1).Draw(t, "bucket")
		issued := rapid.Int64Range(0, 1<<36).Draw(t, "issued")
		age := rapid.Int64Range(-aheadMost, 3600).Draw(t, "age")
		value := cookieOf(s, bucket, issued)
		if got, ok := s.CheckCookie(value, issued+age); !ok || got != bucket {
			t.Fatalf("%s: %d %v, want %d", value, got, ok, bucket)
		}
	})
}

func TestCookie_Header(t *testing.T) {
	f := func(s Sticky, secure bool, want string) {
		t.Helper()
		s.Keys = testKeys(t, 1)
		got := string(s.AppendCookie([]byte("x"), 42, testNow, secure))
		value := string(cookieOf(&s, 42, testNow))
		if want = strings.ReplaceAll(want, "VALUE", value); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		if want := fmt.Sprintf("v1.%s.42.%d.", s.Keys.SigningID(), testNow); !strings.HasPrefix(value, want) || len(value) != len(want)+16 {
			t.Errorf("%s, want %s and a tag", value, want)
		}
	}
	f(Sticky{Name: "weir_id"}, false, "xweir_id=VALUE; Max-Age=86400; Path=/; HttpOnly; SameSite=Lax")
	f(Sticky{Name: "id", MaxAge: time.Minute, Path: "/shop", Domain: "example.com"}, true,
		"xid=VALUE; Max-Age=60; Domain=example.com; Path=/shop; HttpOnly; SameSite=Lax; Secure")
}

func TestCookie_Refused(t *testing.T) {
	s := testSticky(t)
	id := s.Keys.SigningID()
	f := func(name string, value []byte, now int64) {
		t.Helper()
		if bucket, ok := s.CheckCookie(value, now); ok || bucket != 0 {
			t.Errorf("%s: %s is accepted as %d", name, value, bucket)
		}
	}
	value := cookieOf(s, 42, testNow)
	f("expired", value, testNow+3601)
	f("from the future", value, testNow-aheadMost-1)
	if bucket, ok := s.CheckCookie(value, testNow-3600); !ok || bucket != 42 {
		t.Errorf("a node whose clock is an hour behind refuses a cookie: %d, %v", bucket, ok)
	}
	other := *s
	other.Keys = testKeys(t, 2)
	f("of another cluster", cookieOf(&other, 42, testNow), testNow)
	f("of another cluster with our id", []byte(strings.Replace(string(cookieOf(&other, 42, testNow)), other.Keys.SigningID(), id, 1)), testNow)
	f("empty", nil, testNow)
	f("dots", []byte("................................"), testNow)
	f("long", bytes.Repeat([]byte("v1."), 1000), testNow)
	f("upper case", bytes.ToUpper(value), testNow)
	f("quoted", []byte(`"`+string(value)+`"`), testNow)
	f("with more", append(bytes.Clone(value), 'x'), testNow)
	f("truncated", value[:len(value)-1], testNow)
	f("other bucket", bytes.Replace(value, []byte(".42."), []byte(".43."), 1), testNow)

	// What another build might sign one day, or a bug of ours.
	f("bucket beyond the last", signed(s, fmt.Sprintf("v1.%s.10000.%d", id, testNow)), testNow)
	f("negative bucket", signed(s, fmt.Sprintf("v1.%s.-1.%d", id, testNow)), testNow)
	f("leading zero", signed(s, fmt.Sprintf("v1.%s.042.%d", id, testNow)), testNow)
	f("no bucket", signed(s, fmt.Sprintf("v1.%s..%d", id, testNow)), testNow)
	f("no issue time", signed(s, fmt.Sprintf("v1.%s.42", id)), testNow)
	f("huge issue time", signed(s, fmt.Sprintf("v1.%s.42.%d", id, int64(1<<62))), testNow)
	f("another version", signed(s, fmt.Sprintf("v2.%s.42.%d", id, testNow)), testNow)
	f("a field too many", signed(s, fmt.Sprintf("v1.%s.42.%d.1", id, testNow)), testNow)
	f("bad pin", signed(s, fmt.Sprintf("v1.%s.42.%d.x.7", id, testNow)), testNow)
	f("three fields too many", signed(s, fmt.Sprintf("v1.%s.42.%d.1.7.9.9", id, testNow)), testNow)
}

func TestCookie_PinnedCarriesItsBucketToo(t *testing.T) {
	s := testSticky(t)
	value := signed(s, fmt.Sprintf("v1.%s.42.%d.1.7", s.Keys.SigningID(), testNow))
	if bucket, ok := s.CheckCookie(value, testNow); !ok || bucket != 42 {
		t.Fatalf("%s: %d %v", value, bucket, ok)
	}
}

func TestCookie_NoFlippedBitIsAccepted(t *testing.T) {
	s := testSticky(t)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		value := cookieOf(s, rng.IntN(Buckets), testNow)
		for range 1 + rng.IntN(3)*rng.IntN(2)*2 { // odd, so that they never undo each other
			value[rng.IntN(len(value))] ^= 1 << rng.IntN(8)
		}
		if bucket, ok := s.CheckCookie(value, testNow); ok {
			t.Fatalf("%q is accepted as %d", value, bucket)
		}
	}
}

func FuzzCookie(f *testing.F) {
	s := testSticky(f)
	f.Add(cookieOf(s, 42, testNow))
	f.Add(signed(s, fmt.Sprintf("v1.%s.42.%d.1.7", s.Keys.SigningID(), testNow)))
	f.Add([]byte("v1.....0123456789abcdef"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, value []byte) {
		if bucket, ok := s.CheckCookie(value, testNow); ok && (bucket < 0 || bucket >= Buckets) {
			t.Fatalf("%q is bucket %d", value, bucket)
		}
		// The same text with a right tag gets to the parser behind it.
		if bucket, ok := s.CheckCookie(signed(s, string(value)), testNow); bucket < 0 || bucket >= Buckets || !ok && bucket != 0 {
			t.Fatalf("%q signed is bucket %d, %v", value, bucket, ok)
		}
	})
}

func TestSticky_BucketsAreEvenAndKeyed(t *testing.T) {
	a, b := testSticky(t), testSticky(t)
	b.Keys = testKeys(t, 2)
	const users = 200_000
	low, same := 0, 0
	for i := range users {
		user := fmt.Appendf(nil, "user-%d", i)
		bucket := a.BucketOf(user)
		if bucket < 500 {
			low++
		}
		if bucket == b.BucketOf(user) {
			same++
		}
	}
	if share := float64(low) / users; share < .048 || share > .052 {
		t.Errorf("%.4f of the users are in 5 %% of the buckets", share)
	}
	if same > 60 { // 20 expected
		t.Errorf("%d users have the same bucket under another salt", same)
	}
}

func TestSticky_AnonymousAgreesForAMinute(t *testing.T) {
	s := testSticky(t)
	f := func(address, agent string, minute int64, same bool) {
		t.Helper()
		first := s.Anonymous([]byte("10.0.0.1"), []byte("curl/8"), 7)
		if got := s.Anonymous([]byte(address), []byte(agent), minute) == first; got != same {
			t.Errorf("%s %s %d: same bucket %v, want %v", address, agent, minute, got, same)
		}
	}
	f("10.0.0.1", "curl/8", 7, true)
	f("10.0.0.1", "curl/8", 8, false)
	f("10.0.0.2", "curl/8", 7, false)
	f("10.0.0.1", "curl/9", 7, false)
	f("10.0.0.1c", "url/8", 7, false)
	f("10.0.0.", "1curl/8", 7, false)
	f("", "10.0.0.1curl/8", 7, false)
	f("curl/8", "10.0.0.1", 7, false)
}
