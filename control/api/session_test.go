package api

import (
	"crypto/sha256"
	"testing"
	"time"
)

func TestSessions_EndAfterTheirLife(t *testing.T) {
	s, now := newSessions(), time.Unix(1000, 0)
	proof := sha256.Sum256([]byte("a token"))
	id := s.open(proof, now)
	if got, ok := s.find(id, now.Add(sessionLife-time.Second)); !ok || got != proof {
		t.Fatal("a session ended before its time")
	}
	if _, ok := s.find(id, now.Add(sessionLife)); ok {
		t.Fatal("a session outlived its time")
	}
	if _, ok := s.find("", now); ok {
		t.Fatal("no id is a session")
	}
	s.end(id)
	if _, ok := s.find(id, now); ok {
		t.Fatal("a session outlived its end")
	}
}

func TestSessions_OfOneHolderPushOutTheirOwn(t *testing.T) {
	s, now := newSessions(), time.Unix(1000, 0)
	other := s.open(sha256.Sum256([]byte("other")), now)
	proof := sha256.Sum256([]byte("a token"))
	first := s.open(proof, now.Add(time.Second))
	second := s.open(proof, now.Add(2*time.Second))
	for range maxOfOneHolder - 1 {
		s.open(proof, now.Add(3*time.Second))
	}
	for id, want := range map[string]bool{other: true, first: false, second: true} {
		if _, ok := s.find(id, now); ok != want {
			t.Errorf("open is %t, want %t", ok, want)
		}
	}
}

func TestSessions_AreBoundedInAll(t *testing.T) {
	s, now := newSessions(), time.Unix(1000, 0)
	for i := range 3 * maxSessions {
		s.open([sha256.Size]byte{byte(i), byte(i >> 8)}, now.Add(time.Duration(i)))
	}
	if len(s.of) > maxSessions {
		t.Fatalf("%d sessions are kept", len(s.of))
	}
	s.open([sha256.Size]byte{}, now.Add(2*sessionLife))
	if len(s.of) != 1 {
		t.Fatalf("%d sessions that are over are kept", len(s.of)-1)
	}
}

func TestOwnPath_NeverLeadsElsewhere(t *testing.T) {
	f := func(path, want string) {
		t.Helper()
		if got := ownPath(path); got != want {
			t.Errorf("%q leads to %q, want %q", path, got, want)
		}
	}
	f("", "/")
	f("/", "/")
	f("/rollouts/shop-1?all=1", "/rollouts/shop-1?all=1")
	f("rollouts", "/")
	f("//evil.example", "/")
	f("///evil.example", "/")
	f("/\\evil.example", "/")
	f("\\\\evil.example", "/")
	f("https://evil.example/", "/")
	f("https:evil", "/")
	f("javascript:alert(1)", "/")
	f("/login", "/")
	f("/a\r\nSet-Cookie: x", "/")
	f("/%2f/evil.example", "/")
}
