package api_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/call"
)

const clusterKey = "0123456789abcdef0123"

// withClusters may be forwarded to by eu and us; short has a key that is too short.
func withClusters(t *testing.T) *bench {
	t.Helper()
	dir := t.TempDir()
	for name, key := range map[string]string{"eu": clusterKey, "us": "another key of 20 ..", "short": "hush"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return newBench(t, func(o *api.Options) {
		o.Secrets = dir
		o.Clusters = []configs.Cluster{
			{Name: "eu", SecretFile: "eu"}, {Name: "us", SecretFile: "us", Environments: map[string]string{"production": "production"}},
			{Name: "short", SecretFile: "short"}, {Name: "none", SecretFile: "none"},
		}
	})
}

func (b *bench) forward(cluster, key, body string, at time.Time) reply {
	b.t.Helper()
	return b.do("POST", "/v1/forwarded", body, "Weir-Cluster: "+cluster, "Content-Type: application/json", "Weir-Signature: "+call.Sign([]byte(key), []byte(body), at))
}

// told is a body; more changes its deployment.
func told(cluster string, more ...string) string {
	d := `{"id": "d1", "application": "shop", "environment": "production", "version": "v1", "state": "live", "started_at": "2026-11-20T12:00:00Z"}`
	for i := 0; i < len(more); i += 2 {
		d = strings.Replace(d, more[i], more[i+1], 1)
	}
	return fmt.Sprintf(`{"version": 1, "cluster": %q, "seq": 7, "deployment": %s}`, cluster, d)
}

func TestForwarded_IsTakenFromThoseWhoSignIt(t *testing.T) {
	b := withClusters(t)
	now := time.Now()
	b.want(http.StatusCreated, b.forward("eu", clusterKey, told("eu", `"live"`, `"live", "reason": "a\nb", "link": "https://ci.example.com/7", "newer": 1`), now))
	b.want(http.StatusCreated, b.forward("us", "another key of 20 ..", told("us"), now))
	got := b.control.View().Deployments
	if len(got) != 2 || got[0].ID != "eu.d1" || got[0].Environment != "production-eu" || got[0].Seq != 7 || got[0].Reason != "a b" || got[1].Environment != "production" {
		t.Errorf("got %+v", got)
	}
	rel := `{"version": 1, "cluster": "eu", "seq": 8, "release": {"application": "shop", "version": "v1", "tasks": [{"id": "SHOP-1"}]}}`
	b.want(http.StatusCreated, b.forward("eu", clusterKey, rel, now))
	b.want(http.StatusOK, b.forward("eu", clusterKey, rel, now))
	if r := b.control.View().Releases; len(r) != 1 || len(r[0].Document.Tasks) != 1 {
		t.Errorf("releases: %+v", r)
	}
	b.want(http.StatusOK, b.forward("eu", clusterKey, `{"version": 1, "cluster": "eu"}`, now))
}

func TestForwarded_IsRefusedFromEverybodyElse(t *testing.T) {
	b := withClusters(t)
	now := time.Now()
	f := func(what string, status int, r reply) {
		t.Helper()
		b.wantProblem(status, r)
		if n := len(b.control.View().Deployments) + len(b.control.View().Releases); n != 0 {
			t.Fatalf("%s: it was taken", what)
		}
	}
	f("another's key", http.StatusUnauthorized, b.forward("eu", "another key of 20 ..", told("eu"), now))
	f("an old call", http.StatusUnauthorized, b.forward("eu", clusterKey, told("eu"), now.Add(-time.Hour)))
	f("a call of the future", http.StatusUnauthorized, b.forward("eu", clusterKey, told("eu"), now.Add(time.Hour)))
	f("nobody", http.StatusUnauthorized, b.forward("", clusterKey, told(""), now))
	f("a stranger", http.StatusUnauthorized, b.forward("asia", clusterKey, told("asia"), now))
	f("unsigned", http.StatusUnauthorized, b.do("POST", "/v1/forwarded", told("eu"), "Weir-Cluster: eu"))
	f("a short key", http.StatusServiceUnavailable, b.forward("short", "hush", told("short"), now))
	f("no key", http.StatusServiceUnavailable, b.forward("none", clusterKey, told("none"), now))
	f("for another", http.StatusUnprocessableEntity, b.forward("eu", clusterKey, told("us"), now))
	f("no JSON", http.StatusUnprocessableEntity, b.forward("eu", clusterKey, "{", now))
	f("no number", http.StatusUnprocessableEntity, b.forward("eu", clusterKey, strings.Replace(told("eu"), "7", "0", 1), now))
	for _, bad := range [][2]string{
		{`"d1"`, `"../d1"`}, {`"d1"`, `"us.d1"`}, {`"shop"`, `"Shop"`}, {`"production"`, `"Production"`}, {`"v1"`, `"v 1"`}, {`"live"`, `"gone"`},
		{`"live"`, `"live", "link": "javascript:alert(1)"`}, {`"2026-11-20T12:00:00Z"`, `"0001-01-01T00:00:00Z"`},
		{`"production"`, `"` + strings.Repeat("p", 61) + `"`},
	} {
		f(bad[1], http.StatusUnprocessableEntity, b.forward("eu", clusterKey, told("eu", bad[0], bad[1]), now))
	}
	f("a bad release", http.StatusUnprocessableEntity, b.forward("eu", clusterKey, `{"version": 1, "cluster": "eu", "release": {"application": "Shop"}}`, now))
	f("too much", http.StatusRequestEntityTooLarge, b.forward("eu", clusterKey, told("eu")+strings.Repeat(" ", 1<<20), now))

	off := newBench(t)
	off.wantProblem(http.StatusUnauthorized, off.forward("eu", clusterKey, told("eu"), now))
}
