package route

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func testRoute(service string) *Route { return &Route{Service: &Service{Name: service}} }

// headersOf returns a Request.Header that looks names up as HTTP does.
func headersOf(headers map[string]string) func(string) []byte {
	return func(name string) []byte {
		for n, v := range headers {
			if strings.EqualFold(n, name) {
				return append([]byte{}, v...)
			}
		}
		return nil
	}
}

func mustTable(t testing.TB, rules []Rule) *Table {
	t.Helper()
	table, err := NewTable(1, rules)
	if err != nil {
		t.Fatalf("cannot make the table: %v", err)
	}
	return table
}

func TestTable_Precedence(t *testing.T) {
	rules := []Rule{
		{Path: "/", Route: testRoute("any")},
		{Path: "/search/", Route: testRoute("search")},
		{Path: "/search/", Methods: []string{"POST", "PUT"}, Route: testRoute("search-post")},
		{Path: "/search", Headers: map[string]string{"x-beta": "1"}, Route: testRoute("search-beta")},
		{Path: "/search", Headers: map[string]string{"x-beta": "1", "x-team": "a"}, Route: testRoute("search-team")},
		{Path: "/search", Headers: map[string]string{"x-beta": "2"}, Route: testRoute("search-beta2")},
		{Host: "shop.example.com", Path: "/cart/items", Route: testRoute("items")},
		{Host: "shop.example.com", Path: "/cart", Route: testRoute("cart")},
		{Host: "*.example.com", Path: "/", Route: testRoute("wild")},
		{Host: "*.eu.example.com", Path: "/cart", Route: testRoute("wild-eu-cart")},
		{Host: "example.com", Path: "/a%2Fb", Route: testRoute("encoded")},
		{Host: "[::1]", Route: testRoute("v6")},
		{Host: "[::1]", Headers: map[string]string{"X-Empty": ""}, Route: testRoute("v6-empty")},
		{Host: "127.0.0.1", Route: testRoute("v4")},
	}
	table := mustTable(t, rules)
	f := func(method, host, path string, headers map[string]string, want string) {
		t.Helper()
		got := "none"
		if r := table.Match(&Request{Host: []byte(host), Path: []byte(path), Method: []byte(method), Header: headersOf(headers)}); r != nil {
			got = r.Service.Name
		}
		if got != want {
			t.Errorf("%s %s%s %v: %s, want %s", method, host, path, headers, got, want)
		}
	}
	f("GET", "other.org", "/", nil, "any")
	f("GET", "", "/x", nil, "any")
	f("OPTIONS", "other.org", "*", nil, "any")

	// Segment borders.
	f("GET", "other.org", "/search", nil, "search")
	f("GET", "other.org", "/search/", nil, "search")
	f("GET", "other.org", "/search/a/b", nil, "search")
	f("GET", "other.org", "/searching", nil, "any")
	f("GET", "other.org", "/Search", nil, "any")
	f("GET", "other.org", "//search", nil, "any")

	// Methods, then headers.
	f("POST", "other.org", "/search", nil, "search-post")
	f("POST", "other.org", "/search", map[string]string{"X-Beta": "1"}, "search-post")
	f("post", "other.org", "/search", nil, "search")
	f("GET", "other.org", "/search", map[string]string{"X-Beta": "1"}, "search-beta")
	f("GET", "other.org", "/search", map[string]string{"X-Beta": "2"}, "search-beta2")
	f("GET", "other.org", "/search", map[string]string{"X-Beta": "1", "X-Team": "a"}, "search-team")
	f("GET", "other.org", "/search", map[string]string{"X-Beta": ""}, "search")

	// Hosts: exact, longest wildcard, any; the path only within.
	f("GET", "shop.example.com", "/cart/items/7", nil, "items")
	f("GET", "shop.example.com", "/cart/item", nil, "cart")
	f("GET", "shop.example.com", "/search", nil, "wild")
	f("GET", "a.eu.example.com", "/cart/x", nil, "wild-eu-cart")
	f("GET", "a.b.eu.example.com", "/cart/x", nil, "wild-eu-cart")
	f("GET", "a.eu.example.com", "/", nil, "wild")
	f("GET", "eu.example.com", "/cart", nil, "wild")
	f("GET", "example.com", "/cart", nil, "any")
	f("GET", "notexample.com", "/", nil, "any")

	// Spelling of the host.
	f("GET", "SHOP.Example.COM:8443", "/cart", nil, "cart")
	f("GET", "shop.example.com.", "/cart", nil, "cart")
	f("GET", "shop.example.com.:80", "/cart", nil, "cart")
	f("GET", ".example.com", "/", nil, "any")
	f("GET", "a..example.com", "/", nil, "any")
	f("GET", strings.Repeat("a.", 200)+"example.com", "/", nil, "any") // longer than any name
	f("GET", "[::1]", "/", nil, "v6")
	f("GET", "[::1]:8080", "/", nil, "v6")
	f("GET", "[::1]", "/", map[string]string{"x-empty": ""}, "v6-empty")
	f("GET", "[::2]:8080", "/", nil, "any")
	f("GET", "127.0.0.1:8080", "/", nil, "v4")

	// Escapes are matched as they stand.
	f("GET", "example.com", "/a%2Fb/c", nil, "encoded")
	f("GET", "example.com", "/a%2fb", nil, "any")
	f("GET", "example.com", "/a/b", nil, "any")
}

