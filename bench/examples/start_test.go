//go:build e2e

package examples

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirproxy/weir/bench/lab"
)

func TestExample_OneMachine(t *testing.T) {
	plain, encrypted, control, status := address(t), address(t), address(t), address(t)
	log := filepath.Join(t.TempDir(), "access.log")
	dir := install(t, "one-machine", "0.0.0.0:80\n", plain+"\n", "0.0.0.0:443", encrypted, "127.0.0.1:9797", control, "127.0.0.1:9798", status,
		"/var/lib/weir/etcd", "etcd", "/var/log/weir/access.log", log, "127.0.0.1:9001", echo(t, "blue"), "127.0.0.1:9002", echo(t, "green"),
		"tls/shop.", "tls/shop.example.com/node.")
	trust := certify(t, dir, "shop.example.com")
	made, err := exec.Command(labOf.Weir(), "token", "new", "ana", "--role", "admin", "-o", "json").Output()
	check(t, err)
	var token struct{ Token, Line string }
	check(t, json.Unmarshal(made, &token))
	check(t, os.WriteFile(filepath.Join(dir, "tokens.yaml"), []byte("tokens:\n  "+token.Line+"\n"), 0o600))
	n := run(t, dir, encrypted, "http://"+control, token.Token)

	resp, _ := ask(t, client(t, plain, "", nil), "http://shop.example.com/cart?a=1")
	if resp.StatusCode != http.StatusMovedPermanently || resp.Header.Get("Location") != "https://shop.example.com/cart?a=1" {
		t.Errorf("without TLS: %s to %q", resp.Status, resp.Header.Get("Location"))
	}
	if _, s := ask(t, client(t, encrypted, "", trust), "https://shop.example.com/cart"); s.Version != "blue" || s.Header.Get("X-Forwarded-Proto") != "https" {
		t.Errorf("with TLS the endpoint saw %+v", s)
	}
	if resp, err := http.Get("http://" + status + "/readyz"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the status address answers %v, %v", resp, err)
	}
	if answer, err := n.API.With("").Call(http.MethodGet, "/v1/services", nil); err != nil || answer.Status != http.StatusUnauthorized {
		t.Errorf("without a token: %+v, %v", answer, err)
	}
	if s, err := n.API.Service("shop"); err != nil || s.Stable != "blue" {
		t.Errorf("the service is %+v, %v", s, err)
	}
	check(t, lab.Await("a line of the access log", patience, func() (bool, error) {
		text, err := os.ReadFile(log)
		return strings.Contains(string(text), "/cart"), err
	}))
}

