package configs_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// rules is a file of rules for Prometheus.
type rules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Record, Alert, Expr, For string
			Labels, Annotations      map[string]string
		}
	}
}

// ruleTests is a file for `promtool test rules`.
type ruleTests struct {
	Files []string `yaml:"rule_files"`
	Tests []struct {
		Name  string
		Exprs []struct {
			Expr    string
			Samples []any `yaml:"exp_samples"`
		} `yaml:"promql_expr_test"`
	}
}

func readYAML[T any](t *testing.T, file string) (v T) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return v
}

func TestPrometheus_EachAlertSaysWhatToDoAndIsTested(t *testing.T) {
	fires, silent := map[string]int{}, map[string]int{}
	named := regexp.MustCompile(`^ALERTS\{alertname="(\w+)",alertstate="firing"\}$`)
	for _, test := range readYAML[ruleTests](t, "prometheus/alerts_test.yaml").Tests {
		for _, e := range test.Exprs {
			m := named.FindStringSubmatch(e.Expr)
			if m == nil || m[1] != test.Name {
				t.Errorf("test %s asks for %s", test.Name, e.Expr)
				continue
			}
			if len(e.Samples) > 0 {
				fires[m[1]]++
			} else {
				silent[m[1]]++
			}
		}
	}
	seen := map[string]bool{}
	for _, g := range readYAML[rules](t, "prometheus/alerts.yaml").Groups {
		for _, r := range g.Rules {
			if seen[r.Alert] || !strings.HasPrefix(r.Alert, "Weir") {
				t.Errorf("alert %q: a name of its own that begins with Weir is wanted", r.Alert)
			}
			seen[r.Alert] = true
			if s := r.Labels["severity"]; s != "critical" && s != "warning" && s != "info" {
				t.Errorf("%s has severity %q", r.Alert, s)
			}
			if want := "configs/examples/operations.md#" + strings.ToLower(r.Alert); r.Annotations["runbook"] != want {
				t.Errorf("the runbook of %s is %q, not %q", r.Alert, r.Annotations["runbook"], want)
			}
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s does not say what is wrong", r.Alert)
			}
			if fires[r.Alert] == 0 || silent[r.Alert] < 2 {
				t.Errorf("%s is not tested to fire, and to be silent before and after", r.Alert)
			}
		}
	}
	for name := range fires {
		if !seen[name] {
			t.Errorf("%s is tested, and there is none", name)
		}
	}
}

func TestPrometheus_EachRecordIsTested(t *testing.T) {
	tested := map[string]bool{}
	for _, test := range readYAML[ruleTests](t, "prometheus/recording_test.yaml").Tests {
		for _, e := range test.Exprs {
			tested[e.Expr] = len(e.Samples) > 0
		}
	}
	for _, g := range readYAML[rules](t, "prometheus/recording.yaml").Groups {
		for _, r := range g.Rules {
			if !tested[r.Record] {
				t.Errorf("%s is not tested", r.Record)
			}
		}
	}
}
