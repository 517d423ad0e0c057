package api_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weirproxy/weir/control/api"
)

// TestRoles_OfEveryOperationAreEnforced goes by the description: who has less
// than what an operation asks for never reaches it.
func TestRoles_OfEveryOperationAreEnforced(t *testing.T) {
	tokens := loadTokens(t, writeTokens(t))
	b := newBench(t, func(o *api.Options) { o.Tokens = tokens })
	param := regexp.MustCompile(`\{[^}]*\}`)
	role := regexp.MustCompile(` Role: (\w+)\.$`)
	secrets := []string{"", viewer, operator, admin}
	rank := map[string]int{"viewer": 1, "operator": 2, "admin": 3}
	table := "| operation | role |\n|---|---|\n"
	all := operations(b.want(200, b.do("GET", "/openapi.json", "")))
	for _, name := range slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return strings.Compare(strings.Split(a, " ")[1]+a, strings.Split(b, " ")[1]+b)
	}) {
		method, path, _ := strings.Cut(name, " ")
		need := 0
		asked := "none"
		if m := role.FindStringSubmatch(all[name]["description"].(string)); m != nil {
			asked, need = m[1], rank[m[1]]
		}
		table += fmt.Sprintf("| `%s` | %s |\n", name, asked)
		if (need > 0) != (all[name]["security"] != nil) {
			t.Errorf("%s: the description's role and security differ", name)
		}
		for have := range need {
			want := http.StatusForbidden
			header := "Authorization: Bearer " + secrets[have]
			if have == 0 {
				want, header = http.StatusUnauthorized, "X-Other: 1"
			}
			if r := b.do(method, param.ReplaceAllString(path, "none"), "{}", header); r.status != want {
				t.Errorf("%s with %s: %d, want %d", name, header, r.status, want)
			}
		}
	}
	if n := len(b.control.Commands()); n != 0 {
		t.Errorf("%d commands came through", n)
	}
	const golden = "testdata/roles.md"
	if *rewrite {
		if err := os.WriteFile(golden, []byte(table), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != table {
		t.Fatalf("who may do what changed. If it should, run `go test ./control/api -rewrite` and review the difference:\n%s", table)
	}
}

func TestFailures_AreSlowedDownButAGoodTokenNever(t *testing.T) {
	tokens := loadTokens(t, writeTokens(t))
	b := newBench(t, func(o *api.Options) { o.Tokens = tokens })
	ask := func(from, token string) reply {
		r := httptest.NewRequest("GET", "http://127.0.0.1:9797/v1/nodes", http.NoBody)
		r.RemoteAddr = from
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		return reply{w.Code, w.Header(), w.Body.String()}
	}
	for i := range 10 {
		if r := ask("192.0.2.1:1000", "unknown-0123456789abcdef"); r.status != 401 {
			t.Fatalf("failure %d: %d", i, r.status)
		}
	}
	r := ask("192.0.2.1:2000", "unknown-0123456789abcdef")
	if seconds, err := strconv.Atoi(r.header.Get("Retry-After")); r.status != 429 || err != nil || seconds < 1 || seconds > 6 {
		t.Fatalf("after ten failures: %d, Retry-After %q", r.status, r.header.Get("Retry-After"))
	}
	if r := ask("192.0.2.1:3000", viewer); r.status != 200 {
		t.Fatalf("a good token from the same address: %d", r.status)
	}
	if r := ask("192.0.2.2:1000", "unknown-0123456789abcdef"); r.status != 401 {
		t.Fatalf("another address: %d", r.status)
	}
	for i := range 11 {
		r = ask(fmt.Sprintf("[2001:db8::%x]:1", i+1), "unknown-0123456789abcdef")
	}
	if r.status != 429 {
		t.Fatalf("eleven addresses of one IPv6 network: %d", r.status)
	}
}

func TestCertificates_NameWhoIsBehindThem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	text := "tokens:\n" +
		"  - {name: ci, role: operator, certificate: ci.example.com}\n" +
		"  - {name: probe, role: viewer, certificate: spiffe://example.com/probe}\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	tokens := loadTokens(t, path)
	b := withShop(t)
	guarded := api.New(api.Options{Control: b.control, Tokens: tokens})
	f := func(leaf *x509.Certificate, verified bool, method string, want int) {
		t.Helper()
		r := httptest.NewRequest(method, "https://edge:9797/v1/services/shop/weights", strings.NewReader(`{"blue":"100%"}`))
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
		if verified {
			r.TLS.VerifiedChains = [][]*x509.Certificate{{leaf}}
		}
		w := httptest.NewRecorder()
		guarded.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s by %v: %d, want %d: %s", method, leaf.Subject, w.Code, want, w.Body)
		}
	}
	named := func(cn string, dns ...string) *x509.Certificate {
		return &x509.Certificate{Subject: pkix.Name{CommonName: cn}, DNSNames: dns}
	}
	uri, err := url.Parse("spiffe://example.com/probe")
	if err != nil {
		t.Fatal(err)
	}
	probe := &x509.Certificate{URIs: []*url.URL{uri}}
	f(named("ci.example.com"), true, "PUT", 200)
	f(named("other", "a.example.com", "ci.example.com"), true, "PUT", 200)
	f(named("ci.example.com"), false, "PUT", 401)
	f(named("CI.example.com.evil"), true, "PUT", 401)
	f(named(""), true, "PUT", 401)
	f(probe, true, "GET", 200)
	f(probe, true, "PUT", 403)
}

func TestNewToken_IsLetInByItsLine(t *testing.T) {
	secret, line, err := api.NewToken("ana: {", api.Operator)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "tokens.yaml")
	if err := os.WriteFile(path, []byte("tokens:\n"+line+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(line, secret) {
		t.Fatal("the line holds the secret")
	}
	tokens := loadTokens(t, path)
	b := newBench(t, func(o *api.Options) { o.Tokens = tokens })
	if r := b.do("GET", "/v1/nodes", "", "Authorization: Bearer "+secret); r.status != 200 {
		t.Fatalf("the new token: %d: %s", r.status, r.body)
	}
	if _, _, err := api.NewToken("\n", api.Viewer); err == nil {
		t.Fatal("a name with a line break was taken")
	}
}

func TestTokens_InTheClearAreOnlyForTheirOwner(t *testing.T) {
	path := writeTokens(t)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := api.LoadTokens(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Fatalf("a file that others may read: %v", err)
	}
}