func TestTable_EmptyMatchesNothing(t *testing.T) {
	if r := mustTable(t, nil).Match(&Request{Host: []byte("a"), Path: []byte("/")}); r != nil {
		t.Fatalf("an empty table matched")
	}
}

func TestTable_ServicesAreListedOnce(t *testing.T) {
	shop, search := testRoute("shop"), testRoute("search")
	table := mustTable(t, []Rule{{Path: "/a", Route: shop}, {Path: "/b", Route: search}, {Path: "/c", Route: shop}})
	if len(table.Services) != 2 || table.Service("shop") != shop.Service || table.Service("search") != search.Service || table.Service("x") != nil {
		t.Fatalf("services: %v", table.Services)
	}
}

func TestNewTable_Errors(t *testing.T) {
	f := func(rules []Rule, want ...string) {
		t.Helper()
		_, err := NewTable(1, rules)
		if err == nil {
			t.Errorf("%v: no error", rules)
			return
		}
		for _, text := range want {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%q does not say %q", err, text)
			}
		}
	}
	a, b := testRoute("shop"), testRoute("search")
	f([]Rule{{Path: "/x"}}, "leads to no service")
	f([]Rule{{Path: "x", Route: a}}, `service "shop"`, `path "x"`, "slash")
	f([]Rule{{Path: "/x?y", Route: a}}, "query")
	f([]Rule{{Host: "a.com:80", Route: a}}, `host "a.com:80"`, "without a port")
	f([]Rule{{Host: "*", Route: a}}, "host")
	f([]Rule{{Host: "a.*.com", Route: a}}, "host")
	f([]Rule{{Host: "*.", Route: a}}, "host")
	f([]Rule{{Host: "a b", Route: a}}, "host")
	f([]Rule{{Host: "a..b", Route: a}}, "host")
	f([]Rule{{Host: "a/b", Route: a}}, "host")
	f([]Rule{{Methods: []string{""}, Route: a}}, "methods is empty")
	f([]Rule{{Headers: map[string]string{"": "x"}, Route: a}}, "no name")
	f([]Rule{{Headers: map[string]string{"x-a": "1", "X-A": "1"}, Route: a}}, "X-A", "twice")
	f([]Rule{{Path: "/a", Route: a}, {Path: "/b", Route: testRoute("shop")}}, `two services named "shop"`)

	// Ties name both, and all problems come at once.
	f([]Rule{{Host: "a.com", Path: "/x", Route: a}, {Host: "A.com", Path: "/x/", Route: b}},
		"a.com/x", "A.com/x/", `"shop"`, `"search"`, "longer path")
	f([]Rule{{Route: a}, {Path: "/", Route: b}, {Path: "?", Route: b}}, "cannot choose", "slash")
	f([]Rule{{Methods: []string{"GET", "HEAD"}, Route: a}, {Methods: []string{"HEAD", "PUT"}, Route: b}}, "cannot choose")
	f([]Rule{{Headers: map[string]string{"X-A": "1"}, Route: a}, {Headers: map[string]string{"X-B": "1"}, Route: b}}, "cannot choose")

	var tie *TieError
	if _, err := NewTable(1, []Rule{{Route: a}, {Route: b}}); !errors.As(err, &tie) || tie.First.Route != a || tie.Second.Route != b {
		t.Errorf("no *TieError of both rules: %v", err)
	}
	// What looks alike but cannot meet is no tie.
	mustTable(t, []Rule{
		{Methods: []string{"GET"}, Route: a},
		{Methods: []string{"PUT"}, Route: b},
		{Headers: map[string]string{"X-A": "1"}, Route: a},
		{Headers: map[string]string{"X-A": "2"}, Route: b},
		{Host: "a.com", Route: a},
		{Host: "*.a.com", Route: b},
	})
}

// The dumb twin of Table looks at every rule of every request.

func dumbMatches(r Rule, q *Request) bool {
	host := strings.ToLower(string(q.Host))
	switch suffix, wildcard := strings.CutPrefix(r.Host, "*"); {
	case r.Host == "":
	case wildcard && (!strings.HasSuffix(host, suffix) || host == suffix):
		return false
	case !wildcard && host != r.Host:
		return false
	}
	prefix, path := strings.TrimSuffix(r.Path, "/"), string(q.Path)
	if path != prefix && !strings.HasPrefix(path, prefix+"/") {
		return false
	}
	if len(r.Methods) > 0 && !strings.Contains(strings.Join(r.Methods, " "), string(q.Method)) {
		return false
	}
	for name, value := range r.Headers {
		if got := q.Header(name); got == nil || string(got) != value {
			return false
		}
	}
	return true
}

