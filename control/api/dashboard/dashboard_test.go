package dashboard_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/api/apitest"
	"github.com/weirproxy/weir/control/api/dashboard"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/rollout"
)

var rewrite = flag.Bool("rewrite", false, "write the golden pages anew")

// bench is a dashboard over an in-memory Controller.
type bench struct {
	t       *testing.T
	control *apitest.Controller
	handler http.Handler
}

func newBench(t *testing.T, edits ...func(*api.Options)) *bench {
	t.Helper()
	c := apitest.New()
	o := api.Options{Control: c, Version: "v0.1.0"}
	for _, edit := range edits {
		edit(&o)
	}
	a := api.New(o)
	dashboard.Mount(a)
	return &bench{t, c, a}
}

// withTokens asks for the tokens of apitest.
func withTokens(t *testing.T) func(*api.Options) {
	t.Helper()
	path, err := apitest.WriteTokens(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := api.LoadTokens(path)
	if err != nil {
		t.Fatal(err)
	}
	return func(o *api.Options) { o.Tokens = tokens }
}

// get reads a page; headers are "Name: value".
func (b *bench) get(status int, path string, headers ...string) (page string, header http.Header) {
	b.t.Helper()
	r := httptest.NewRequest("GET", "http://127.0.0.1:9797"+path, http.NoBody)
	r.Header.Set("Accept", "text/html")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	if w.Code != status {
		b.t.Fatalf("%s: %d, want %d: %s", path, w.Code, status, w.Body)
	}
	return w.Body.String(), maps.Clone(w.Header())
}

// holds checks that all of texts are in a page.
func (b *bench) holds(page string, texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		if !strings.Contains(page, text) {
			b.t.Errorf("%q is not in the page of %d bytes", text, len(page))
		}
	}
}

// lacks checks that none of texts is in a page.
func (b *bench) lacks(page string, texts ...string) {
	b.t.Helper()
	for _, text := range texts {
		if strings.Contains(page, text) {
			b.t.Errorf("%q is in the page", text)
		}
	}
}

// shop is a service with traffic on two versions.
func shop(name string) *control.ServiceView {
	return &control.ServiceView{
		Document: configs.Service{
			Name: name, Routes: []configs.Route{{Host: name + ".example.com"}}, Stable: "blue",
			Versions: map[string]configs.Version{"blue": {Endpoints: []string{"127.0.0.1:9001"}}, "green": {Endpoints: []string{"127.0.0.1:9002"}}},
		},
		ModRevision: 3, StateRevision: 4,
		State: rollout.Service{Name: name, Stable: "blue", Weights: map[string]configs.Weight{"blue": 7500, "green": 2500}},
		Versions: []control.VersionView{
			{
				Name: "blue", Revision: "v1.4.2", Role: "stable", Weight: 7500,
				Endpoints: []control.EndpointView{{Address: "127.0.0.1:9001", Up: true, State: control.EndpointUp, InFlight: 2}},
				Requests:  123456, Errors: 7, RPS: 1234.5, ErrorRate: .0002, P50: 900 * time.Microsecond, P99: 12 * time.Millisecond,
			},
			{
				Name: "green", Revision: "v1.5.0", Role: "candidate", Weight: 2500,
				Endpoints: []control.EndpointView{
					{Address: "127.0.0.1:9002", Up: true, State: control.EndpointUp},
					{Address: "127.0.0.1:9003", State: control.EndpointDown},
				},
				Requests: 412, Errors: 201, RPS: 411.5, ErrorRate: .488, P50: 2 * time.Millisecond, P99: 340 * time.Millisecond,
			},
		},
	}
}

// canary is a rollout in its second stage.
func canary(id, service string) rollout.State {
	s := apitest.Broken()
	five, twentyFive := configs.Weight(500), configs.Weight(2500)
	whole := configs.Whole
	s.ID, s.Service, s.Phase, s.EndedAt, s.Verdict = id, service, rollout.Progressing, time.Time{}, nil
	s.Weights = map[string]configs.Weight{"blue": 7500, "green": 2500}
	s.Reason = "stage 1 passed"
	s.StartedAt = time.Date(2026, 1, 5, 14, 1, 10, 0, time.UTC)
	s.Plan = configs.Rollout{
		Service: service, To: "green", Strategy: configs.StrategyCanary, Bake: configs.Duration(10 * time.Minute),
		Stages: []configs.Stage{
			{Weight: &five, Duration: configs.Duration(5 * time.Second)},
			{Weight: &twentyFive, Duration: configs.Duration(5 * time.Second)},
			{Weight: &whole, Duration: configs.Duration(5 * time.Second), Approval: "manual"},
		},
		Meta: map[string]string{"by": "ana", "change": "https://git.example.com/shop/pull/7"},
	}
	s.History = s.History[:1]
	return s
}

