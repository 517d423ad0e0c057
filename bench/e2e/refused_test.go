//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// picture is what must not change by anything that is refused.
func (w *world) picture() string {
	w.t.Helper()
	s, err := w.api.Service("shop")
	w.check(err)
	a, err := w.api.Call("GET", "/v1/rollouts", nil)
	w.check(err)
	var list []lab.Rollout
	w.check(a.Into(&list))
	text := fmt.Sprintf("stable %s, weights %v, revision %d, state %d", s.Stable, s.Weights, s.Revision, s.StateRevision)
	for _, r := range list {
		text += fmt.Sprintf("; %s %s %v", r.ID, r.Phase, r.Weights)
	}
	return text
}

// refused sends what must be refused: with a status, a text that names what is
// wrong, something to do about it, and no change.
func (w *world) refused(api *lab.API, status int, says string, method, path string, body any, headers ...string) {
	w.t.Helper()
	before := w.picture()
	a, err := api.Call(method, path, body, headers...)
	w.check(err)
	var p lab.Problem
	if kind := a.Header.Get("Content-Type"); a.Status != status || kind != "application/problem+json" {
		w.t.Errorf("%s %s: %d of type %s, not %d\n%s", method, path, a.Status, kind, status, a.Body)
		return
	}
	w.check(a.Into(&p))
	all := strings.Join(append([]string{p.Detail, p.Hint}, p.Problems...), "\n")
	if p.Status != status || p.Title == "" || p.Detail == "" || !strings.Contains(all, says) {
		w.t.Errorf("%s %s: the problem does not say %q: %s", method, path, says, a.Body)
	}
	if p.Hint == "" && len(p.Problems) == 0 && len(p.Allowed) == 0 {
		w.t.Errorf("%s %s: the problem does not say what to do: %s", method, path, a.Body)
	}
	if after := w.picture(); after != before {
		w.t.Errorf("%s %s was refused and changed the state:\nfrom %s\nto   %s", method, path, before, after)
	}
}

func TestRefused_BadInputChangesNothing(t *testing.T) {
	w := newWorld(t, options{})
	service, weights, rollouts := "/v1/services/shop", "/v1/services/shop/weights", "/v1/rollouts"
	doc := string(w.document(""))
	with := func(old, now string) lab.Document {
		t.Helper()
		if !strings.Contains(doc, old) {
			t.Fatalf("%q is not in the document", old)
		}
		return lab.Document(strings.Replace(doc, old, now, 1))
	}

	w.refused(w.api, 422, "stabel", "PUT", service, with("stable: blue", "stabel: blue"))
	w.refused(w.api, 422, "red", "PUT", service, with("stable: blue", "stable: red"))
	w.refused(w.api, 422, "interval", "PUT", service, with("500ms", "500"))
	w.refused(w.api, 422, "", "PUT", service, lab.Document("kind: Service\nname: [\n"))
	w.refused(w.api, 422, "other", "PUT", "/v1/services/other", lab.Document(doc))
	w.refused(w.api, 422, "retry.attempts", "PUT", service, with("stable: blue", "stable: blue\nretry: {attempts: 1000}"))

	w.refused(w.api, 422, "100", "PUT", weights, map[string]string{"blue": "90%", "green": "20%"})
	w.refused(w.api, 422, "100", "PUT", weights, map[string]string{"blue": "90%"})
	w.refused(w.api, 422, "red", "PUT", weights, map[string]string{"blue": "90%", "red": "10%"})
	w.refused(w.api, 422, "0.5", "PUT", weights, map[string]any{"blue": 0.5, "green": 0.5})
	w.refused(w.api, 404, "cellar", "PUT", "/v1/services/cellar/weights", map[string]string{"blue": "100%"})
	w.refused(w.api, 412, "", "PUT", weights, map[string]string{"blue": "90%", "green": "10%"}, "If-Match", `"1"`)
	w.refused(w.api, 412, "", "PUT", service, with("500ms", "700ms"), "If-Match", `"1"`)

	plan := string(canary("{weight: 10%, duration: 60s}"))
	other := func(old, now string) lab.Document { return lab.Document(strings.Replace(plan, old, now, 1)) }
	w.refused(w.api, 422, "red", "POST", rollouts, other("to: green", "to: red"))
	w.refused(w.api, 422, "blue", "POST", rollouts, other("to: green", "to: blue"))
	w.refused(w.api, 404, "cellar", "POST", rollouts, other("service: shop", "service: cellar"))
	w.refused(w.api, 422, "error_rate", "POST", rollouts, other("error_rate > 1%", "error_rate > many"))
	w.refused(w.api, 422, "purple-green", "POST", rollouts, lab.Document("kind: Rollout\nservice: shop\nto: green\nstrategy: purple-green\n"))
	w.refused(w.api, 404, "nothing", "POST", "/v1/rollouts/nothing/abort", map[string]any{})

	id := w.begin(lab.Document(plan))
	r := w.awaitStage(id, 0, 10*time.Second)
	w.refused(w.api, 409, id, "POST", rollouts, lab.Document(plan))
	w.refused(w.api, 409, id, "PUT", weights, map[string]string{"blue": "50%", "green": "50%"})
	w.refused(w.api, 409, id, "DELETE", service, nil)
	w.refused(w.api, 409, "resume", "POST", "/v1/rollouts/"+id+"/resume", map[string]any{})
	w.refused(w.api, 412, "", "POST", "/v1/rollouts/"+id+"/promote", map[string]any{}, "If-Match", `"1"`)
	if now := w.await(id, "progressing", time.Second); !maps.Equal(now.Weights, r.Weights) {
		t.Errorf("weights were moved from %v to %v", r.Weights, now.Weights)
	}
}

