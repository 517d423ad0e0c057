package dashboard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api/apitest"
	"github.com/weirproxy/weir/control/migration"
	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/rollout"
)

// delivered puts releases of the shop, what other systems reported of them, and
// flags into a view.
func delivered(v *control.View) {
	ago := func(hours float64) time.Time { return v.At.Add(-time.Duration(hours * float64(time.Hour))) }
	reported := func(environment, version string, state release.State, began, ended float64) release.Deployment {
		return release.Deployment{
			ID: fmt.Sprint(environment, "-", version, "-", began), Application: "shop", Environment: environment, Version: version, State: state,
			By: "ci", Via: "pipeline 7", Link: "https://git.example.com/shop/pull/7", StartedAt: ago(began), EndedAt: ago(ended),
		}
	}
	v.Releases = []control.ReleaseView{
		{ModRevision: 5, Document: configs.Release{
			Application: "shop", Version: "v1.4.2", At: ago(200).Format(time.RFC3339), Tasks: []configs.Task{{ID: "SHOP-8", Title: "Faster search"}},
			Changes: []configs.Change{{Type: "perf", Text: "search asks once", At: ago(220).Format(time.RFC3339)}},
		}},
		{ModRevision: 6, Document: configs.Release{
			Application: "shop", Version: "v1.5.0", Previous: "v1.4.2", Commit: "c0ffee1234567890", Author: "Ana", At: ago(20).Format(time.RFC3339),
			Link:  "https://git.example.com/shop/pull/7",
			Tasks: []configs.Task{{ID: "SHOP-12", Title: "Coupons", Link: "https://git.example.com/shop/pull/7"}, {ID: "SHOP-13"}},
			Changes: []configs.Change{
				{Type: "chore", Text: "tidy up"},
				{Type: "feat", Scope: "cart", Text: "take coupons", Commit: "0123456789abcdef", Author: "Ana", Tasks: []string{"SHOP-12"}},
				{Type: "fix", Text: "v1 prices are gone", Breaking: true},
			},
		}},
	}
	v.Deployments = []release.Deployment{
		reported("staging", "v1.5.0", release.Live, 19, 18.9),
		reported("production", "v1.5.0", release.RolledBack, 16, 15.95),
	}
	first := rollout.State{
		ID: "shop-6", Service: "shop", Strategy: configs.StrategyCanary, From: "green", To: "blue", Candidates: []string{"blue"}, Phase: rollout.Succeeded,
		Weights: map[string]configs.Weight{"blue": configs.Whole}, StartedAt: ago(190), UpdatedAt: ago(189), EndedAt: ago(189), Actor: "ana",
		Plan: configs.Rollout{Service: "shop", To: "blue", Release: "v1.4.2"},
	}
	v.Rollouts = append(v.Rollouts, &control.RolloutView{State: first})
	told := func(environment, name, phase string, state migration.State, done int, breaks ...string) control.MigrationView {
		return control.MigrationView{Record: migration.Record{
			Application: "shop", Environment: environment, Name: name, Phase: phase, State: state, Steps: 3, StepsDone: done, Breaks: breaks, By: "ana", At: ago(2),
		}}
	}
	v.Migrations = []control.MigrationView{
		told("production", "users-email", configs.PhaseExpand, migration.Done, 3),
		told("production", "users-email-drop", configs.PhaseContract, migration.Pending, 0, "v1.4.2"),
		told("production", "users-email-fill", configs.PhaseMigrate, migration.Running, 1),
		told("staging", "users-email", configs.PhaseExpand, migration.Done, 3),
		told("staging", "users-email-drop", configs.PhaseContract, migration.Done, 3, "v1.4.2"),
	}
	v.Flags = []control.FlagView{
		{
			Document: configs.Flag{
				Name: "new-checkout", Services: []string{"shop"}, Record: true,
				Rules: []configs.FlagRule{
					{Name: "staff", Variant: "on", When: []configs.FlagCondition{{Header: "X-Staff"}, {Attribute: "country", Values: []string{"CH", "AT"}}}},
					{Variant: "off", Until: "2025-12-31T00:00:00Z", Share: 2500, Environments: []string{"staging"}},
				},
			},
			State: rollout.Service{Stable: "off", Weights: map[string]configs.Weight{"off": 9000, "on": 1000}}, ModRevision: 8, StateRevision: 8,
			Variants: []control.VersionView{
				{Name: "off", Role: "stable", Weight: 9000, Requests: 1000, Errors: 1, RPS: 90, ErrorRate: .001, P99: 12 * time.Millisecond},
				{Name: "on", Role: "candidate", Weight: 1000, Requests: 100, Errors: 30, RPS: 10, ErrorRate: .3, P99: 80 * time.Millisecond},
			},
		},
		{
			Document: configs.Flag{Name: "theme", Type: configs.FlagString, Default: "plain", Variants: map[string]configs.FlagValue{"plain": configs.FlagValue(`"plain"`), "xmas": configs.FlagValue(`"<xmas>"`)}},
			State:    rollout.Service{Stable: "plain", Weights: map[string]configs.Weight{"plain": configs.Whole}}, ModRevision: 9, StateRevision: 9,
			Killed:   &control.Kill{At: ago(.5), Actor: "olaf", Reason: "too much snow"},
			Variants: []control.VersionView{{Name: "plain", Role: "stable", Weight: configs.Whole}, {Name: "xmas", Role: "idle"}},
		},
	}
	v.Audit = append(v.Audit, control.AuditView{ID: "a0", At: ago(3), Actor: "ana", Role: "operator", Action: "apply", Object: "flags/new-checkout", Text: "changed flag new-checkout"})
}