// withCanary has the service shop and a rollout of it in force.
func withCanary(t *testing.T, edits ...func(*api.Options)) *bench {
	t.Helper()
	b := newBench(t, edits...)
	b.control.Change(func(v *control.View, _ int64) { v.Services = append(v.Services, shop("shop")) })
	b.control.AddRollout(canary("shop-7", "shop"))
	b.control.Change(func(v *control.View, _ int64) {
		v.Rollouts[0].Rules = []analysis.RuleReport{{
			State: analysis.StateHolding, Condition: analysis.Condition{Metric: analysis.ErrorRate, Rate: 10_000},
			Verdict: analysis.Verdict{
				Kind: analysis.Pass, Rule: "trigger-1", Candidate: analysis.Counts{N: 412, Raw: 20}, Stable: analysis.Counts{N: 7813, Raw: 4},
				CandidateRate: 20. / 412, StableRate: 4. / 7813, Limit: .01, Evidence: 11, Threshold: 133, Text: "error_rate > 1% is near.",
			},
		}}
		v.Notifiers = []control.NotifierView{{Document: configs.Notifier{Name: "deployments"}, Waiting: 1, Dead: 1, LastError: "no such host"}}
		v.Outbox = []notify.Entry{{ID: "shop-7/3", Rollout: "shop-7", To: notify.ToNotifier("deployments"), At: v.At, Dead: true, Failures: 9, Event: notify.Event{Text: "green has 25%"}}}
		v.DeadLetters = v.Outbox
		v.OutboxSize, v.OutboxDead = 1, 1
		v.Freezes = []control.FreezeView{{Document: configs.Freeze{Name: "friday"}, Active: true}}
		v.Audit = []control.AuditView{{ID: "a1", At: v.At, Actor: "ana", Role: "operator", Action: "start", Object: "rollouts/shop-7", Text: "started", Changes: []string{"weights: blue 100% → blue 95%"}}}
		delivered(v)
	})
	b.control.Recordings = map[string]*control.Recording{"shop-7": apitest.Recording()}
	return b
}

// paths are one of each page.
func paths() []string {
	return []string{"/", "/services/shop", "/rollouts", "/rollouts/shop-7", "/nodes", "/events", "/audit", "/notifiers", "/login",
		"/applications", "/applications/shop", "/applications/shop/releases/v1.5.0", "/flags", "/flags/new-checkout", "/flags/theme", "/advice"}
}

var assetHash = regexp.MustCompile(`/assets/[0-9a-f]+/`)

