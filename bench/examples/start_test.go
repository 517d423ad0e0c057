//go:build e2e

package examples

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// echo is an endpoint that answers what it was asked, under the name of its
// version. Of its own files it knows /assets/<version>.js alone.
func echo(t *testing.T, version string) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/assets/") && r.URL.Path != "/assets/"+version+".js" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("X-Version", version)
		_ = json.NewEncoder(w).Encode(seen{Version: version, Host: r.Host, URI: r.RequestURI, Header: r.Header})
	}))
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// seen is what an echo was asked.
type seen struct {
	Version, Host, URI string
	Header             http.Header
}

// address is a loopback address on which nothing listens.
func address(t *testing.T) string {
	t.Helper()
	a, err := labOf.Address()
	check(t, err)
	return a
}

// install copies an example into a folder of its own, with other addresses and
// folders in place of those that the machine does not have: pairs of old and new.
// Each must be there. Then it checks the documents as their reader would.
func install(t *testing.T, example string, pairs ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	from := filepath.Join(configsDir, "examples", example)
	found := map[string]bool{}
	check(t, filepath.WalkDir(from, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		text := string(data)
		for i := 0; i < len(pairs); i += 2 {
			found[pairs[i]] = found[pairs[i]] || strings.Contains(text, pairs[i])
			text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
		}
		return os.WriteFile(filepath.Join(dir, filepath.Base(file)), []byte(text), 0o700)
	}))
	for i := 0; i < len(pairs); i += 2 {
		if !found[pairs[i]] {
			t.Errorf("%s has no %q", example, pairs[i])
		}
	}
	documents, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	check(t, err)
	out, err := exec.Command(labOf.Weir(), append([]string{"check"}, documents...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("weir check: %v\n%s", err, out)
	}
	return dir
}

// run starts the node of an example.
func run(t *testing.T, dir, clients, control, token string) *lab.Node {
	t.Helper()
	n, err := labOf.Run("example-"+clients, filepath.Join(dir, "node.yaml"), clients, control, token)
	check(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of %s:\n%s", n.Log, n.Tail(30))
		}
		n.Kill()
		n.API.Close()
	})
	return n
}

// certify makes an authority and certificates below dir/tls, by the script that
// comes with the fleet, and returns who trusts the authority.
func certify(t *testing.T, dir string, names ...string) *tls.Config {
	t.Helper()
	args := []string{filepath.Join(configsDir, "examples/fleet/certificates.sh"), filepath.Join(dir, "tls")}
	for _, name := range names {
		args = append(args, name+"=127.0.0.1")
	}
	if out, err := exec.Command("sh", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	pem, err := os.ReadFile(filepath.Join(dir, "tls/ca.crt"))
	check(t, err)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("no certificate in %s", pem)
	}
	return &tls.Config{RootCAs: pool, ServerName: names[0]}
}

// client asks a node. before, which may be empty, goes ahead of TLS.
func client(t *testing.T, clients, before string, config *tls.Config) *http.Client {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: config}
	dial := func() (net.Conn, error) {
		conn, err := net.DialTimeout("tcp", clients, patience)
		if err == nil {
			_, err = io.WriteString(conn, before)
		}
		return conn, err
	}
	transport.Dial = func(string, string) (net.Conn, error) { return dial() }
	return &http.Client{Timeout: patience, Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// ask gets a path of the shop; header are pairs.
func ask(t *testing.T, c *http.Client, url string, header ...string) (*http.Response, seen) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	check(t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(req)
	check(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	check(t, err)
	var s seen
	if resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(body, &s); err != nil {
			t.Fatalf("%s answered %q: %v", url, body, err)
		}
	}
	return resp, s
}

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

// start writes a file and runs a program that listens on an address, until the
// test ends.
func start(t *testing.T, file, text, listens, program string, args ...string) {
	t.Helper()
	check(t, os.WriteFile(file, []byte(text), 0o600))
	log, err := os.Create(file + ".log")
	check(t, err)
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = log, log
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	err = lab.Await(program+" listening", 20*time.Second, func() (bool, error) {
		conn, err := net.Dial("tcp", listens)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil, err
	})
	if err != nil {
		said, _ := os.ReadFile(file + ".log")
		t.Fatalf("%v\n%s", err, said)
	}
}

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

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
		resp, s := ask(t, cdn, "https://shop.example.com/", "X-Forwarded-For", fmt.Sprintf("192.0.2.66, 203.0.113.%d, 2001:db8:cd::9", user))
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