func TestApplications_ShowWhatIsWhereAndHowWellItGoes(t *testing.T) {
	b := withCanary(t)
	page, _ := b.get(200, "/applications")
	b.holds(page, `href="/applications/shop"`, "<b>1</b> pending for production", "staging", "v1.4.2", "25% of the users", "by ci",
		"1 in 30 days", "31\u202fh", "50%", "1 of 2", "3\u202fmin", "What the figures mean")
	page, _ = b.get(200, "/applications?days=7")
	b.holds(page, "0 in 7 days", "0.0 a week", "no commit times of what was deployed are known")
	page, _ = b.get(200, "/applications?environment=test")
	b.holds(page, "not known", "no deployment is known", "pending for test", `name="environment" value="test"`)
	page, _ = b.get(200, "/applications?q=none")
	b.holds(page, "No application is like that")
	page, _ = newBench(t).get(200, "/applications")
	b.holds(page, "There are no applications yet")
}

func TestApplication_ShowsTasksReleasesAndDeployments(t *testing.T) {
	b := withCanary(t)
	page, _ := b.get(200, "/applications/shop")
	b.holds(page, "SHOP-12", "deployed to staging", "in production", "Pending for production", `href="/applications/shop/releases/v1.5.0"`,
		"1 breaking", "Deployments a day", `href="/rollouts/shop-7"`, "pipeline 7", "6\u202fmin", `class="went-live"`, `class="went-back"`)
	page, _ = b.get(200, "/applications/shop?environment=staging&days=7")
	b.holds(page, "Nothing: staging has all that was released", "Delivery to staging, the last 7 days", "<option selected>staging</option>")
	b.get(404, "/applications/none")

	page, _ = b.get(200, "/applications/shop")
	b.holds(page, "users-email-drop", `<span class="pill p-running">running, 1 of 3 steps</span>`, `v1.4.2 <span class="hot">no way back</span>`)
	if strings.Index(page, "users-email-fill") > strings.LastIndex(page, "users-email<") {
		t.Error("what is done comes before what is under way")
	}

	page, _ = b.get(200, "/applications/shop/releases/v1.5.0")
	b.holds(page, "Breaking changes", "v1 prices are gone", "<b>cart</b>: take coupons", "c0ffee12", "Where it is now", "deployed to staging", "rolled back", "by Ana")
	if strings.Index(page, "v1 prices are gone") > strings.Index(page, "take coupons") {
		t.Error("what breaks does not come first")
	}
	b.get(404, "/applications/shop/releases/v9")
}

// A task that goes to users by a rollout of the release shows how many have it.
func TestApplication_ATaskShowsHowManyHaveIt(t *testing.T) {
	b := withCanary(t)
	b.control.Change(func(v *control.View, _ int64) { v.Rollouts[0].State.Plan.Release = "v1.5.0" })
	page, _ := b.get(200, "/applications/shop")
	b.holds(page, "canary at 25%")
	page, _ = b.get(200, "/applications/shop/releases/v1.5.0")
	b.holds(page, `href="/rollouts/shop-7"`, "25% of the users")
	page, _ = b.get(200, "/rollouts/shop-7")
	b.holds(page, `<dt>Release</dt><dd><a href="/applications/shop/releases/v1.5.0">v1.5.0</a>`)
}

