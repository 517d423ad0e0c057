package api_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
)

// withPages has a page for each thing that the API leads a person to.
func withPages(t *testing.T, tokens *api.Tokens, edits ...func(*api.Options)) *bench {
	t.Helper()
	b := newBench(t, append(edits, func(o *api.Options) { o.Tokens = tokens })...)
	show := func(w http.ResponseWriter, r *http.Request, who api.Person) {
		_, _ = io.WriteString(w, r.URL.Path+" for "+who.Name+", "+who.Role.String())
	}
	a := b.handler.(*api.API)
	a.Mount(api.Pages{
		Home: show,
		Show: map[string]api.Page{"GET /services/{name}": show},
		Open: map[string]http.HandlerFunc{"GET /assets/app.css": func(http.ResponseWriter, *http.Request) {}},
		Login: func(w http.ResponseWriter, status int, l api.Login) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "login "+l.Next+" "+l.Problem)
		},
		Again: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "once more") },
	})
	return b
}

// logIn returns the cookie of a new session, as a browser sends it.
func (b *bench) logIn(token string, headers ...string) string {
	b.t.Helper()
	r := b.do("POST", "/login", "token="+token+"&next=/services/shop", append(headers, "Content-Type: application/x-www-form-urlencoded")...)
	if r.status != 303 || r.header.Get("Location") != "/services/shop" {
		b.t.Fatalf("%d to %q: %s", r.status, r.header.Get("Location"), r.body)
	}
	cookie, err := http.ParseSetCookie(r.header.Get("Set-Cookie"))
	if err != nil {
		b.t.Fatal(err)
	}
	return "Cookie: " + cookie.Name + "=" + cookie.Value
}

const fromOwnPage = "Sec-Fetch-Site: same-origin"

func TestLogin_TheCookieIsOutOfReachOfPagesAndOtherSites(t *testing.T) {
	b := withPages(t, loadTokens(t, writeTokens(t)))
	form := strings.NewReader("token=" + operator)
	f := func(url, name string, secure bool) {
		t.Helper()
		form.Reset("token=" + operator)
		r := httptest.NewRequest("POST", url, form)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		c := w.Result().Cookies()
		if len(c) != 1 {
			t.Fatalf("%d cookies", len(c))
		}
		if c[0].Name != name || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode || c[0].Secure != secure || c[0].Path != "/" || c[0].Domain != "" {
			t.Errorf("the cookie is %s", c[0])
		}
		if c[0].MaxAge < 3600 || c[0].MaxAge > 12*3600 || strings.Contains(c[0].Raw, operator) || len(c[0].Value) < 40 {
			t.Errorf("the cookie is %s", c[0])
		}
	}
	f("http://127.0.0.1:9797/login", "weir", false)
	plain := b
	b = withPages(t, loadTokens(t, writeTokens(t)), func(o *api.Options) { o.HTTPS = true })
	f("http://weir.example.com/login", "__Host-weir", true)
	f("http://127.0.0.1:9797/login", "__Host-weir", true) // a load balancer that sets its own Host
	if r := b.do("GET", "/v1/services", "", b.logIn(viewer), fromOwnPage); r.status != 200 {
		t.Errorf("behind a load balancer the session is not found: %d", r.status)
	}
	if cookie := plain.logIn(viewer, "X-Forwarded-Proto: https"); !strings.HasPrefix(cookie, "Cookie: weir=") {
		t.Errorf("a header decides the name of the cookie: %s", cookie)
	}
	b = plain
	f("https://edge.example.com:9797/login", "__Host-weir", true)
}