func TestExample_Fleet(t *testing.T) {
	nodes := []string{"edge-1", "edge-2", "edge-3"}
	certificates := t.TempDir()
	certify(t, certificates, append(nodes, "shop.example.com")...)
	etcd, peer := map[string]string{}, map[string]string{}
	for _, node := range nodes {
		etcd[node], peer[node] = address(t), address(t)
	}
	var members []*lab.Process
	for _, node := range nodes {
		pairs := []string{"https://10.0.0.1:2379", "https://" + etcd[node], "https://10.0.0.1:2380", "https://" + peer[node],
			"name: edge-1", "name: " + node, "/var/lib/etcd", filepath.Join(labOf.Dir, "fleet-"+etcd[node]), "/etc/etcd/", filepath.Join(certificates, "tls", node) + "/",
			"client-urls: https://edge-1:2379", "client-urls: https://" + etcd[node], "peer-urls: https://edge-1:2380", "peer-urls: https://" + peer[node]}
		for _, other := range nodes {
			pairs = append(pairs, other+"=https://"+other+":2380", other+"=https://"+peer[other])
		}
		dir := install(t, "fleet", pairs...)
		m, err := labOf.EtcdOf("etcd-"+node+"-"+etcd[node], filepath.Join(dir, "etcd.yml"))
		check(t, err)
		t.Cleanup(m.Kill)
		members = append(members, m)
	}
	const token = "admin-0123456789abcdef"
	blue, green := echo(t, "blue"), echo(t, "green")
	var running []*lab.Node
	for _, node := range nodes {
		clients, control, status := address(t), address(t), address(t)
		dir := install(t, "fleet", "0.0.0.0:443", clients, "0.0.0.0:9797", control, "0.0.0.0:9798", status,
			"https://edge-1:2379, https://edge-2:2379, https://edge-3:2379", fmt.Sprintf("https://%s, https://%s, https://%s", etcd[nodes[0]], etcd[nodes[1]], etcd[nodes[2]]),
			"# name: default", "name: "+node+" #", "/var/lib/weir/", "", "tls/shop.", filepath.Join(certificates, "tls/shop.example.com/node."),
			"tls/ca.crt", filepath.Join(certificates, "tls/ca.crt"), "tls/node.", filepath.Join(certificates, "tls", node, "node."),
			"10.0.1.11:8080, 10.0.1.12:8080, 10.0.1.13:8080", blue, "10.0.2.11:8080, 10.0.2.12:8080, 10.0.2.13:8080", green)
		check(t, os.WriteFile(filepath.Join(dir, "tokens.yaml"), []byte("tokens:\n  - {name: ana, role: admin, token: "+token+"}\n"), 0o600))
		file, err := os.ReadFile(filepath.Join(dir, "shop.yaml"))
		check(t, err)
		n := runEncrypted(t, dir, clients, control, status, filepath.Join(certificates, "tls/ca.crt"), token)
		if len(running) == 0 {
			code, out, errOut, err := n.CLIWith(string(file), "apply", "-f", "-")
			if check(t, err); code != 0 {
				t.Fatalf("apply: %d %s%s", code, out, errOut)
			}
		}
		running = append(running, n)
	}
	shop := certify(t, certificates, "shop.example.com")
	for _, n := range running {
		check(t, lab.Await("the service at "+n.Clients, patience, func() (bool, error) {
			resp, err := client(t, n.Clients, "", shop).Get("https://shop.example.com/")
			if err != nil {
				return false, err
			}
			_ = resp.Body.Close()
			return resp.Header.Get("X-Version") == "blue", nil
		}))
	}
	members[0].Kill() // the others are a majority
	code, out, errOut, err := running[2].CLI("weights", "shop", "blue=0%", "green=100%")
	if check(t, err); code != 0 {
		t.Fatalf("weights: %d %s%s", code, out, errOut)
	}
	for _, n := range running {
		check(t, lab.Await("green at "+n.Clients, patience, func() (bool, error) {
			_, s := ask(t, client(t, n.Clients, "", shop), "https://shop.example.com/")
			return s.Version == "green", nil
		}))
	}
}

// runEncrypted starts a node whose control API speaks TLS; it is asked through the
// command line, which takes the authority from the environment.
func runEncrypted(t *testing.T, dir, clients, control, status, ca, token string) *lab.Node {
	t.Helper()
	t.Setenv("WEIR_CA", ca)
	n, err := labOf.Run("fleet-"+clients, filepath.Join(dir, "node.yaml"), clients, "http://"+status, token)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of %s:\n%s", n.Log, n.Tail(30))
		}
		n.Kill()
		n.API.Close()
	})
	n.Control = "https://" + control
	return n
}

func TestExample_BehindALoadBalancer(t *testing.T) {
	clients, control, status := address(t), address(t), address(t)
	dir := install(t, "behind-lb", "0.0.0.0:8443", clients, "127.0.0.1:9797", control, "0.0.0.0:9798", status, "10.0.0.0/24", "127.0.0.1",
		"/var/lib/weir/etcd", "etcd", "10.0.1.11:8080", echo(t, "blue"), "10.0.2.11:8080", echo(t, "green"), "tls/shop.", "tls/shop.example.com/node.",
		"10.0.0.11:8443", clients, "port 9798", "port "+portOf(status), "0.0.0.0:443", "127.0.0.1:0")
	trust := certify(t, dir, "shop.example.com")
	run(t, dir, clients, "http://"+control, "")
	with := func(header, from string) {
		t.Helper()
		if _, s := ask(t, client(t, clients, header, trust), "https://shop.example.com/", "X-Forwarded-For", "192.0.2.66"); s.Version != "blue" || s.Header.Get("X-Forwarded-For") != from {
			t.Errorf("after %q the endpoint saw %+v, want it from %s", header, s, from)
		}
	}
	with("PROXY TCP4 203.0.113.7 10.0.0.5 51000 443\r\n", "203.0.113.7")
	with("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x08\x0a\x00\x00\x05\xc7\x38\x01\xbb", "203.0.113.8")
	if resp, err := client(t, clients, "", trust).Get("https://shop.example.com/"); err == nil {
		t.Errorf("a load balancer that does not say who the client is was answered: %s", resp.Status)
	}
	throughHAProxy(t, dir, trust)
}

