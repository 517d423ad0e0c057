package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// Flags that the requests of shop carry.
const (
	ramped = "checkout" // half of the users have it, by a rollout that is in force
	killed = "theme"    // a person switched it off
)

// scene is a node with two services and two flags: the candidate of shop is on its
// way, those of cart were put back.
type scene struct {
	node       *lab.Node
	prometheus *lab.Prometheus
	told       *httptest.Server // the notifier's
	traffic    []*lab.Traffic
	rollout    string      // of shop, in force
	bad        *lab.Origin // the candidate of cart
}

func open(l *lab.Lab, rules string) (*scene, error) {
	s := &scene{told: httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))}
	if err := s.start(l, rules); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *scene) close() {
	for _, t := range s.traffic {
		t.Stop()
	}
	s.told.Close()
	if s.node != nil {
		s.node.API.Close()
	}
}

func (s *scene) start(l *lab.Lab, rules string) error {
	status, err := l.Address()
	if err != nil {
		return err
	}
	encrypted, err := l.Address()
	if err != nil {
		return err
	}
	cert, key, err := certificate(l.Dir)
	if err != nil {
		return err
	}
	s.node, err = l.Node(lab.NodeOptions{
		Name: "grafana", More: fmt.Sprintf("status: {address: %q}\n", status),
		Listeners: fmt.Sprintf("  - {address: %q, tls: {certificates: [{cert: %q, key: %q}]}}\n", encrypted, cert, key),
	})
	if err != nil {
		return err
	}
	folder, err := filepath.Abs(rules)
	if err != nil {
		return err
	}
	s.prometheus, err = l.Prometheus(fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%[1]s/recording.yaml, %[1]s/alerts.yaml]
scrape_configs:
  - {job_name: weir, static_configs: [{targets: [%[2]q]}]}
`, folder, status))
	if err != nil {
		return err
	}
	if err := s.serve(l); err != nil {
		return err
	}
	if err := s.flags(); err != nil {
		return err
	}
	if err := s.putBack(); err != nil {
		return err
	}
	return s.release()
}

// serve begins both services, with traffic.
func (s *scene) serve(l *lab.Lab) error {
	api := s.node.API
	var origins [3]*lab.Origin
	for i, name := range []string{"blue", "green", "bad"} {
		var err error
		if origins[i], err = l.Origin(name, 2*time.Millisecond); err != nil {
			return err
		}
	}
	s.bad = origins[2]
	for name, green := range map[string]*lab.Origin{"shop": origins[1], "cart": origins[2]} {
		err := api.Apply(name, lab.Document(fmt.Sprintf(`kind: Service
name: %[1]s
routes: [{host: %[1]s.example.com}]
versions: {blue: {endpoints: [%[2]q]}, green: {endpoints: [%[3]q]}}
stable: blue
health: {path: /healthz}
`, name, origins[0].Address, green.Address)))
		if err != nil {
			return err
		}
		s.traffic = append(s.traffic, lab.Load{Address: s.node.Clients, Host: name + ".example.com", Users: 500}.Open(60))
	}
	notifier := lab.Document(fmt.Sprintf("kind: Notifier\nname: ci\nwebhook: {url: %q}\non: [all]\n", s.told.URL))
	return s.must(http.MethodPut, "/v1/notifiers/ci", notifier)
}

// must makes a request that has to be taken.
func (s *scene) must(method, path string, body any) error {
	answer, err := s.node.API.Call(method, path, body)
	if err == nil && answer.Status >= 300 {
		err = fmt.Errorf("%s %s was refused: %s", method, path, answer.Body)
	}
	return err
}

// flags creates both, and kills one when Prometheus has seen it alive: a mark is
// where something changed.
func (s *scene) flags() error {
	for _, name := range []string{ramped, killed} {
		doc := lab.Document(fmt.Sprintf("kind: Flag\nname: %s\nservices: [shop]\nrecord: true\nkey: {header: X-User-Id}\n", name))
		if err := s.must(http.MethodPut, "/v1/flags/"+name, doc); err != nil {
			return err
		}
	}
	_, err := s.node.API.Begin(lab.Document(fmt.Sprintf("kind: Rollout\nflag: %s\nto: \"on\"\nstrategy: flag\nstages: [{weight: 50%%, duration: 1h}, {weight: 100%%}]\n", ramped)))
	if err != nil {
		return err
	}
	err = lab.Await("Prometheus sees the flag that is to be killed", patience, func() (bool, error) {
		all, err := s.prometheus.Query(fmt.Sprintf(`weir_flag_killed{flag=%q} == 0`, killed))
		return err == nil && len(all) == 1, err
	})
	if err != nil {
		return err
	}
	return s.must(http.MethodPost, "/v1/flags/"+killed+"/kill", map[string]any{})
}

// putBack has candidates of cart put back twice: a counter that Prometheus saw
// grow is what alerts go by. Each breaks only when Prometheus has seen its rollout:
// one that is put back between two scrapes leaves no trace but that counter.
func (s *scene) putBack() error {
	for n := 1.0; n <= 2; n++ {
		if _, err := s.bad.Fail(""); err != nil {
			return err
		}
		id, err := s.node.API.Begin("kind: Rollout\nservice: cart\nto: green\nstrategy: canary\nstages: [{weight: 50%, duration: 1h}]\n")
		if err != nil {
			return err
		}
		err = lab.Await("Prometheus sees the rollout of cart", patience, func() (bool, error) {
			all, err := s.prometheus.Query(fmt.Sprintf(`weir_rollout_phase{rollout=%q, phase="progressing"} == 1`, id))
			return err == nil && len(all) == 1, err
		})
		if err != nil {
			return err
		}
		if _, err := s.bad.Fail("errors=0.5"); err != nil {
			return err
		}
		if _, err := s.node.API.AwaitPhase(id, "rolled_back", time.Minute); err != nil {
			return err
		}
		err = lab.Await(fmt.Sprintf("Prometheus sees %v candidates put back", n), patience, func() (bool, error) {
			all, err := s.prometheus.Query(`sum(weir_rollbacks_total{service="cart"})`)
			return err == nil && len(all) == 1 && all[0].Values[0] == n, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// release begins the rollout of shop that stays in force, with a rule of each kind.
func (s *scene) release() (err error) {
	s.rollout, err = s.node.API.Begin(lab.Document(fmt.Sprintf(`kind: Rollout
service: shop
to: green
strategy: canary
stages: [{weight: 50%%, duration: 1h}, {weight: 100%%, duration: 1h}]
metrics:
  - {name: answers, prometheus: %q, query: 'sum(rate(weir_requests_total{service="{{service}}",version="{{version}}"}[10s]))', interval: 1s}
rollback:
  triggers:
    - {condition: error_rate > 5%%}
    - {condition: latency_p99 > 2s}
    - {condition: answers > 100000, duration: 1m}
`, s.prometheus.URL)))
	return err
}

// variables are what a person who looks at a service or flag would choose.
func (s *scene) variables(subject string) map[string]string {
	return map[string]string{
		"service": subject, "flag": subject, "rollout": s.rollout, "instance": ".+",
		// Grafana takes four scrapes, and 15 s at least.
		"__rate_interval": "15s", "__range": "1h",
	}
}

// certificate writes one for a listener: the page tells when it ends.
func certificate(dir string) (cert, key string, err error) {
	certText, keyText, err := lab.SelfSigned("shop.example.com")
	cert, key = filepath.Join(dir, "edge.crt"), filepath.Join(dir, "edge.key")
	return cert, key, errors.Join(err, os.WriteFile(cert, certText, 0o600), os.WriteFile(key, keyText, 0o600))
}

func fileOf(uid string) ([]byte, error) {
	return os.ReadFile(filepath.Join("configs", "grafana", uid+".json"))
}
