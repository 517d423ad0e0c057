package route

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestKeyring_RoundTrip(t *testing.T) {
	random := rand.NewChaCha8([32]byte{3})
	keys := testKeys(t, 1)
	keys, id, err := keys.WithKey(random, testNow)
	if err != nil {
		t.Fatal(err)
	}
	if keys, err = keys.Signing(id, testNow); err != nil {
		t.Fatal(err)
	}
	data, err := keys.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := ParseKeyring(data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := parsed.Marshal()
	if err != nil || !bytes.Equal(again, data) {
		t.Fatalf("%s, want %s: %v", again, data, err)
	}
	a, b := Sticky{Keys: keys}, Sticky{Keys: parsed}
	if a.BucketOf([]byte("x")) != b.BucketOf([]byte("x")) || !bytes.Equal(cookieOf(&a, 1, testNow), cookieOf(&b, 1, testNow)) {
		t.Fatalf("the parsed keyring signs or hashes otherwise")
	}
}

// TestKeyring_Rotation follows the three steps with a cookie jar and two nodes,
// one a step behind the other.
func TestKeyring_Rotation(t *testing.T) {
	s := testSticky(t) // max_age 1h
	first := s.Keys
	second, id, err := first.WithKey(rand.NewChaCha8([32]byte{4}), testNow)
	if err != nil {
		t.Fatal(err)
	}
	if second.SigningID() != first.SigningID() {
		t.Fatalf("a new key signs at once")
	}
	third, err := second.Signing(id, testNow)
	if err != nil || third.SigningID() != id {
		t.Fatalf("%v", err)
	}
	node := func(keys *Keyring) *Sticky { n := *s; n.Keys = keys; return &n }
	f := func(name string, issuer *Keyring, issued int64, checker *Keyring, now int64, want bool) {
		t.Helper()
		if bucket, ok := node(checker).CheckCookie(cookieOf(node(issuer), 7, issued), now); ok != want || ok && bucket != 7 {
			t.Errorf("%s: bucket %d, %v", name, bucket, ok)
		}
	}
	f("known before it signs", third, testNow, second, testNow, true)
	f("old key, from before", first, testNow-10, third, testNow, true)
	f("old key, until max_age", first, testNow-10, third, testNow+3580, true)
	f("old key, after max_age", first, testNow-10, third, testNow+3591, false)
	f("old key, of a node that lags", second, testNow+5, third, testNow+6, true)
	f("stolen old key", first, testNow+1000, third, testNow+1001, false)
	if _, err := third.Signing(first.SigningID(), testNow); err == nil {
		t.Errorf("a retired key signs again")
	}
	if _, err := third.Signing("none", testNow); err == nil {
		t.Errorf("an unknown key signs")
	}

	pruned := third.Pruned(testNow + clockSkew)
	if len(pruned.keys) != 2 || len(third.Pruned(testNow+clockSkew+1).keys) != 1 {
		t.Fatalf("%d and %d keys are left", len(pruned.keys), len(third.Pruned(testNow+clockSkew+1).keys))
	}
	f("pruned old key", first, testNow-10, third.Pruned(testNow+clockSkew+1), testNow, false)
	f("new key after pruning", third, testNow, third.Pruned(testNow+clockSkew+1), testNow, true)
	f("signed after pruning", third.Pruned(testNow+clockSkew+1), testNow, third, testNow, true)
	f("salt stays", first, testNow-10, pruned, testNow, true)
}

func TestKeyring_SameHashesThroughRotation(t *testing.T) {
	first := testKeys(t, 1)
	second, id, _ := first.WithKey(rand.NewChaCha8([32]byte{4}), testNow)
	second, _ = second.Signing(id, testNow)
	a, b := Sticky{Keys: first}, Sticky{Keys: second.Pruned(testNow + int64(time.Hour))}
	for _, user := range []string{"", "a", "user-1"} {
		if a.BucketOf([]byte(user)) != b.BucketOf([]byte(user)) {
			t.Errorf("%q moved", user)
		}
	}
}

func TestKeyring_HasABound(t *testing.T) {
	keys, random := testKeys(t, 1), rand.NewChaCha8([32]byte{5})
	var err error
	for range MaxKeys - 1 {
		if keys, _, err = keys.WithKey(random, testNow); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err = keys.WithKey(random, testNow); err == nil {
		t.Fatalf("%d keys", MaxKeys+1)
	}
	data, err := keys.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseKeyring(data); err != nil {
		t.Fatal(err)
	}
}

func TestNewKeyring_NeedsRandomBytes(t *testing.T) {
	for _, random := range []string{"", "short", strings.Repeat("x", 31), strings.Repeat("\x00", 32)} {
		if _, err := NewKeyring(strings.NewReader(random)); err == nil {
			t.Errorf("%d bytes of %.1q made a keyring", len(random), random)
		}
	}
}

func TestParseKeyring_Refuses(t *testing.T) {
	data, err := testKeys(t, 1).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	f := func(change func(*storedKeyring), want string) {
		t.Helper()
		var stored storedKeyring
		if err := json.Unmarshal(data, &stored); err != nil {
			t.Fatal(err)
		}
		change(&stored)
		changed, err := json.Marshal(stored)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseKeyring(changed); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f(func(s *storedKeyring) { s.Signing = "other" }, `no signing key "other"`)
	f(func(s *storedKeyring) { s.Keys = nil }, "no signing key")
	f(func(s *storedKeyring) { s.Salt = nil }, "salt: 0 bytes")
	f(func(s *storedKeyring) { s.Salt = make([]byte, 16) }, "all zero")
	f(func(s *storedKeyring) { s.Keys[0].Secret = s.Keys[0].Secret[:8] }, "8 bytes")
	f(func(s *storedKeyring) { s.Keys[0].Secret = make([]byte, 16) }, "all zero")
	f(func(s *storedKeyring) { s.Keys = append(s.Keys, s.Keys[0]) }, "there twice")
	f(func(s *storedKeyring) { s.Keys[0].ID = "a.b" }, `"a.b" is invalid`)
	f(func(s *storedKeyring) { s.Keys[0].ID = "" }, `"" is invalid`)
	f(func(s *storedKeyring) { s.Keys[0].ID = "toolongid" }, "is invalid")
	f(func(s *storedKeyring) { s.Keys[0].Retired = 1 }, "retired at 1")
	f(func(s *storedKeyring) { s.Keys[0].Added = -1 }, "added at -1")
	f(func(s *storedKeyring) { s.Keys = make([]storedKey, MaxKeys+1) }, "at most 16")
	for _, text := range []string{"", "null", "[]", "{", `{"keys":1}`} {
		if _, err := ParseKeyring([]byte(text)); err == nil {
			t.Errorf("%q is a keyring", text)
		}
	}
}

func FuzzKeyring(f *testing.F) {
	data, err := testKeys(f, 1).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("{}"))
	f.Add([]byte(`{"signing":"a","keys":[{"id":"a","secret":"AAAAAAAAAAAAAAAAAAAAAQ=="}],"salt":"AAAAAAAAAAAAAAAAAAAAAQ=="}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := ParseKeyring(data)
		if err != nil {
			return
		}
		s := Sticky{Keys: keys}
		if bucket, ok := s.CheckCookie(cookieOf(&s, 9, testNow), testNow); !ok || bucket != 9 {
			t.Fatalf("a keyring that does not verify what it signs: %s", data)
		}
		if stored, err := keys.Marshal(); err != nil {
			t.Fatal(err)
		} else if _, err := ParseKeyring(stored); err != nil {
			t.Fatalf("%s does not come back: %v", stored, err)
		}
	})
}