// throughHAProxy runs the load balancer's own file where there is HAProxy.
func throughHAProxy(t *testing.T, dir string, trust *tls.Config) {
	t.Helper()
	if _, err := exec.LookPath("haproxy"); err != nil {
		t.Log("HAProxy is not here (apt-get install haproxy): its file was not tried")
		return
	}
	file := filepath.Join(dir, "haproxy.cfg")
	data, err := os.ReadFile(file)
	check(t, err)
	front := address(t)
	text := strings.Replace(string(data), "127.0.0.1:0", front, 1)
	start(t, file, text, front, "haproxy", "-db", "-f", file)
	check(t, lab.Await("an answer through HAProxy", patience, func() (bool, error) {
		resp, err := client(t, front, "", trust).Get("https://shop.example.com/")
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		var s seen
		if err := json.NewDecoder(bufio.NewReader(resp.Body)).Decode(&s); err != nil {
			return false, err
		}
		return s.Version == "blue" && s.Header.Get("X-Forwarded-For") == "127.0.0.1", nil
	}))
}

func TestExample_UnderACDN(t *testing.T) {
	clients, control := address(t), address(t)
	dir := install(t, "under-cdn", "0.0.0.0:443", clients, "127.0.0.1:9797", control, "198.51.100.0/24", "127.0.0.1",
		"/var/lib/weir/etcd", "etcd", "10.0.1.11:8080", echo(t, "blue"), "10.0.2.11:8080", echo(t, "green"),
		"tls/origin.", "tls/shop.example.com/node.", "tls/cdn-ca.crt", "tls/ca.crt")
	trust := certify(t, dir, "shop.example.com", "cdn")
	n := run(t, dir, clients, "http://"+control, "")
	if resp, err := client(t, clients, "", trust).Get("https://shop.example.com/"); err == nil {
		t.Errorf("who goes past the CDN was answered: %s", resp.Status)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "tls/cdn/node.crt"), filepath.Join(dir, "tls/cdn/node.key"))
	check(t, err)
	trust.Certificates = []tls.Certificate{pair}
	cdn := client(t, clients, "", trust)

	check(t, n.API.Weigh("shop", map[string]string{"blue": "50%", "green": "50%"}))
	versions := map[string]string{} // by the cookie
	for user := range 40 {
		path := []string{"", "news"}[user%2] // whatever an endpoint says of caches
		resp, s := ask(t, cdn, "https://shop.example.com/"+path, "X-Forwarded-For", fmt.Sprintf("192.0.2.66, 203.0.113.%d, 2001:db8:cd::9", user))
		if got := resp.Header.Get("Cache-Control"); got != "private, no-cache" {
			t.Fatalf("a page says Cache-Control: %s", got)
		}
		cookie, _, _ := strings.Cut(resp.Header.Get("Set-Cookie"), ";")
		if !strings.HasPrefix(cookie, "weir_id=v1.") {
			t.Fatalf("a page came with the cookie %q", cookie)
		}
		versions[cookie] = s.Version
	}
	met := map[string]int{}
	for cookie, version := range versions {
		met[version]++
		if _, s := ask(t, cdn, "https://shop.example.com/", "Cookie", cookie, "X-Forwarded-For", "203.0.113.200"); s.Version != version {
			t.Errorf("a browser that met %s met %s then", version, s.Version)
		}
	}
	if met["blue"] == 0 || met["green"] == 0 {
		t.Errorf("40 users met %v", met)
	}
	for _, build := range []string{"blue", "green"} {
		for user := range 10 {
			resp, s := ask(t, cdn, "https://shop.example.com/assets/"+build+".js", "X-Forwarded-For", fmt.Sprintf("203.0.113.%d", user))
			if s.Version != build || resp.Header.Get("Set-Cookie") != "" || !strings.HasPrefix(resp.Header.Get("Cache-Control"), "public") {
				t.Fatalf("%s's file: %s from %q with %v", build, resp.Status, s.Version, resp.Header)
			}
		}
	}
}
