package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

const shopKey = "the-key-of-the-shop" // by which applications ask for flags

// opening starts the world, in which v1.4 runs everywhere.
func (s *story) opening() {
	s.slack, s.pager = record("Slack", fromSlack), record("PagerDuty", fromPagerDuty)
	s.tracker, s.github = record("The tracker", fromTracker()), record("GitHub", fromTracker())
	etcd, err := s.lab.Etcd("etcd")
	s.check(err)
	for _, name := range []string{"edge-1", "edge-2"} {
		if s.err != nil {
			return
		}
		n, err := s.lab.Node(lab.NodeOptions{Name: name, Etcd: etcd, Clients: fmt.Sprintf("tokens:\n  - {name: shop, role: client, token: %s}\n", shopKey)})
		s.check(err)
		s.nodes = append(s.nodes, n)
		s.check(secrets(n, map[string]string{"tracker": "the-token-of-the-tracker", "slack": s.slack.server.URL + "/services/T0/B0/hush", "pagerduty": strings.Repeat("0123456789abcdef", 2)}))
	}
	if s.err != nil {
		return
	}
	s.check(lab.AwaitMembers(s.nodes, patience))
	s.say("two nodes, edge-1 and edge-2, share one etcd")

	s.file("shop.yaml", strings.NewReplacer("PRODUCTION", s.build("production", "v1.4"), "STAGING", s.build("staging", "v1.4")).Replace(`kind: Service
name: shop
routes: [{host: shop.example.com}]
versions: {v1.4: {endpoints: ["PRODUCTION"]}}
stable: v1.4
sticky: {by: header, header: X-User-Id}
health: {path: /healthz, interval: 500ms}
---
kind: Service
name: shop-staging
application: shop
environment: staging
routes: [{host: staging.example.com}]
versions: {v1.4: {endpoints: ["STAGING"]}}
stable: v1.4
health: {path: /healthz, interval: 500ms}
`))
	s.weir("apply -f shop.yaml")
	s.file("notifiers.yaml", fmt.Sprintf(`kind: Notifier
name: deployments
slack: {webhook_url_file: secrets/slack}
on: [waiting, started, approval, succeeded, failed, rolled_back, aborted]
---
kind: Notifier
name: oncall
pagerduty: {routing_key_file: secrets/pagerduty, url: %q}
on: [failed, rolled_back]
---
kind: Notifier
name: tasks
tracker:
  url: %q
  token_file: secrets/tracker
  tasks: "SHOP-[0-9]+"
  states:
    - {state: merged, word: Merged}
    - {state: deploying, word: "Canary in {{environment}}"}
    - {state: live, word: "In {{environment}}"}
    - {state: rolled_back, word: "Rolled back in {{environment}}"}
  requests:
    - {method: PUT, path: "/tasks/{{task.id}}", body: '{"status": "{{word}}"}'}
---
kind: Notifier
name: issues
tracker:
  preset: github
  url: %q
  project: example/shop
  token_file: secrets/tracker
  states:
    - {state: live, word: "In {{environment}}"}
`, s.pager.server.URL, s.tracker.server.URL, s.github.server.URL))
	s.weir("apply -f notifiers.yaml")
	s.file("to-staging.yaml", `kind: Rollout
service: shop-staging
to: build
migrations: [users-email-expand]
strategy: blue-green
smoke: [{get: /smoke, expect: {status: 200}}]
bake: 2s
rollback: {triggers: [{condition: error_rate > 1%, duration: 10s}]}
`)
	s.file("to-production.yaml", `kind: Rollout
service: shop
to: build
migrations: [users-email-expand]
requires: [{environment: staging, for: 10s}]
strategy: canary
stages:
  - {name: canary, weight: 10%, duration: 2s}
  - {name: half, weight: 50%, duration: 2s, approval: manual}
  - {name: all, weight: 100%, duration: 1s}
rollback: {triggers: [{condition: error_rate > 1%, duration: 10s}]}
keep_previous: 30s
`)

	s.git(s.began, "init", "-q")
	s.commit("", 400*time.Hour, "chore: begin")
	s.git(s.began, "tag", "v1.3")
	s.commit("v1.4", 300*time.Hour, "feat(cart): coupons (SHOP-11)")
	s.tag("v1.4")
	s.cut("v1.4", "v1.3")
	s.ships("staging", "v1.4", false, func() { s.weir("release deployed shop v1.4 --environment staging") })
	s.told(s.tracker, "/tasks/SHOP-11: Merged", "/tasks/SHOP-11: In staging", "/tasks/SHOP-11: In production")
	s.stands(`
		        staging  production
		runs    v1.4     v1.4
		pending  -       -
		SHOP-11  live    live
	`)
	s.delivers()
	s.users.come(s)
}

// secrets writes files that documents name.
func secrets(n *lab.Node, files map[string]string) error {
	dir := filepath.Join(filepath.Dir(n.File), "secrets")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// cut makes a release of what is new since another one.
func (s *story) cut(version, previous string) said {
	return s.weir("release create shop %s --repo repo --from-git %s..%s --author @ana --task-link 'https://tasks.example.com/{id}'", version, previous, version)
}

// toStaging and toProduction are commands of a pipeline, with what it says of itself.
func (s *story) toStaging(version, by string) string {
	return fmt.Sprintf("rollout start -f to-staging.yaml --to %s --endpoint %s --meta by=%s --meta 'via=GitHub Actions' --meta pipeline=https://ci.example.com/%s --wait", version, s.build("staging", version), by, version)
}

func (s *story) toProduction(version, by string) string {
	return fmt.Sprintf("rollout start -f to-production.yaml --to %s --endpoint %s --meta by=%s --meta 'via=GitHub Actions' --meta pipeline=https://ci.example.com/%s", version, s.build("production", version), by, version)
}

// waitsFor waits until production's rollout waits for something.
func (s *story) waitsFor(what string) {
	s.awaits("shop waits for "+what, func() (bool, error) {
		r, err := newest(s.nodes[0].API, "shop")
		return r.WaitingFor == what, err
	})
}

// newest is the rollout of a service that began last.
func newest(api *lab.API, service string) (lab.Rollout, error) {
	var all []lab.Rollout
	err := api.Get("/v1/rollouts?limit=1&service="+url.QueryEscape(service), &all)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("there is no rollout of %q", service)
	}
	if err != nil {
		return lab.Rollout{}, err
	}
	return all[0], nil
}

// stable waits until all nodes send everybody of production to a version.
func (s *story) stable(version string) {
	for _, n := range s.nodes {
		s.awaits(version+" has everybody", func() (bool, error) {
			service, err := n.API.Service("shop")
			return service.Stable == version && service.Weights[version] == "100%", err
		})
	}
}

// asked is what an application gets that asks a node for a flag.
func asked(n *lab.Node, flag, user string) (string, error) {
	req, err := http.NewRequest(http.MethodPost, "http://"+n.Flags+"/ofrep/v1/evaluate/flags/"+flag, strings.NewReader(fmt.Sprintf(`{"context":{"targetingKey":%q}}`, user)))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+shopKey)
	return variantOf(http.DefaultClient.Do(req))
}
