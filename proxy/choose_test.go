package proxy

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
)

// mixed splits evenly between a and b; sticky may be nil.
func mixed(t *testing.T, sticky *route.Sticky) func(*route.Service, *Options) {
	return func(s *route.Service, _ *Options) {
		labels := make(route.Labels, route.Buckets)
		for i := range labels {
			labels[i] = uint8(i % 2)
		}
		s.Split, s.Mixed, s.Sticky = route.NewSplit(labels, 2), true, sticky
		if sticky != nil {
			sticky.Keys = testKeyring(t)
		}
	}
}

// named are upstreams that answer with their names and the extra fields.
func named(t *testing.T, fields string) []*rawUpstream {
	var all []*rawUpstream
	for _, name := range []string{"a", "b"} {
		all = append(all, answering(t, "HTTP/1.1 200 OK\r\n"+fields+"Content-Length: 1\r\n\r\n"+name))
	}
	return all
}

// ask sends a GET with the extra fields and returns the version that answered
// and the answer.
func (c *client) ask(target, fields string) (string, *http.Response) {
	c.t.Helper()
	c.send("GET " + target + " HTTP/1.1\r\nHost: h\r\n" + fields + "\r\n")
	resp, body := c.answer("GET")
	return body, resp
}

func TestChoose_WithoutKeyDrawsAnew(t *testing.T) {
	w := newWorld(t, mixed(t, nil), named(t, "")...)
	c := w.dial()
	seen := map[string]int{}
	for range 400 {
		version, resp := c.ask("/", "")
		seen[version]++
		if resp.Header.Get("Set-Cookie") != "" {
			t.Fatal("a cookie without stickiness")
		}
	}
	if seen["a"] < 100 || seen["b"] < 100 {
		t.Errorf("seen %v of an even split", seen)
	}
	if got := w.totals(0).Codes[200] + w.totals(1).Codes[200]; got != 400 {
		t.Errorf("%d answers counted", got)
	}
}

func TestChoose_HeaderAndQueryKeepTheirVersion(t *testing.T) {
	f := func(sticky *route.Sticky, target, fields string) {
		t.Helper()
		w := newWorld(t, mixed(t, sticky), named(t, "")...)
		c := w.dial()
		seen := map[string]bool{}
		for i := range 30 {
			key := fmt.Sprint("user", i)
			version, _ := c.ask(strings.ReplaceAll(target, "KEY", key), strings.ReplaceAll(fields, "KEY", key))
			seen[version] = true
			if want := string('a' + rune(w.service.Split.Pick(sticky.BucketOf([]byte(key))))); version != want {
				t.Errorf("%s: got %s, want %s", key, version, want)
			}
		}
		if len(seen) != 2 {
			t.Errorf("all keys met one version")
		}
	}
	f(&route.Sticky{By: route.Header, Name: "X-User-Id"}, "/", "x-user-id: KEY\r\n")
	f(&route.Sticky{By: route.Query, Name: "u"}, "/?v=1&u=KEY&u=x", "")
}

func TestChoose_AddressIsTheClientsBehindTrustedProxies(t *testing.T) {
	sticky := &route.Sticky{By: route.Address}
	w := newWorld(t, func(s *route.Service, o *Options) {
		mixed(t, sticky)(s, o)
		o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}, named(t, "")...)
	c := w.dial()
	for i := range 20 {
		client := fmt.Sprintf("192.0.2.%d", i)
		version, _ := c.ask("/", "X-Forwarded-For: "+client+"\r\n")
		if want := string('a' + rune(w.service.Split.Pick(sticky.BucketOf([]byte(client))))); version != want {
			t.Errorf("%s: got %s, want %s", client, version, want)
		}
	}
}

func TestChoose_CookieIsIssuedOnceAndObeyed(t *testing.T) {
	sticky := &route.Sticky{By: route.Cookie, Name: "weir_id"}
	w := newWorld(t, mixed(t, sticky), named(t, "")...)
	c := w.dial()
	first, resp := c.ask("/", "User-Agent: x\r\n")
	cookies := resp.Cookies()
	if len(cookies) != 1 || cookies[0].Name != "weir_id" || !cookies[0].HttpOnly {
		t.Fatalf("cookies %v", cookies)
	}
	for i := range 10 {
		version, resp := c.ask("/", fmt.Sprintf("User-Agent: %d\r\nCookie: a=b; weir_id=%s; c\r\n", i, cookies[0].Value))
		if version != first || resp.Header.Get("Set-Cookie") != "" {
			t.Errorf("got %s and cookie %q, want %s and none", version, resp.Header.Get("Set-Cookie"), first)
		}
	}
	if _, resp := c.ask("/", "Cookie: weir_id=v1.forged.17.1700000000.0123456789abcdef\r\n"); resp.Header.Get("Set-Cookie") == "" {
		t.Error("a forged cookie is no new visitor")
	}
}