func TestPages_FirstPaintIsTheGoldenOne(t *testing.T) {
	open, guarded := withCanary(t), withCanary(t, withTokens(t))
	for _, path := range paths() {
		b := open
		if path == "/login" {
			b = guarded
		}
		page, _ := b.get(200, path)
		page = assetHash.ReplaceAllString(page, "/assets/HASH/")
		name := strings.NewReplacer("/", "-").Replace(strings.TrimPrefix(path, "/"))
		if name == "" {
			name = "services"
		}
		golden := filepath.Join("testdata", name+".html")
		if *rewrite {
			if err := os.WriteFile(golden, []byte(page), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, []byte(page)) {
			t.Errorf("%s changed. If it should, run `go test ./control/api/dashboard -rewrite` and review the difference:\n%s", path, page)
		}
	}
}

func TestPages_ShowWhatIsThere(t *testing.T) {
	b := withCanary(t)
	page, _ := b.get(200, "/")
	b.holds(page, "<b>1</b> service", `href="/services/shop"`, `x="0" width="7500"`, `class="v1" x="7500" width="2500"`, "v1.4.2",
		"75%", "1\u202f235", "0.02%", "900\u202fµs", "12\u202fms", "48.8%", "1/2", "stage 2 of 3", "green has 1 endpoint of 2 down", "Freeze friday is in force")
	page, _ = b.get(200, "/services/shop")
	b.holds(page, "127.0.0.1:9003", "e-down", "123\u202f456", "shop.example.com", `href="/rollouts/shop-7"`)
	page, _ = b.get(200, "/rollouts/shop-7")
	b.holds(page, "green has 25% of shop.", `aria-current="step"`, "after approval", "Bake", `href="https://git.example.com/shop/pull/7"`,
		"Evidence against the candidate", "0.5 of 133", "11 of 133", "4.85%", "error_rate &gt; 1%", "Recorded by node n1",
		`data-post="/v1/rollouts/shop-7/abort"`, `data-match="`, "All traffic of shop goes back to blue at once; green has 25% of it now.")
	page, _ = b.get(200, "/nodes")
	b.holds(page, "n1", "this one", "leads")
	page, _ = b.get(200, "/events")
	b.holds(page, "Started.", `id="stream"`)
	page, _ = b.get(200, "/audit")
	b.holds(page, "ana", "operator", "weights: blue 100% → blue 95%")
	page, _ = b.get(200, "/notifiers")
	b.holds(page, "deployments", "no such host", "Given up", `data-post="/v1/outbox/shop-7:0:notifier:deployments/resend"`, `data-post="/v1/outbox/resend"`, "Nothing is waiting")
	page, _ = b.get(404, "/services/none")
	b.holds(page, "There is no service &#34;none&#34;")
	b.get(404, "/rollouts/none")
}

func TestPages_ButtonsAreForWhoMayUseThem(t *testing.T) {
	b := withCanary(t, withTokens(t))
	f := func(token string, buttons bool) {
		t.Helper()
		for _, path := range []string{"/rollouts/shop-7", "/notifiers"} {
			page, _ := b.get(200, path, "Authorization: Bearer "+token)
			if strings.Contains(page, "data-post=") != buttons {
				t.Errorf("%s: buttons are there: %t", path, !buttons)
			}
		}
	}
	f(apitest.Viewer, false)
	f(apitest.Operator, true)
	f(apitest.Admin, true)
	page, _ := b.get(200, "/rollouts/shop-7", "Authorization: Bearer "+apitest.Viewer)
	b.holds(page, "Your token has the role viewer: operators can promote, pause, abort.", "vera")
	b.lacks(page, "Log out")
}

func TestPages_TellOfAStateThatIsOld(t *testing.T) {
	b := withCanary(t)
	b.control.Change(func(v *control.View, _ int64) {
		v.Store = control.StoreView{Revision: 12, Source: "disk", Age: 90 * time.Second, Err: "no leader"}
		v.Services[0].Refused = "endpoint twice"
	})
	page, _ := b.get(200, "/audit")
	b.holds(page, "1\u202fmin 30\u202fs ago: no leader", "1 service has a document that this node cannot use", "(not connected)")
	b.control.Change(func(v *control.View, _ int64) { v.Store.Blind = true })
	page, _ = b.get(200, "/nodes")
	b.holds(page, "candidates get nothing from it", "blind")
}

// A page that a thousand services share is small, and shows first what matters.
func TestServices_AThousandAreFoundAndPaged(t *testing.T) {
	b := newBench(t)
	b.control.Change(func(v *control.View, _ int64) {
		for i := range 1000 {
			s := shop(fmt.Sprintf("service-%03d", i))
			s.Versions[1].Endpoints = s.Versions[1].Endpoints[:1]
			v.Services = append(v.Services, s)
		}
	})
	b.control.AddRollout(canary("late-1", "service-900"))
	page, _ := b.get(200, "/")
	total := len(page)
	for _, one := range regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllStringSubmatch(page, -1) {
		asset, _ := b.get(200, one[1])
		total += len(asset)
	}
	t.Logf("the first paint is %d bytes in all, %d of them the page", total, len(page))
	if total > 200_000 || total < 20_000 {
		t.Errorf("the first paint is %d bytes in all", total)
	}
	b.holds(page, "1\u202f000", "1–50 of 1\u202f000", `href="/?page=2"`)
	if strings.Index(page, "service-900") > strings.Index(page, "service-000") {
		t.Error("what is in a rollout does not come first")
	}
	page, _ = b.get(200, "/?q=SERVICE-12&page=9")
	b.holds(page, "service-120", "service-129", `value="SERVICE-12"`)
	b.lacks(page, "service-130", "service-012")
	page, _ = b.get(200, "/?page=20&q=service")
	b.holds(page, "service-999", "951–1000 of 1\u202f000", `href="/?page=19&amp;q=service"`)
	page, _ = b.get(200, "/?q=service-077.example")
	b.holds(page, "service-077")
	page, _ = b.get(200, "/?show=moving")
	b.holds(page, "service-900")
	b.lacks(page, "service-000")
	page, _ = b.get(200, "/?q=nope")
	b.holds(page, "No service is like that")
	page, _ = newBench(t).get(200, "/")
	b.holds(page, "There are no services yet")
}