func TestLogin_ASessionMayDoWhatItsTokenMay(t *testing.T) {
	b := withPages(t, loadTokens(t, writeTokens(t)))
	b.want(201, b.do("PUT", "/v1/services/shop", shop, "Authorization: Bearer "+admin))
	f := func(method, path, body, cookie string, want int) {
		t.Helper()
		if r := b.do(method, path, body, cookie, fromOwnPage); r.status != want {
			t.Errorf("%s %s: %d, want %d: %s", method, path, r.status, want, r.body)
		}
	}
	reads, moves := b.logIn(viewer), b.logIn(operator)
	f("GET", "/v1/services", "", reads, 200)
	f("PUT", "/v1/services/shop/weights", `{"blue":"100%"}`, reads, 403)
	f("PUT", "/v1/services/shop/weights", `{"blue":"100%"}`, moves, 200)
	f("DELETE", "/v1/services/shop", "", moves, 403)
	f("GET", "/v1/services", "", "Cookie: weir=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 401)
	f("GET", "/v1/services", "", "Cookie: weir=", 401)
	if cmd := lastCommand[control.SetWeights](b); cmd.Actor != "olaf" {
		t.Fatalf("the actor is %q", cmd.Actor)
	}
	if r := b.do("GET", "/services/shop", "", reads, fromOwnPage); r.body != "/services/shop for vera, viewer" {
		t.Fatalf("%d %s", r.status, r.body)
	}
}

func TestLogin_ASessionIsTakenFromOwnPagesAlone(t *testing.T) {
	b := withPages(t, loadTokens(t, writeTokens(t)))
	b.want(201, b.do("PUT", "/v1/services/shop", shop, "Authorization: Bearer "+admin))
	cookie := b.logIn(operator)
	before := len(b.control.Commands())
	f := func(method string, want int, headers ...string) {
		t.Helper()
		body := ""
		if method != "GET" {
			body = `{"blue":"100%"}`
		}
		if r := b.do(method, "/v1/services/shop/weights", body, append(headers, cookie)...); r.status != want {
			t.Errorf("%s with %q: %d, want %d: %s", method, headers, r.status, want, r.body)
		}
	}
	f("PUT", 403)
	f("PUT", 403, "Sec-Fetch-Site: none")
	f("PUT", 403, "Sec-Fetch-Site: same-site")
	f("PUT", 403, "Sec-Fetch-Site: cross-site")
	f("PUT", 403, "Origin: http://127.0.0.1:3000")
	f("PUT", 403, "Origin: null")
	f("GET", 403, "Sec-Fetch-Site: same-site")
	f("GET", 403, "Sec-Fetch-Site: cross-site")
	f("GET", 403, "Origin: http://127.0.0.1:3000")
	if n := len(b.control.Commands()) - before; n != 0 {
		t.Fatalf("%d commands came through", n)
	}
	f("PUT", 200, fromOwnPage)
	f("PUT", 200, "Origin: http://127.0.0.1:9797")
	f("GET", 200, "Sec-Fetch-Site: none")
	f("GET", 200)
}

func TestLogin_ASessionEndsWithItsToken(t *testing.T) {
	path := writeTokens(t)
	b := withPages(t, loadTokens(t, path))
	cookie := b.logIn(operator)
	age := time.Hour
	replace := func(text string, want int) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		age -= time.Minute
		at := time.Now().Add(-age)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
		if r := b.do("POST", "/v1/rollouts/none/abort", "", cookie, fromOwnPage); r.status != want {
			t.Fatalf("%d, want %d: %s", r.status, want, r.body)
		}
	}
	replace("tokens: [{name: olaf, role: operator, token: "+operator+"}]", 404)
	replace("tokens: [{name: olaf, role: viewer, token: "+operator+"}]", 403)
	replace("tokens: [{name: olaf, role: operator, token: another-0123456789abcdef}]", 401)
	replace("tokens: [{name: olaf, role: operator, token: "+operator+"}]", 404)
	replace("tokens: [{name: vera, role: viewer, token: another-0123456789abcdef}]", 401)
}

func TestLogin_LogOutEndsTheSessionItself(t *testing.T) {
	b := withPages(t, loadTokens(t, writeTokens(t)))
	cookie := b.logIn(operator)
	r := b.do("POST", "/logout", "", cookie, fromOwnPage)
	if c, err := http.ParseSetCookie(r.header.Get("Set-Cookie")); r.status != 303 || err != nil || c.MaxAge >= 0 || c.Value != "" {
		t.Fatalf("%d %q", r.status, r.header.Get("Set-Cookie"))
	}
	if r := b.do("GET", "/v1/services", "", cookie, fromOwnPage); r.status != 401 {
		t.Fatalf("a copy of the cookie still opens the door: %d", r.status)
	}
	cookie = b.logIn(operator)
	next := b.logIn(operator, cookie, fromOwnPage)
	if r := b.do("GET", "/v1/services", "", cookie, fromOwnPage); r.status != 401 {
		t.Fatalf("the session outlived the next login: %d", r.status)
	}
	if r := b.do("GET", "/v1/services", "", next, fromOwnPage); r.status != 200 {
		t.Fatalf("the next session: %d", r.status)
	}
}

