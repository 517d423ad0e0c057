//go:build e2e

package examples

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// echo is an endpoint that answers what it was asked, under the name of its
// version. Of its own files it knows /assets/<version>.js alone, and /news may be kept
// by caches.
func echo(t *testing.T, version string) (address string) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/assets/") && r.URL.Path != "/assets/"+version+".js" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("X-Version", version)
		if r.URL.Path == "/news" {
			w.Header().Set("Cache-Control", "public, max-age=60")
		}
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
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", clients)
		if err == nil {
			_, err = io.WriteString(conn, before)
		}
		return conn, err
	}
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
		// nginx ends its workers when it is asked to end, and leaves them when it is killed.
		_ = cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		late.Stop()
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