func TestChoose_ParallelFirstRequestsAgree(t *testing.T) {
	w := newWorld(t, mixed(t, &route.Sticky{By: route.Cookie, Name: "weir_id"}), named(t, "")...)
	if time.Now().Second() == 59 {
		time.Sleep(1100 * time.Millisecond) // the minute is part of the bucket
	}
	var wg sync.WaitGroup
	versions := make([]string, 16)
	for i := range versions {
		c := w.dial()
		wg.Add(1)
		go func() {
			defer wg.Done()
			versions[i], _ = c.ask("/", "User-Agent: browser\r\n")
		}()
	}
	wg.Wait()
	for _, v := range versions {
		if v != versions[0] {
			t.Fatalf("versions %v", versions)
		}
	}
}

func TestChoose_NoCookieOnSharedAnswersNorWithoutAMix(t *testing.T) {
	f := func(fields string, mix, want bool) {
		t.Helper()
		w := newWorld(t, func(s *route.Service, o *Options) {
			mixed(t, &route.Sticky{By: route.Cookie, Name: "weir_id"})(s, o)
			s.Mixed = mix
		}, named(t, fields)...)
		_, resp := w.dial().ask("/", "")
		if got := resp.Header.Get("Set-Cookie") != ""; got != want {
			t.Errorf("%q, mixed %v: cookie %v, want %v", fields, mix, got, want)
		}
	}
	f("", true, true)
	f("Cache-Control: private, max-age=1\r\n", true, true)
	f("Cache-Control: max-age=1, Public\r\n", true, false)
	f("Cache-Control: x\r\nCache-Control: s-maxage=10\r\n", true, false)
	f("", false, false)
}

func TestChoose_FailsOverToStableAndNeverIntoTheCandidate(t *testing.T) {
	f := func(rollout string, down int, wantFrom string, wantLane stats.Lane) {
		t.Helper()
		w := newWorld(t, func(s *route.Service, o *Options) {
			mixed(t, nil)(s, o)
			s.Rollout = rollout
		}, named(t, "")...)
		w.service.Versions[down].Pool.Endpoints()[0].SetUp(false)
		c := w.dial()
		good := 0
		for range 60 {
			version, resp := c.ask("/", "")
			if resp.StatusCode == 200 {
				good++
				if version != wantFrom {
					t.Fatalf("got %s, want %s", version, wantFrom)
				}
			}
		}
		if (good == 60) != (wantLane == stats.Failover) {
			t.Errorf("rollout %q, %d down: %d of 60 answered", rollout, down, good)
		}
		up := w.totals(1 - down)
		if got := up.Lanes[stats.Failover]; (got > 0) != (wantLane == stats.Failover) || up.Lanes[stats.Split]+got != uint64(good) {
			t.Errorf("rollout %q, %d down: lanes %v", rollout, down, up.Lanes)
		}
		if got := w.totals(down).Reasons[stats.Exhausted]; got != uint64(60-good) {
			t.Errorf("rollout %q, %d down: %d exhausted, want %d", rollout, down, got, 60-good)
		}
	}
	f("r1", 1, "a", stats.Failover) // candidate down: stable serves
	f("r1", 0, "b", stats.Split)    // stable down in a rollout: 503, never the candidate
	f("", 0, "b", stats.Failover)   // stable down without one: any weighted version
}

func TestRecord_AnswerOpenForAMinuteCountsAsGood(t *testing.T) {
	h := &Handler{base: time.Now().Add(-time.Hour)}
	x := newExchange(h)
	recorder := stats.NewRecorder(1)
	x.version = &route.Version{Recorder: recorder}
	x.dispatchedAt = h.Now() - int64(2*openAnswer)
	x.token = recorder.Begin(0, stats.Split, x.dispatchedAt, -1)
	x.status = 200
	x.now = h.Now()
	x.headAt = x.now - int64(openAnswer) + int64(time.Second)
	x.recordOpen()
	if x.ended {
		t.Error("ended before its time")
	}
	x.headAt -= int64(2 * time.Second)
	x.recordOpen()
	x.record(stats.Outcome{Reason: stats.Truncated, Status: 200}) // what comes later is not judged
	var totals stats.Totals
	if recorder.Totals(&totals); totals.Errors() != 0 || totals.Codes[200] != 1 || totals.InFlight != 0 {
		t.Errorf("%d errors, %d answers, %d in flight", totals.Errors(), totals.Codes[200], totals.InFlight)
	}
}