func TestLogin_FailuresAreLimitedAndTellNothing(t *testing.T) {
	b := withPages(t, loadTokens(t, writeTokens(t)))
	try := func(token string) reply {
		return b.do("POST", "/login", "token="+token, "Content-Type: application/x-www-form-urlencoded")
	}
	for range 10 {
		if r := try("unknown-0123456789abcdef"); r.status != 401 || r.header.Get("Set-Cookie") != "" || strings.Contains(r.body, "unknown-0") {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	if r := try("unknown-0123456789abcdef"); r.status != 429 || r.header.Get("Retry-After") == "" {
		t.Fatalf("after ten failures: %d", r.status)
	}
	b.logIn(viewer)
	if r := try(strings.Repeat("x", 8<<10)); r.status != 400 {
		t.Fatalf("a large form: %d", r.status)
	}
	if r := b.do("POST", "/login?token="+viewer, "", "Content-Type: application/x-www-form-urlencoded"); r.header.Get("Set-Cookie") != "" {
		t.Fatal("a token was taken from the URL, which ends up in logs")
	}
	if r := b.do("POST", "/login", "token="+viewer, "Content-Type: application/x-www-form-urlencoded", "Origin: https://evil.example"); r.status != 403 {
		t.Fatalf("a login by another site's page: %d", r.status)
	}
}

func TestPages_LeadToTheLogin(t *testing.T) {
	b := withPages(t, loadTokens(t, writeTokens(t)))
	f := func(path, want string, headers ...string) {
		t.Helper()
		r := b.do("GET", path, "", append(headers, "Accept: text/html,*/*")...)
		got := r.header.Get("Location")
		if r.status == 200 {
			got = r.body
		}
		if got != want || r.header.Get("WWW-Authenticate") != "" {
			t.Errorf("%s: %d %q, want %q", path, r.status, got, want)
		}
	}
	f("/", "/login?next=%2F")
	f("/services/shop?x=1", "/login?next=%2Fservices%2Fshop%3Fx%3D1")
	f("/services/shop", "once more", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate")
	f("/services/shop", "/login?next=%2Fservices%2Fshop", fromOwnPage, "Sec-Fetch-Mode: navigate")
	f("/login?next=/services/shop", "login /services/shop ")
	f("/login?next=//evil.example", "login / ")
	f("/assets/app.css", "")
	cookie := b.logIn(viewer)
	f("/services/shop", "once more", cookie, "Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: navigate")
	f("/", "/ for vera, viewer", cookie, "Sec-Fetch-Site: none")
	f("/", "/ for ada, admin", "Authorization: Bearer "+admin)
}

func TestPages_NeedNoLoginWithoutTokens(t *testing.T) {
	b := withPages(t, nil)
	if r := b.do("GET", "/", "", "Accept: text/html"); r.body != "/ for local, admin" || r.header.Get("Vary") != "Accept" {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if r := b.do("GET", "/", "", "Accept: */*"); !strings.Contains(r.body, `"links"`) || r.header.Get("Vary") != "Accept" {
		t.Fatalf("a script gets %s", r.body)
	}
	b.wantProblem(403, b.do("GET", "/", "", "Accept: text/html", "Host: evil.example"), "evil.example")
	b.wantProblem(403, b.do("GET", "/services/shop", "", "Host: evil.example"), "evil.example")
	if r := b.do("GET", "/login?next=/services/shop", ""); r.status != 303 || r.header.Get("Location") != "/services/shop" {
		t.Fatalf("%d %q", r.status, r.header.Get("Location"))
	}
	if r := b.do("POST", "/login", "token=x", "Content-Type: application/x-www-form-urlencoded"); r.header.Get("Set-Cookie") != "" {
		t.Fatal("a session without tokens")
	}
}
