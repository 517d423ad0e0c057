package api

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"
)

func TestClients_AreThoseOfTheFileAndGoWithIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clients.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`tokens:
  - {name: shop, role: client, environment: staging, token: the-key-of-the-shop}
  - {name: web, role: client, token: the-key-of-the-web-pages}
  - {name: ana, role: admin, token: the-token-of-ana-herself}
`)
	tokens, err := LoadTokens(file)
	if err != nil {
		t.Fatal(err)
	}
	c := NewClients(tokens, zap.NewNop())
	r := httptest.NewRequest("POST", "/", nil)
	f := func(key, environment string, ok bool) {
		t.Helper()
		if env, got, _ := c.Authorize(key, r); env != environment || got != ok {
			t.Errorf("%q is let in %v for %q, want %v for %q", key, got, env, ok, environment)
		}
	}
	for range 2 { // the second time from what is remembered
		f("the-key-of-the-shop", "staging", true)
		f("the-key-of-the-web-pages", "", true)
	}
	f("the-token-of-ana-herself", "", false) // what a page shows to all must not change anything
	f("", "", false)

	write(`tokens: [{name: web, role: client, token: the-key-of-the-web-pages}]` + "\n")
	deadline := time.Now().Add(10 * time.Second)
	for ok := true; ok; time.Sleep(50 * time.Millisecond) {
		if _, ok, _ = c.Authorize("the-key-of-the-shop", r); time.Now().After(deadline) {
			t.Fatal("a key that was taken out is good for ever")
		}
	}
	f("the-key-of-the-web-pages", "", true)

	for range freeAttempts + 1 {
		c.Authorize("guess", r)
	}
	if _, _, wait := c.Authorize("guess", r); wait <= 0 {
		t.Error("guesses are not slowed down")
	}
	f("the-key-of-the-web-pages", "", true) // from the same address
}
