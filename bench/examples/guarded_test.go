//go:build e2e

package examples

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weirproxy/weir/bench/lab"
)

// The document is taken as it stands but for its addresses. Weights are moved by hand,
// and the guard puts a bad version's traffic back.
func TestContract_TheGuardPutsBackWhatWasMovedByHand(t *testing.T) {
	good, bad := origin(t, "v41"), origin(t, "v42")
	n, err := labOf.Node(lab.NodeOptions{Name: "guarded"})
	check(t, err)
	t.Cleanup(func() { n.Kill(); n.API.Close() })
	doc := strings.NewReplacer("127.0.0.1:9021", good.Address, "127.0.0.1:9022", bad.Address).Replace(read(t, "testdata/contract/guarded.yaml"))
	cli := func(in string, args ...string) string {
		t.Helper()
		code, out, errOut, err := n.CLIWith(in, args...)
		if check(t, err); code != 0 {
			t.Fatalf("weir %s: %d %s%s", strings.Join(args, " "), code, out, errOut)
		}
		return out
	}
	cli(doc, "apply", "-f", "-")
	ask := func(version string) int {
		req, err := http.NewRequest(http.MethodGet, "http://"+n.Clients+"/", nil)
		check(t, err)
		req.Host = "api.example.com"
		if version != "" {
			req.Header.Set("X-Api-Version", version)
		}
		resp, err := http.DefaultClient.Do(req)
		check(t, err)
		check(t, resp.Body.Close())
		return resp.StatusCode
	}
	check(t, lab.Await("the service is routed", patience, func() (bool, error) { return ask("2") == http.StatusOK, nil }))
	if with, without := ask("2"), ask(""); with != http.StatusOK || without != http.StatusNotFound {
		t.Fatalf("with the header that routes ask for %d, without it %d", with, without)
	}

	_, err = bad.Fail("errors=1")
	check(t, err)
	cli("", "weights", "api", "v41=70%", "v42=30%")
	failed := 0
	check(t, lab.Await("the guard puts it back", patience, func() (bool, error) {
		for range 20 {
			if ask("2") >= 500 {
				failed++
			}
		}
		s, err := n.API.Service("api")
		return s.Stable == "v41" && s.Rollout == "", err
	}))
	if failed == 0 {
		t.Error("nobody met the bad version: the test shows nothing")
	}
	for range 200 {
		if status := ask("2"); status != http.StatusOK {
			t.Fatalf("after it was put back: %d", status)
		}
	}
	holds(t, cli("", "rollout", "why", "api"), "rolled_back", "error_rate > 1%")
	holds(t, cli("", "weights", "api"), "v41  100%")
}
