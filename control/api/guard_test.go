package api_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/api/apitest"
)

const (
	viewer   = apitest.Viewer
	operator = apitest.Operator
	admin    = apitest.Admin
)

// writeTokens writes a tokens file with one token of each role.
func writeTokens(t *testing.T) string {
	t.Helper()
	path, err := apitest.WriteTokens(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func loadTokens(t *testing.T, path string) *api.Tokens {
	t.Helper()
	tokens, err := api.LoadTokens(path)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func TestTokens_RolesAreEnforced(t *testing.T) {
	tokens := loadTokens(t, writeTokens(t))
	b := newBench(t, func(o *api.Options) { o.Tokens = tokens })
	bearer := func(token string) string { return "Authorization: Bearer " + token }
	b.want(201, b.do("PUT", "/v1/services/shop", shop, bearer(admin)))
	f := func(method, path, body string, none, asViewer, asOperator, asAdmin int) {
		t.Helper()
		for _, c := range []struct {
			header string
			status int
		}{
			{"X-Other: 1", none},
			{bearer("unknown-0123456789abcdef"), none},
			{"Authorization: Basic " + admin, none},
			{bearer(viewer), asViewer},
			{bearer(operator), asOperator},
			{"Authorization: bearer " + admin, asAdmin},
		} {
			r := b.do(method, path, body, c.header)
			if r.status != c.status {
				t.Errorf("%s %s with %s: %d, want %d: %s", method, path, c.header, r.status, c.status, r.body)
			}
			if (r.status == 401) != (r.header.Get("WWW-Authenticate") != "") {
				t.Errorf("WWW-Authenticate is %q with %d", r.header.Get("WWW-Authenticate"), r.status)
			}
		}
	}
	f("GET", "/v1/services", "", 401, 200, 200, 200)
	f("GET", "/", "", 401, 200, 200, 200)
	f("GET", "/metrics", "", 401, 200, 200, 200)
	f("GET", "/healthz", "", 200, 200, 200, 200)
	f("GET", "/readyz", "", 200, 200, 200, 200)
	f("PUT", "/v1/services/shop/weights", `{"blue":"100%"}`, 401, 403, 200, 200)
	f("POST", "/v1/rollouts/none/abort", "", 401, 403, 404, 404)
	f("PUT", "/v1/services/shop", shop, 401, 403, 403, 200)
	f("DELETE", "/v1/services/none", "", 401, 403, 403, 404)
	b.wantProblem(403, b.do("DELETE", "/v1/services/shop", "", bearer(viewer)), "vera", "viewer", "admin")

	all := b.control.Commands()
	if len(all) == 0 {
		t.Fatal("no command came through")
	}
	b.do("PUT", "/v1/services/shop", shop, bearer(admin), "X-Weir-Actor: somebody else")
	v := b.want(200, reply{status: 200, body: `{"x":` + strings.TrimSpace(b.do("GET", "/v1/audit?limit=1", "", bearer(viewer)).body) + `}`})
	if actor := v["x"].([]any)[0].(map[string]any)["actor"]; actor != "ada" {
		t.Fatalf("the actor is %v, not the token's", actor)
	}
}

func TestTokens_AreReadAgainWhenTheFileChanges(t *testing.T) {
	path := writeTokens(t)
	core, logs := observer.New(zap.WarnLevel)
	tokens := loadTokens(t, path)
	b := newBench(t, func(o *api.Options) { o.Tokens, o.Log = tokens, zap.New(core) })
	ask := func(status int, token string) {
		t.Helper()
		if r := b.do("GET", "/v1/nodes", "", "Authorization: Bearer "+token); r.status != status {
			t.Fatalf("%d, want %d: %s", r.status, status, r.body)
		}
	}
	replace := func(text string, age time.Duration) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	ask(200, viewer)
	replace("tokens: [{name: vera, role: viewer, token: another-0123456789abcdef}]", time.Hour)
	ask(401, viewer)
	ask(200, "another-0123456789abcdef")

	replace("tokens: [", 30*time.Minute)
	ask(200, "another-0123456789abcdef")
	ask(200, "another-0123456789abcdef")
	if n := logs.FilterMessage("tokens file is not in use").Len(); n != 1 {
		t.Fatalf("a bad file was logged %d times, want once", n)
	}
}

func TestTokens_BadFilesSayWhatToWrite(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "tokens.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := api.LoadTokens(path)
		if err == nil {
			t.Fatalf("taken: %s", text)
		}
		for _, w := range append(want, path) {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q is not in %q", w, err)
			}
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error shows a token: %q", err)
		}
	}
	f("", "no tokens")
	f("tokens: []", "no tokens")
	f("tokns: []", "tokns")
	f("tokens:\n  - name: a\n    roel: viewer\n    token: secret-0123456789\n", "roel")
	f("tokens:\n  - name: a\n    role: viewer\n    token: secret-0123456789\n   x: [", "")
	f("tokens: [{role: viewer, token: secret-0123456789}]", "tokens[0]", "name")
	f("tokens: [{name: a, role: root, token: secret-0123456789}]", "root", "viewer, operator or admin")
	f("tokens: [{name: a, role: viewer}]", "exactly one")
	f("tokens: [{name: a, role: viewer, token: secret-0123456789, token_sha256: aa}]", "exactly one")
	f("tokens: [{name: a, role: viewer, token: short}]", "16 characters")
	f("tokens: [{name: a, role: viewer, token_sha256: zz}]", "sha256sum")
	f("tokens: [{name: a, role: viewer, token: secret-0123456789}, {name: a, role: admin, token: secret-9876543210}]", "tokens[1]", "twice")
	f("tokens: [{name: a, role: viewer, token: secret-0123456789}, {name: b, role: admin, token: secret-0123456789}]", "same token")
	if _, err := api.LoadTokens(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Fatal("a file that is not there was read")
	}
}

func TestGuard_BrowsersFromElsewhereChangeNothing(t *testing.T) {
	b := withShop(t)
	before := len(b.control.Commands())
	f := func(headers ...string) {
		t.Helper()
		b.wantProblem(403, b.do("PUT", "/v1/services/shop/weights", `{"green":"100%"}`, headers...))
	}
	f("Sec-Fetch-Site: cross-site")
	f("Sec-Fetch-Site: same-site")
	f("Origin: https://evil.example")
	f("Origin: null")
	f("Host: evil.example:9797")
	f("Host: 127.0.0.1.evil.example")
	b.wantProblem(403, b.do("GET", "/v1/services", "", "Host: evil.example"), "tokens")
	if n := len(b.control.Commands()); n != before {
		t.Fatalf("%d commands came through", n-before)
	}
	b.want(200, b.do("PUT", "/v1/services/shop/weights", `{"green":"100%"}`, "Sec-Fetch-Site: same-origin", "Origin: http://127.0.0.1:9797"))
	for _, host := range []string{"localhost", "localhost:9797", "[::1]:9797", "127.0.0.1"} {
		if r := b.do("GET", "/v1/services", "", "Host: "+host); r.status != 200 {
			t.Fatalf("%s: %d", host, r.status)
		}
	}
	r := b.do("GET", "/v1/services", "", "Origin: https://evil.example", "Sec-Fetch-Site: cross-site")
	for name := range r.header {
		if strings.HasPrefix(name, "Access-Control") {
			t.Fatalf("%s lets a foreign page read", name)
		}
	}
}

func TestGuard_AnyNameWithTokens(t *testing.T) {
	tokens := loadTokens(t, writeTokens(t))
	b := newBench(t, func(o *api.Options) { o.Tokens = tokens })
	if r := b.do("GET", "/v1/services", "", "Host: weir.example.com", "Authorization: Bearer "+viewer); r.status != 200 {
		t.Fatalf("%d: %s", r.status, r.body)
	}
}

func TestGuard_BodiesAreBoundedAndNeverDecompressed(t *testing.T) {
	b := newBench(t)
	b.wantProblem(415, b.do("PUT", "/v1/services/shop", shop, "Content-Encoding: gzip"), "gzip")
	large := string(bytes.Repeat([]byte("#"), 1<<20)) + "\n" + shop
	b.wantProblem(413, b.do("PUT", "/v1/services/shop", large))
	if n := len(b.control.Commands()); n != 0 {
		t.Fatalf("%d commands came through", n)
	}
}

func TestCheckAddress_OnlyLoopbackWithoutTokens(t *testing.T) {
	tokens := loadTokens(t, writeTokens(t))
	f := func(address string, tokens *api.Tokens, good bool) {
		t.Helper()
		err := api.CheckAddress(address, tokens)
		if (err == nil) != good {
			t.Fatalf("%s: %v", address, err)
		}
		if err != nil && !strings.Contains(err.Error(), address) {
			t.Fatalf("%s is not in %q", address, err)
		}
	}
	f("127.0.0.1:9797", nil, true)
	f("127.8.9.1:9797", nil, true)
	f("[::1]:9797", nil, true)
	f("[::ffff:127.0.0.1]:9797", nil, true)
	f("localhost:9797", nil, true)
	f(":9797", nil, false)
	f("0.0.0.0:9797", nil, false)
	f("[::]:9797", nil, false)
	f("10.0.0.1:9797", nil, false)
	f("localhost.evil.example:9797", nil, false)
	f("127.0.0.1", nil, false)
	f("0.0.0.0:9797", tokens, true)
}