func TestFlags_ShowWhoGetsWhat(t *testing.T) {
	b := withCanary(t)
	page, _ := b.get(200, "/flags")
	b.holds(page, "<b>2</b> flags", "<b>1</b> switched off", `href="/flags/new-checkout"`, "30%", "10%", "2 rules", "changed 3\u202fh ago by ana",
		"switched off by olaf 30\u202fmin ago: too much snow", "&#34;&lt;xmas&gt;&#34;")
	if strings.Index(page, "f-theme") > strings.Index(page, "f-new-checkout") {
		t.Error("what is switched off does not come first")
	}
	page, _ = b.get(200, "/flags?show=killed")
	b.lacks(page, "new-checkout")
	page, _ = b.get(200, "/flags?q=none")
	b.holds(page, "No flag is like that")

	page, _ = b.get(200, "/flags/new-checkout")
	b.holds(page, "any header X-Staff and attribute country is CH or AT", "until 2025-12-31 00:00:00 UTC", `<span class="pill">over</span>`, "Rule 2",
		`data-post="/v1/flags/new-checkout/kill"`, "Everybody gets off at once", "changed flag new-checkout", "30 bad")
	b.lacks(page, "everybody gets it whom")
	page, _ = b.get(200, "/flags/new-checkout?key=user-7&carries=X-Staff%3D1&environment=staging")
	b.holds(page, "<b>off</b> <code>false</code>: everybody gets it whom no rule gives a variant.", `value="user-7"`, `value="X-Staff=1"`, `value="staging"`)
	page, _ = b.get(200, "/flags/theme")
	b.holds(page, "Switched off: everybody gets plain.", `data-post="/v1/flags/theme/restore"`, "Rules and shares count again: plain 100%.", "too much snow")
	b.get(404, "/flags/none")

	guarded := withCanary(t, withTokens(t))
	page, _ = guarded.get(200, "/flags/new-checkout", "Authorization: Bearer "+apitest.Viewer)
	b.holds(page, "operators can switch it off")
	b.lacks(page, "data-post")
}

// Rollouts of flags lead to the flag, and show its variants.
func TestRollout_OfAFlagLeadsToIt(t *testing.T) {
	b := withCanary(t)
	s := canary("flag-1", configs.FlagService("new-checkout"))
	s.From, s.To, s.Candidates = "off", "on", []string{"on"}
	b.control.AddRollout(s)
	page, _ := b.get(200, "/rollouts/flag-1")
	b.holds(page, `href="/flags/new-checkout"`, "Traffic now", `id="v-on"`)
}

func TestAdvice_IsShownWhereItIsOf(t *testing.T) {
	b := withCanary(t)
	page, _ := b.get(200, "/advice")
	b.holds(page, "Nothing is asked of the version before its first user.", `href="/rollouts?q=shop"`, `href="/services/shop"`, "advise: {ignore: [no-smoke-check]}")
	page, _ = b.get(200, "/services/shop")
	b.holds(page, "advise: {ignore: [no-notifications]}", "Apply a Notifier")
	page, _ = b.get(200, "/")
	b.holds(page, `<a href="/advice"><b>`)
	b.control.Change(func(v *control.View, _ int64) {
		v.Services[0].Document.Advise = &configs.Advise{Ignore: []string{"no-notifications"}}
	})
	page, _ = b.get(200, "/services/shop")
	b.lacks(page, "Apply a Notifier")
	page, _ = newBench(t).get(200, "/advice")
	b.holds(page, "There is none")
}

