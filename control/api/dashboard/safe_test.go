package dashboard_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/rollout"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPages_LetNothingElseRunOrLoad(t *testing.T) {
	open, guarded := withCanary(t), withCanary(t, withTokens(t))
	inline := regexp.MustCompile(`(?i)\son[a-z]+\s*=|\sstyle\s*=|<style|<script(?:\s[^>]*)?>[^<]|javascript:`)
	loaded := regexp.MustCompile(`(?:src|href|action)="([^"]*)"`)
	for _, path := range append(paths(), "/services/none") {
		b, status := open, 200
		switch path {
		case "/login":
			b = guarded
		case "/services/none":
			status = 404
		}
		page, h := b.get(status, path)
		csp := h.Get("Content-Security-Policy")
		for _, part := range []string{
			"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", "connect-src 'self'",
			"base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'", "require-trusted-types-for 'script'",
		} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: %q is not in the policy %q", path, part, csp)
			}
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
			"Content-Type": "text/html; charset=utf-8", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q", path, name, got)
			}
		}
		if bad := inline.FindString(page); bad != "" {
			t.Errorf("%s has %q, which the policy refuses", path, bad)
		}
		for _, one := range loaded.FindAllStringSubmatch(page, -1) {
			if !strings.HasPrefix(one[1], "/") && !strings.HasPrefix(one[1], "#") && one[1] != "https://git.example.com/shop/pull/7" || strings.HasPrefix(one[1], "//") {
				t.Errorf("%s leads to %q", path, one[1])
			}
		}
	}
}

var (
	hostileTag  = regexp.MustCompile(`(?i)<script>|<img|<script [^>]*[^"]>alert`)
	foreignLink = regexp.MustCompile(`href="((?:https?:|javascript:|data:|//)[^"]*)"`)
)

// Whatever people and services are called, it is text.
func TestPages_NamesAndReasonsAreText(t *testing.T) {
	const evil = `"'><script>alert(1)</script><img src=x onerror=alert(2)>`
	b := withCanary(t)
	s := canary("id "+evil, "shop")
	s.Reason, s.Actor, s.From, s.To, s.Strategy = evil, evil, evil, "to"+evil, evil
	s.Candidates = []string{s.To}
	s.Weights = map[string]configs.Weight{s.From: 7500, s.To: 2500}
	s.Phase, s.WaitingFor = rollout.Paused, rollout.Wait(evil)
	s.History = []rollout.Transition{{To: rollout.Phase(evil), Actor: evil, Reason: evil, Weights: s.Weights}}
	s.Plan.Stages[1].Name = evil
	s.Overridden = &rollout.Override{Actor: evil, Reason: evil, Missing: []rollout.Missing{{Text: evil}}}
	s.Plan.Meta = map[string]string{"a" + evil: "javascript:alert(1)", "b": "JaVaScRiPt://%0aalert(1)", "c": "data:text/html," + evil, "d": "https://ok.example/" + evil, "e": "//evil.example/x", "f": " javascript:alert(1)", "g": "https:javascript"}
	b.control.AddRollout(s)
	b.control.Change(func(v *control.View, _ int64) {
		v.Services[0].Document.Name, v.Services[0].Refused = "shop", evil
		v.Services[0].Versions[0].Name, v.Services[0].Versions[0].Revision = evil, evil
		v.Services[0].Versions[0].Endpoints[0].Address = evil
		v.Services[0].State.Stable = evil
		v.Rollouts[0].Rules = []analysis.RuleReport{{State: analysis.RuleState(evil), Verdict: analysis.Verdict{Kind: analysis.Fail, Rule: evil, Text: evil, Threshold: 5, Evidence: 2}}}
		v.Rollouts[0].Missing = []string{evil}
		v.Rollouts[0].Cuts = []rollout.Cut{{Node: evil, Version: evil, Reason: evil}}
		v.Nodes[0].Name, v.Nodes[0].Boot, v.Nodes[0].Version, v.Nodes[0].Refused = evil, evil, evil, map[string]string{evil: evil}
		v.Node, v.LeaderNode, v.Store.Err, v.Store.Connected = evil, evil, evil, false
		v.Audit = []control.AuditView{{ID: evil, Actor: evil, Role: evil, Action: evil, Object: evil, Text: evil, Changes: []string{evil}}}
		v.Notifiers[0].Document.Name, v.Notifiers[0].LastError = evil, evil
		v.Outbox = []notify.Entry{{ID: evil, Rollout: evil, To: evil, Dead: true, LastError: evil, Event: notify.Event{Text: evil}}}
		v.DeadLetters = v.Outbox
		v.Freezes[0].Document.Name = evil
	})
	for _, path := range []string{"/", "/?q=" + `%22%3E%3Cscript%3E`, "/services/shop", "/rollouts", "/rollouts/id%20%22%27%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E%3Cimg%20src=x%20onerror=alert%282%29%3E", "/nodes", "/events", "/audit", "/notifiers", "/applications", "/flags", "/advice"} {
		page, _ := b.get(200, path)
		if bad := hostileTag.FindString(page); bad != "" {
			t.Errorf("%s lets %q through", path, bad)
		}
		for _, one := range foreignLink.FindAllStringSubmatch(page, -1) {
			if !strings.HasPrefix(one[1], "https://ok.example/") && one[1] != "https://git.example.com/shop/pull/7" {
				t.Errorf("%s links to %q", path, one[1])
			}
		}
		if strings.HasPrefix(path, "/rollouts/id") {
			b.holds(page, "javascript:alert(1)</dd>", "//evil.example/x</dd>", "https:javascript</dd>", `href="https://ok.example/`)
		}
	}
}