// dumbRank is the larger the narrower, as text.
func dumbRank(r Rule) string {
	host := 0
	if r.Host != "" {
		host = 1000
	}
	if strings.HasPrefix(r.Host, "*") {
		host = len(r.Host)
	}
	return fmt.Sprintf("%04d %04d %d %d", host, len(strings.TrimSuffix(r.Path, "/")), min(len(r.Methods), 1), len(r.Headers))
}

func dumbMatch(rules []Rule, q *Request) *Route {
	best := -1
	for i, r := range rules {
		if dumbMatches(r, q) && (best < 0 || dumbRank(r) > dumbRank(rules[best])) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	return rules[best].Route
}

var (
	dumbHosts   = []string{"a.com", "b.a.com", "c.b.a.com", "x.c.b.a.com", "com", "ba.com"}
	dumbPaths   = []string{"/", "/a", "/a/", "/a/b", "/a/b/", "/ab", "/a//", "/a//b", "//", "/b", "/a/b/c"}
	dumbMethods = []string{"GET", "PUT"}
	dumbValues  = []map[string]string{{}, {"X-A": "1"}, {"X-A": "2"}, {"X-B": "1"}, {"X-A": "1", "X-B": "1"}, {"X-A": "2", "X-B": "1"}}
)

// dumbRequests calls f for every request of a small world.
func dumbRequests(f func(*Request)) {
	for _, host := range dumbHosts {
		for _, path := range dumbPaths {
			for _, method := range dumbMethods {
				for _, headers := range dumbValues {
					f(&Request{Host: []byte(host), Path: []byte(path), Method: []byte(method), Header: headersOf(headers)})
				}
			}
		}
	}
}

func TestTable_MatchesAsItsTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hosts := []string{"", "a.com", "b.a.com", "*.a.com", "*.b.a.com", "*.com", "c.b.a.com"}
		var rules []Rule
		for i := range rapid.IntRange(0, 8).Draw(t, "rules") {
			r := Rule{
				Host:    rapid.SampledFrom(hosts).Draw(t, "host"),
				Path:    rapid.SampledFrom(dumbPaths).Draw(t, "path"),
				Headers: rapid.SampledFrom(dumbValues).Draw(t, "headers"),
				Route:   testRoute(fmt.Sprint(i)),
			}
			r.Methods = rapid.SampledFrom([][]string{nil, {"GET"}, {"PUT"}, {"PUT", "GET"}}).Draw(t, "methods")
			rules = append(rules, r)
		}
		table, err := NewTable(1, rules)

		tie := false
		for i, a := range rules {
			for _, b := range rules[:i] {
				if dumbRank(a) != dumbRank(b) {
					continue
				}
				dumbRequests(func(q *Request) { tie = tie || dumbMatches(a, q) && dumbMatches(b, q) })
			}
		}
		if tie != (err != nil) {
			t.Fatalf("a tie is %v, the error %v", tie, err)
		}
		if err != nil {
			return
		}
		compare := func() {
			dumbRequests(func(q *Request) {
				if got, want := table.Match(q), dumbMatch(rules, q); got != want {
					t.Fatalf("%s %s%s: %v, want %v", q.Method, q.Host, q.Path, got, want)
				}
			})
		}
		compare()

		// The rules of the next table lead elsewhere, and now and then they are others.
		same := rapid.Bool().Draw(t, "same rules")
		same = same || len(rules) == 0
		if !same {
			rules = rules[:len(rules)-1]
		}
		rules = slices.Clone(rules)
		for i := range rules {
			rules[i].Route = testRoute(fmt.Sprint(i))
		}
		before := table
		if table, err = before.Next(2, rules); err != nil || table.Revision != 2 {
			t.Fatalf("revision %d, %v", table.Revision, err)
		}
		if shared := table.matcher == before.matcher; shared != same {
			t.Fatalf("the matcher is shared: %v", shared)
		}
		if table.Service("0") == before.Service("0") && len(rules) > 0 {
			t.Fatal("the next table has the service of the last one")
		}
		compare()
	})
}

func TestTable_NextOfOtherServicesSharesNothing(t *testing.T) {
	shop := testRoute("shop")
	rules := []Rule{{Host: "a.com", Route: shop}, {Host: "b.com", Route: &Route{Service: shop.Service}}}
	table := mustTable(t, rules)
	renamed := []Rule{{Host: "a.com", Route: testRoute("shop")}, {Host: "b.com", Route: testRoute("bank")}}
	next, err := table.Next(2, renamed)
	if err != nil || next.Service("bank") != renamed[1].Route.Service || len(next.Services) != 2 {
		t.Errorf("services are %v, %v", next.Services, err)
	}
	if _, err := table.Next(2, []Rule{{Host: "a.com", Route: testRoute("shop")}, {Host: "b.com", Route: testRoute("shop")}}); err == nil {
		t.Error("two services of one name are routed")
	}
	if _, err := table.Next(2, []Rule{{Host: "a.com", Route: shop}, {Host: "b.com"}}); err == nil {
		t.Error("a rule without a route is taken")
	}
}
