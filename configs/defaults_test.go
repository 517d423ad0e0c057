package configs

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestService_DefaultsAreTheDocumentedOnes(t *testing.T) {
	s := decodeService(t, strings.Replace(shop, "{path: /}", "{host: a.example.com}", 1)+"sticky: {by: cookie}\nhealth: {path: /healthz}\nguard: {}\nfallback: {}\n")
	s.SetDefaults()
	want := Service{
		Name: "shop", Application: "shop", Environment: "production", Stable: "blue", Versions: s.Versions, Host: "client", Protocol: "http1",
		Routes:         []Route{{Host: "a.example.com", Path: "/"}},
		Timeout:        Duration(15 * time.Second),
		IdleTimeout:    Duration(5 * time.Minute),
		ConnectTimeout: Duration(5 * time.Second),
		Sticky:         &Sticky{By: "cookie", Mode: "follow", Cookie: &StickyCookie{Name: "weir_id", MaxAge: Duration(24 * time.Hour), Path: "/"}},
		Health:         &Health{Path: "/healthz", Interval: Duration(2 * time.Second), Timeout: Duration(time.Second), Fall: 3, Rise: 2},
		Guard:          &Guard{Bake: Duration(10 * time.Minute), UnreadyFor: Duration(5 * time.Second)},
		Ejection:       &Ejection{Failures: 5, Time: Duration(30 * time.Second), MaxTime: Duration(5 * time.Minute), MaxPercent: 10},
		PanicPercent:   50,
		Circuit:        &Circuit{Connections: 1024, Pending: 1024, Uploads: 512},
		Resolve:        &Resolve{Interval: Duration(5 * time.Second), Family: "auto"},
		Retry:          &Retry{Attempts: 3},
		Fallback:       &Fallback{Status: []int{404}, Methods: []string{"GET", "HEAD"}},
	}
	if !reflect.DeepEqual(*s, want) {
		t.Errorf("got  %+v\nwant %+v", *s, want)
	}
	if problems := s.Validate(); len(problems) > 0 {
		t.Errorf("with defaults it is invalid: %v", problems)
	}
}

func TestService_DefaultsLeaveAShallowCopyAlone(t *testing.T) {
	s := decodeService(t, shop+"sticky: {by: cookie, cookie: {name: a}}\nhealth: {path: /}\nguard: {triggers: [{condition: error_rate > 1%}]}\nretry: {on: [reset]}\nfallback: {methods: [GET]}\n")
	before, err := Encode(*s)
	if err != nil {
		t.Fatal(err)
	}
	shared := *s
	shared.SetDefaults()
	if after, err := Encode(*s); err != nil || string(after) != string(before) {
		t.Errorf("the original became %s (%v), it was %s", after, err, before)
	}
}

func TestHealth_DefaultTimeoutFitsAShortInterval(t *testing.T) {
	s := decodeService(t, shop+"health: {path: /, interval: 200ms}\n")
	s.SetDefaults()
	if s.Health.Timeout != s.Health.Interval {
		t.Errorf("timeout %s with interval %s", s.Health.Timeout, s.Health.Interval)
	}
}

func TestRollout_DefaultsGiveEveryStageAWeight(t *testing.T) {
	p := decodeRollout(t, canary("  - {weight: 5%}\n  - {check: error_rate < 1%}\n  - {weight: 9%}\n", "rollback: {action: pause, triggers: [{condition: error_rate > 1%}, {condition: health_check == failing, action: notify}]}\n"))
	written := p.Stages
	p.SetDefaults()
	if got := describeStages(p); got != "|5%|0s|[]|rollback\n|5%|0s|[error_rate < 1%]|rollback\n|9%|0s|[]|rollback" {
		t.Errorf("stages:\n%s", got)
	}
	if written[1].Weight != nil {
		t.Error("the document's own stages were changed")
	}
	triggers := p.Rollback.Triggers
	if triggers[0].Action != "pause" || triggers[0].Duration != Duration(5*time.Minute) || triggers[0].Count != 0 {
		t.Errorf("first trigger %+v", triggers[0])
	}
	if triggers[1].Action != "notify" || triggers[1].Duration != 0 || triggers[1].Count != 3 {
		t.Errorf("second trigger %+v", triggers[1])
	}
	if p.UnreadyFor != Duration(5*time.Second) || p.OnInconclusive != "hold" || p.Bake != 0 {
		t.Errorf("got %+v", p)
	}
	if problems := p.Validate(); len(problems) > 0 {
		t.Errorf("with defaults it is invalid: %v", problems)
	}
}