func TestAssets_AreKeptForEverByTheirHash(t *testing.T) {
	b := newBench(t)
	page, _ := b.get(200, "/")
	at := assetHash.FindString(page)
	for name, kind := range map[string]string{"app.css": "text/css; charset=utf-8", "app.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml"} {
		body, h := b.get(200, at+name)
		if h.Get("Cache-Control") != "public, max-age=31536000, immutable" || h.Get("Content-Type") != kind || h.Get("X-Content-Type-Options") != "nosniff" || body == "" {
			t.Errorf("%s: %v", name, h)
		}
		for _, foreign := range []string{"http://", "https://", "//cdn", "@import", "url("} {
			if strings.Contains(strings.ReplaceAll(body, "http://www.w3.org/2000/svg", ""), foreign) {
				t.Errorf("%s leads elsewhere by %q", name, foreign)
			}
		}
	}
	b.get(404, at+"none.js")
	b.get(404, "/assets/000000000000/app.css")
	b.get(404, at+"..%2fdashboard.go")
}

func TestPages_AreCompressedForWhoTakesThat(t *testing.T) {
	b := withCanary(t)
	plain, h := b.get(200, "/")
	if h.Get("Content-Encoding") != "" || !slices.Contains(h.Values("Vary"), "Accept-Encoding") {
		t.Fatalf("%v", h)
	}
	for range 3 {
		zipped, h := b.get(200, "/", "Accept-Encoding: br, gzip")
		if h.Get("Content-Encoding") != "gzip" || len(zipped) > len(plain)/2 {
			t.Fatalf("%d bytes of %d: %v", len(zipped), len(plain), h)
		}
		r, err := gzip.NewReader(strings.NewReader(zipped))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := io.ReadAll(r); err != nil || string(again) != plain {
			t.Fatalf("another page came out: %v", err)
		}
	}
}

// A link in a message leads to a page although the browser leaves the cookie out.
func TestPages_ALinkFromElsewhereAsksOnceMore(t *testing.T) {
	b := withCanary(t, withTokens(t))
	page, h := b.get(200, "/rollouts/shop-7", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate")
	b.holds(page, `<meta http-equiv="refresh" content="0;url=/rollouts/shop-7">`)
	b.lacks(page, "green")
	if h.Get("Content-Security-Policy") == "" {
		t.Error("no policy")
	}
	r := httptest.NewRequest("POST", "http://127.0.0.1:9797/login", strings.NewReader("token=unknown&next=/rollouts/shop-7"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	if w.Code != http.StatusUnauthorized {
		t.Fatalf("%d", w.Code)
	}
	b.holds(w.Body.String(), "The token is unknown.", `value="/rollouts/shop-7"`)
	b.lacks(w.Body.String(), "--token")
}