// Whatever releases, tasks, flags and those who report are called, it is text,
// and nobody is led to what is no web address.
func TestDelivery_NamesAndLinksAreText(t *testing.T) {
	const evil = `"'><script>alert(1)</script><img src=x onerror=alert(2)>`
	b := withCanary(t)
	b.control.Change(func(v *control.View, _ int64) {
		r := &v.Releases[1].Document
		r.Commit, r.Author, r.Previous, r.Link = evil, evil, evil, "javascript:alert(1)"
		r.Tasks = []configs.Task{{ID: evil, Title: evil, Link: "data:text/html," + evil}, {ID: "T", Link: "//evil.example/x"}}
		r.Changes = []configs.Change{{Type: evil, Scope: evil, Text: evil, Commit: evil, Author: evil, Tasks: []string{evil}, Breaking: true}}
		v.Deployments = append(v.Deployments, release.Deployment{
			ID: evil, Application: "shop", Environment: evil, Version: "v1.5.0", State: release.State(evil), By: evil, Via: evil, Link: "javascript:alert(3)", Reason: evil, StartedAt: v.At,
		})
		v.Migrations[0].Name, v.Migrations[0].Phase, v.Migrations[0].State, v.Migrations[0].By, v.Migrations[0].Breaks = evil, evil, migration.State(evil), evil, []string{evil}
		f := &v.Flags[0]
		f.Refused, f.Killed = evil, &control.Kill{Actor: evil, Reason: evil}
		f.Document.Services = []string{evil}
		f.Document.Rules[0] = configs.FlagRule{Name: evil, Variant: evil, Environments: []string{evil}, From: evil, When: []configs.FlagCondition{{Cookie: evil, Values: []string{evil, evil}}}}
		f.Document.Variants = map[string]configs.FlagValue{evil: configs.FlagValue(`"</script><script>alert(4)</script>"`)}
		f.Variants = []control.VersionView{{Name: evil, Role: evil, Weight: configs.Whole}}
		v.Audit = []control.AuditView{{ID: evil, Actor: evil, Action: evil, Object: "flags/new-checkout", Text: evil}}
		v.Rollouts[0].Rules = []analysis.RuleReport{}
		v.Services[0].Document.Application = "shop"
	})
	for _, path := range []string{"/applications", "/applications/shop", "/applications/shop/releases/v1.5.0", "/flags", "/flags/new-checkout", "/advice", "/applications?environment=" + `%22%3E%3Cscript%3E`,
		"/flags/new-checkout?key=%22%3E%3Cscript%3E&carries=%22%3E%3Cscript%3E&environment=%22%3E%3Cscript%3E"} {
		page, _ := b.get(200, path)
		if bad := hostileTag.FindString(page); bad != "" {
			t.Errorf("%s lets %q through", path, bad)
		}
		for _, one := range foreignLink.FindAllStringSubmatch(page, -1) {
			if one[1] != "https://git.example.com/shop/pull/7" {
				t.Errorf("%s links to %q", path, one[1])
			}
		}
	}
}

// Many applications are paged, and what a page costs does not grow with them.
func TestApplications_AreFoundAndPaged(t *testing.T) {
	b := newBench(t)
	b.control.Change(func(v *control.View, _ int64) {
		for i := range 100 {
			v.Services = append(v.Services, shop(fmt.Sprintf("service-%03d", i)))
		}
	})
	page, _ := b.get(200, "/applications?days=90")
	b.holds(page, "1–20 of 100", `href="/applications?days=90&amp;page=2"`)
	if len(page) > 120_000 {
		t.Errorf("the page is %d bytes", len(page))
	}
	page, _ = b.get(200, "/applications?q=SERVICE-07")
	b.holds(page, "service-070", "service-079")
	b.lacks(page, "service-080")
}

// However much is under way, a page stays one that a browser brings up to date
// without noticing.
func TestPages_AreBounded(t *testing.T) {
	b := newBench(t)
	b.control.Change(func(v *control.View, _ int64) {
		v.Services = append(v.Services, shop("shop"))
		for i := range 300 {
			v.Releases = append(v.Releases, control.ReleaseView{Document: configs.Release{Application: "shop", Version: fmt.Sprint("v", i), Tasks: []configs.Task{{ID: fmt.Sprint("T-", i)}}}})
		}
	})
	for i := range 300 {
		b.control.AddRollout(canary(fmt.Sprint("r", i), fmt.Sprintf("service-%03d", i)))
	}
	page, _ := b.get(200, "/rollouts")
	b.holds(page, "The newest 50 of 300.")
	sizes := []int{len(page)}
	page, _ = b.get(200, "/applications/shop")
	b.holds(page, "The oldest 50 of 300.", "100 of 300", "The newest 50 of 300.")
	if sizes = append(sizes, len(page)); max(sizes[0], sizes[1]) > 120_000 {
		t.Errorf("pages are %v bytes", sizes)
	}
}