func TestRefused_BadFilesAreNamedByTheCommandLine(t *testing.T) {
	w := newWorld(t, options{})
	file := filepath.Join(labOf.Dir, "bad.yaml")
	w.check(os.WriteFile(file, []byte("kind: Service\nname: shop\nroutes: [{path: /}]\nversions: {blue: {endpoints: [here]}}\nstabel: blue\n"), 0o600))
	before := w.picture()
	w.holds(w.weir(1, "", "check", file), "bad.yaml:5", "stabel", "here")
	w.holds(w.weir(1, "", "apply", "-f", file), "bad.yaml:5", "stabel")
	w.weir(1, "", "weights", "shop", "blue=50%", "green=20%")
	w.weir(1, "", "weights", "cellar", "blue=100%")
	if after := w.picture(); after != before {
		t.Errorf("what was refused changed the state:\nfrom %s\nto   %s", before, after)
	}
}

const (
	admin    = "0123456789abcdef-admin"
	operator = "0123456789abcdef-operator"
	viewer   = "0123456789abcdef-viewer"
)

func TestRefused_ATokenOpensWhatItsRoleAllows(t *testing.T) {
	w := newWorld(t, options{token: admin, tokens: fmt.Sprintf(`tokens:
  - {name: ana, role: admin, token: %s}
  - {name: otto, role: operator, token: %s}
  - {name: vera, role: viewer, token: %s}
`, admin, operator, viewer)})
	tenth := map[string]string{"blue": "90%", "green": "10%"}
	nobody, wrong := w.api.With(""), w.api.With("0123456789abcdef-wrong")
	vera, otto := w.api.With(viewer), w.api.With(operator)
	for _, api := range []*lab.API{nobody, wrong, vera, otto} {
		t.Cleanup(api.Close)
	}

	w.refused(nobody, 401, "", "GET", "/v1/services", nil)
	w.refused(nobody, 401, "", "PUT", "/v1/services/shop/weights", tenth)
	w.refused(wrong, 401, "", "PUT", "/v1/services/shop/weights", tenth)
	w.refused(vera, 403, "operator", "PUT", "/v1/services/shop/weights", tenth)
	w.refused(otto, 403, "admin", "PUT", "/v1/services/shop", w.document(""))
	for path, api := range map[string]*lab.API{"/v1/services": vera, "/healthz": nobody, "/readyz": nobody} {
		a, err := api.Call("GET", path, nil)
		w.check(err)
		if a.Status != http.StatusOK {
			t.Errorf("GET %s: %d %s", path, a.Status, a.Body)
		}
	}
	w.check(otto.Weigh("shop", tenth))
	a, err := w.api.Call("GET", "/v1/audit", nil)
	w.check(err)
	w.holds(string(a.Body), `"otto"`)
	w.weir(0, "", "get", "services")
}