func TestReadNode_FillsDefaultsAndResolvesPaths(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "node.yaml")
	text := "listen:\n  - address: 127.0.0.1:8080\n    tls: {certificates: [{cert: tls/a.crt, key: /etc/a.key}]}\ncontrol: {tokens: tokens.yaml}\napply: [shop.yaml, /etc/weir/other.yaml]\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n, err := ReadNode(file)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{
		n.Control.Address, n.Control.Tokens, n.Apply[0], n.Apply[1], n.State.Embedded.Dir, n.State.Cache,
		n.Listen[0].TLS.Certificates[0].Cert, n.Listen[0].TLS.Certificates[0].Key,
		n.Drain.Window.String(), n.Drain.Grace.String(), n.Log.Level, n.Log.Access,
	}
	want := []string{
		"127.0.0.1:9797", filepath.Join(folder, "tokens.yaml"), filepath.Join(folder, "shop.yaml"), "/etc/weir/other.yaml",
		filepath.Join(folder, "weir-data"), filepath.Join(folder, "weir-state.json"),
		filepath.Join(folder, "tls/a.crt"), "/etc/a.key", "5s", "30s", "info", "off",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestReadNode_TakesOneNode(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "node.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadNode(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	node := "kind: Node\nlisten: [{address: ':80'}]\n"
	f(shop, "write kind: Node")
	f(node+"---\n"+node, "there are 2 documents here")
	f(node+"control: {address: 0.0.0.0:9797}\n", "set control.tokens to a file of tokens, or listen on 127.0.0.1")
	if _, err := ReadNode(filepath.Join(t.TempDir(), "absent.yaml")); err == nil || !strings.Contains(err.Error(), "cannot read node file") {
		t.Errorf("got %v", err)
	}
}

func TestNode_TrustedPrefixesTakeNetworksAndAddresses(t *testing.T) {
	n := Node{TrustedProxies: []string{"10.1.2.3/8", "127.0.0.1", "::1", "fd00::/8"}}
	if got, want := fmt.Sprint(n.TrustedPrefixes()), "[10.0.0.0/8 127.0.0.1/32 ::1/128 fd00::/8]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNode_ControlNeedsTokensOffLoopback(t *testing.T) {
	f := func(address string, open bool) {
		t.Helper()
		n := Node{Listen: []Listen{{Address: "127.0.0.1:8080"}}, Control: Control{Address: address}}
		if got := len(n.Validate()) == 0; got != open {
			t.Errorf("%s: accepted %v, want %v: %v", address, got, open, n.Validate())
		}
		n.Control.Tokens = "tokens.yaml"
		if problems := n.Validate(); len(problems) > 0 {
			t.Errorf("%s with tokens: %v", address, problems)
		}
	}
	f("", true)
	f("127.0.0.1:9797", true)
	f("127.9.9.9:9797", true)
	f("[::1]:9797", true)
	f("localhost:9797", true)
	f(":9797", false)
	f("0.0.0.0:9797", false)
	f("[::]:9797", false)
	f("10.0.0.1:9797", false)
	f("localhost.example.com:9797", false)
}

func TestRoute_TiesOnlyWhereNeitherIsMoreSpecific(t *testing.T) {
	f := func(a, b Route, want bool) {
		t.Helper()
		if a.ties(&b) != want || b.ties(&a) != want {
			t.Errorf("%+v and %+v: got %v and %v, want %v", a, b, a.ties(&b), b.ties(&a), want)
		}
	}
	f(Route{}, Route{}, true)
	f(Route{}, Route{Path: "/"}, true)
	f(Route{Path: "/a"}, Route{Path: "/a/"}, true)
	f(Route{Host: "A.example.com"}, Route{Host: "a.example.com"}, true)
	f(Route{Host: "a.example.com"}, Route{}, false)
	f(Route{Path: "/a"}, Route{Path: "/ab"}, false)
	f(Route{Methods: []string{"GET"}}, Route{}, false)
	f(Route{Methods: []string{"GET"}}, Route{Methods: []string{"PUT"}}, false)
	f(Route{Methods: []string{"GET", "PUT"}}, Route{Methods: []string{"PUT"}}, true)
	f(Route{Methods: []string{"GET"}}, Route{Headers: map[string]string{"X-A": "1"}}, false)
	f(Route{Headers: map[string]string{"X-A": "1"}}, Route{Headers: map[string]string{"x-a": "2"}}, false)
	f(Route{Headers: map[string]string{"X-A": "1"}}, Route{Headers: map[string]string{"X-B": "1"}}, true)
	f(Route{Headers: map[string]string{"X-A": "1"}}, Route{Headers: map[string]string{"X-A": "1", "X-B": "1"}}, false)
}
