package call_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/weirproxy/weir/control/call"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.URL
}

func client(t *testing.T) *call.Client {
	t.Helper()
	c := call.NewClient(nil)
	t.Cleanup(c.Close)
	return c
}

func TestClient_SendsAndReads(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", r.Method+" "+r.Host+" "+r.Header.Get("X-Mark")+" "+string(body))
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short and stout")
	})
	a, err := client(t).Do(t.Context(), call.Request{
		Method: http.MethodPost, URL: url, Host: "shop.example.com", Header: http.Header{"X-Mark": {"1"}}, Body: []byte("tea"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Header.Get("X-Seen"); a.Status != http.StatusTeapot || got != "POST shop.example.com 1 tea" || string(a.Body) != "short and stout" || a.Truncated {
		t.Errorf("got %d, %q, %q, truncated %v", a.Status, got, a.Body, a.Truncated)
	}
}

func TestClient_TakesARedirectForAnAnswer(t *testing.T) {
	called := false
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { called = true })
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, http.StatusFound) })
	a, err := client(t).Do(t.Context(), call.Request{URL: url})
	if err != nil || a.Status != http.StatusFound || called {
		t.Errorf("got %d, %v; the redirect was followed: %v", a.Status, err, called)
	}
}

func TestClient_ReadsNoMoreThanAsked(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1000)) })
	a, err := client(t).Do(t.Context(), call.Request{URL: url, MaxAnswer: 10})
	if err != nil || len(a.Body) != 10 || !a.Truncated {
		t.Errorf("got %d bytes, truncated %v, %v", len(a.Body), a.Truncated, err)
	}
	if a, err = client(t).Do(t.Context(), call.Request{URL: url, MaxAnswer: 1000}); err != nil || len(a.Body) != 1000 || a.Truncated {
		t.Errorf("a body as long as asked: got %d bytes, truncated %v, %v", len(a.Body), a.Truncated, err)
	}
}

func TestClient_EndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	url := serve(t, func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := client(t).Do(ctx, call.Request{URL: url}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestClient_ShowsNoAddressInAnError(t *testing.T) {
	for _, url := range []string{"http://127.0.0.1:1/T000/hush", "http://bad host/hush", "ftp://127.0.0.1/hush", "http://hush%zz/"} {
		_, err := client(t).Do(t.Context(), call.Request{URL: url})
		if err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: got %v", url, err)
		}
	}
}

func TestSign_IsVerifiedAndNothingElseIs(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	secret, body := []byte("hush"), []byte(`{"a":1}`)
	header := call.Sign(secret, body, at)
	f := func(name, header string, secret, body []byte, now time.Time, want error) {
		t.Helper()
		if err := call.Verify(header, secret, body, now, time.Minute); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	f("as sent", header, secret, body, at, nil)
	f("a little later", header, secret, body, at.Add(time.Minute), nil)
	f("replayed", header, secret, body, at.Add(2*time.Minute), call.ErrStale)
	f("of the future", header, secret, body, at.Add(-2*time.Minute), call.ErrStale)
	f("another secret", header, []byte("other"), body, at, call.ErrForged)
	f("another body", header, secret, []byte(`{"a":2}`), at, call.ErrForged)
	f("another time", strings.Replace(header, "t=1700000000", "t=1700000001", 1), secret, body, at, call.ErrForged)
	f("none", "", secret, body, at, call.ErrUnsigned)
	f("no hexadecimal", "t=1700000000,v1=xyz", secret, body, at, call.ErrUnsigned)
	f("no time", "v1=00,t=1", secret, body, at, call.ErrUnsigned)
}

// The value is fixed so that a receiver in another language can be checked by it.
func TestSign_HasAKnownValue(t *testing.T) {
	const want = "t=1700000000,v1=7cfd1df542c33ab7251748ffdc6e7fed278c63b83d4ece95a4534b0ad465571b"
	if got := call.Sign([]byte("hush"), []byte(`{"a":1}`), time.Unix(1_700_000_000, 0)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSecrets_ReadsAnewAndStaysInItsFolder(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inside := filepath.Join(dir, "secrets")
	if err := os.Mkdir(inside, 0o700); err != nil {
		t.Fatal(err)
	}
	write("outside", "outside")
	write("secrets/token", " s3cret \n")
	write("secrets/empty", "\n")
	write("secrets/key", "-----BEGIN\nPRIVATE")
	write("secrets/long", strings.Repeat("x", 5000))
	if err := os.Symlink("../outside", filepath.Join(inside, "link")); err != nil {
		t.Fatal(err)
	}
	s := call.Secrets{Dir: inside}
	for want, name := range map[string]string{"s3cret": "token"} {
		if got, err := s.Read(name); got != want || err != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	write("secrets/token", "changed")
	if got, err := s.Read("token"); got != "changed" || err != nil {
		t.Errorf("after a change: got %q, %v", got, err)
	}
	for _, name := range []string{"", "none", "empty", "key", "long", "link", "../outside", filepath.Join(dir, "outside"), "."} {
		if got, err := s.Read(name); err == nil || got != "" || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%q: got %q, %v", name, got, err)
		}
	}
}
