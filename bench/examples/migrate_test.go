//go:build e2e

package examples

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/weirproxy/weir/bench/lab"
)

// shop is what both sides of a move lead to.
type shop struct{ blue, green, search string }

// pairs are the endpoints as the examples have them, and as they are here.
func (s shop) pairs() []string {
	return []string{"10.0.1.11:8080", s.blue, "10.0.2.11:8080", s.green, "10.0.3.11:8080", s.search}
}

// site is one side: a proxy that clients can ask.
type site struct {
	t    *testing.T
	http *http.Client
}

func newSite(t *testing.T, address string) site { return site{t, client(t, address, "", nil)} }

// answer is what must be the same on both sides: the status, and what the endpoint
// saw. Who is appended to X-Forwarded-For differs, who comes first does not.
type answer struct {
	status                  int
	host, uri, from, scheme string
}

func (s site) answer(url string, header ...string) answer {
	s.t.Helper()
	resp, saw := ask(s.t, s.http, url, header...)
	from, _, _ := strings.Cut(saw.Header.Get("X-Forwarded-For"), ",")
	return answer{resp.StatusCode, saw.Host, saw.URI, from, saw.Header.Get("X-Forwarded-Proto")}
}

// same fails the test where two sides answer differently, or an endpoint is not
// asked the same.
func same(t *testing.T, before, after site, urls ...string) {
	t.Helper()
	for _, url := range urls {
		was, is := before.answer(url, "X-Forwarded-For", "203.0.113.9"), after.answer(url, "X-Forwarded-For", "203.0.113.9")
		if was != is {
			t.Errorf("%s: it was %+v and is %+v", url, was, is)
		}
	}
}

// user is one of many, told apart by address and header, with the cookies it got.
type user struct {
	header  []string
	version string
	cookie  string
}

// visit lets n new users in, and returns them with what they met.
func (s site) visit(url string, n int) []user {
	s.t.Helper()
	users := make([]user, n)
	for i := range users {
		u := &users[i]
		u.header = []string{"X-Forwarded-For", fmt.Sprintf("203.%d.%d.%d", i>>16, i>>8&255, i&255), "X-User-Id", fmt.Sprintf("user-%d", i)}
		resp, saw := ask(s.t, s.http, url, u.header...)
		u.version = saw.Version
		u.cookie, _, _ = strings.Cut(resp.Header.Get("Set-Cookie"), ";")
	}
	return users
}

// divides fails the test unless a version has about the share of users that it is
// to have: within five standard deviations, which luck breaks once in a million.
func (s site) divides(url, version string, share float64) []user {
	s.t.Helper()
	const n = 1500
	users := s.visit(url, n)
	met := 0
	for _, u := range users {
		if u.version == version {
			met++
		}
	}
	got, may := float64(met)/n, 5*math.Sqrt(share*(1-share)/n)
	if math.Abs(got-share) > may {
		s.t.Errorf("%s: %.1f%% of the users met %s, want %.1f%% ± %.1f%%", url, got*100, version, share*100, may*100)
	}
	return users
}

// stay fails the test unless users meet again what they met.
func (s site) stay(url string, users []user) {
	s.t.Helper()
	for _, u := range users[:200] {
		header := u.header
		if u.cookie != "" {
			header = append([]string{"Cookie", u.cookie}, header...)
		}
		if _, saw := ask(s.t, s.http, url, header...); saw.Version != u.version {
			s.t.Fatalf("%s: a user who met %s met %s then, with the cookie %q", url, u.version, saw.Version, u.cookie)
		}
	}
}

// has reports whether a program is here. Without it, what was before the move is
// not run, and the log says so.
func has(t *testing.T, program string) bool {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Logf("%s is not here (apt-get install %s): only weir's side was tried", program, program)
		return false
	}
	return true
}

// move is an example of a move, installed for a test.
type move struct {
	dir                  string
	front, clients, node string // addresses of the other proxy, and of weir
	shop                 shop
}

func newMove(t *testing.T, from string, more ...string) *move {
	t.Helper()
	m := &move{front: address(t), clients: address(t), node: address(t), shop: shop{echo(t, "blue"), echo(t, "green"), echo(t, "v1")}}
	pairs := []string{"127.0.0.1:8081", m.clients, "127.0.0.1:9797", m.node, "/var/lib/weir/etcd", "etcd"}
	m.dir = install(t, from, append(append(pairs, m.shop.pairs()...), more...)...)
	return m
}

func TestMigrate_FromNginx(t *testing.T) {
	front := address(t)
	m := newMove(t, "migrate/nginx", "0.0.0.0:8080", front, "10.0.0.0/24", "127.0.0.1")
	run(t, m.dir, m.clients, "http://"+m.node, "")
	after := newSite(t, m.clients)
	const page = "http://shop.example.com/"
	after.stay(page, after.divides(page, "green", .10))
	if !has(t, "nginx") {
		return
	}
	file := filepath.Join(m.dir, "nginx.conf")
	pid := filepath.Join(m.dir, "nginx.pid")
	own := "pid " + pid + ";\nerror_log stderr;\n"
	text := func(name string) string {
		data, err := os.ReadFile(filepath.Join(m.dir, name))
		check(t, err)
		return own + strings.Replace(string(data), "http {", "http {\n\taccess_log off;", 1)
	}
	start(t, file, text("before.conf"), front, "nginx", "-p", m.dir, "-c", file, "-g", "daemon off;")
	before := newSite(t, front)
	urls := []string{page, page + "cart?a=1&b=%2F", page + "search/", page + "search/q?x=1", "http://other.example.com/"}
	same(t, before, after, urls...)
	before.stay(page, before.divides(page, "green", .10))

	// nginx gives everything to weir while users come and go: none of them notices.
	ended, lost := make(chan int), atomic.Int64{}
	var moved atomic.Bool
	go func() {
		asked := 0
		for once := false; !once || !moved.Load(); asked++ {
			once = moved.Load()
			resp, err := before.http.Get(page)
			if err != nil || resp.StatusCode != http.StatusOK {
				lost.Add(1)
			}
			if err == nil {
				_ = resp.Body.Close()
			}
		}
		ended <- asked
	}()
	check(t, os.WriteFile(file, []byte(text("between.conf")), 0o600))
	reload(t, pid)
	moved.Store(true)
	if asked := <-ended; lost.Load() > 0 || asked == 0 {
		t.Errorf("%d of %d requests were lost during the move", lost.Load(), asked)
	}
	same(t, before, after, urls[:4]...)
	before.stay(page, before.divides(page, "green", .10))
}

// reload has nginx read its file again, and waits until those processes are gone
// that serve by what it was before.
func reload(t *testing.T, pidFile string) {
	t.Helper()
	data, err := os.ReadFile(pidFile)
	check(t, err)
	master, err := strconv.Atoi(strings.TrimSpace(string(data)))
	check(t, err)
	workers := func() []string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", master, master))
		check(t, err)
		return strings.Fields(string(text))
	}
	old := workers()
	check(t, syscall.Kill(master, syscall.SIGHUP))
	check(t, lab.Await("nginx serving by its new file", patience, func() (bool, error) {
		now := workers()
		return len(now) > 0 && !slices.ContainsFunc(old, func(worker string) bool { return slices.Contains(now, worker) }), nil
	}))
}

func TestMigrate_FromHAProxy(t *testing.T) {
	front, status := address(t), address(t)
	// All endpoints but search's, which HAProxy's example has not.
	m := &move{clients: address(t), node: address(t), shop: shop{blue: echo(t, "blue"), green: echo(t, "green")}}
	m.dir = install(t, "migrate/haproxy", append(m.shop.pairs()[:4], "127.0.0.1:8081", m.clients, "127.0.0.1:9797", m.node, "127.0.0.1:9798", status,
		"port 9798", "port "+portOf(status), "/var/lib/weir/etcd", "etcd", "0.0.0.0:8080", front, "10.0.0.0/24", "127.0.0.1")...)
	run(t, m.dir, m.clients, "http://"+m.node, "")
	after := newSite(t, m.clients)
	const page, api = "http://shop.example.com/", "http://shop.example.com/api/"
	divided := func(s site) {
		t.Helper()
		s.stay(page, s.divides(page, "green", .10))
		s.stay("http://api.example.com/api/x", s.divides("http://api.example.com/api/x", "green", .20))
	}
	divided(after)
	if !has(t, "haproxy") {
		return
	}
	urls := []string{page, page + "cart?a=1&b=%2F", "http://api.example.com/api/x", api, page + "apis", "http://other.example.com/"}
	for _, name := range []string{"before.cfg", "between.cfg"} {
		data, err := os.ReadFile(filepath.Join(m.dir, name))
		check(t, err)
		at := address(t)
		file := filepath.Join(m.dir, "run-"+name)
		start(t, file, strings.Replace(string(data), front, at, 1), at, "haproxy", "-db", "-f", file)
		before := newSite(t, at)
		check(t, lab.Await("HAProxy's checks", patience, func() (bool, error) {
			resp, err := before.http.Get(page)
			if err != nil {
				return false, err
			}
			_ = resp.Body.Close()
			return resp.StatusCode == http.StatusOK, nil
		}))
		same(t, before, after, urls...)
		divided(before)
	}
}
