package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
)

// selfSigned writes edge.crt and edge.key for 127.0.0.1 into dir, and returns
// who trusts them.
func selfSigned(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, Subject: pkix.Name{CommonName: "edge"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for name, block := range map[string]*pem.Block{"edge.crt": {Type: "CERTIFICATE", Bytes: der}, "edge.key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(cert)
	return pool
}

const tlsNode = `kind: Node
name: one
listen: [{address: "127.0.0.1:0", tls: {certificates: [{cert: edge.crt, key: edge.key}]}}]
control: {address: "127.0.0.1:0", tls: {cert: edge.crt, key: edge.key}}
drain: {window: 1ms, grace: 1s}
`

func TestServe_ClientsAndOperatorsCanComeByTLS(t *testing.T) {
	leavesNothing(t)
	dir := t.TempDir()
	pool := selfSigned(t, dir)
	file := filepath.Join(dir, "node.yaml")
	if err := os.WriteFile(file, []byte(tlsNode), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := configs.ReadNode(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n, err := newNode(ctx, config, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- n.run(ctx) }()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	f := func(url string, status, version int) {
		t.Helper()
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != status || resp.ProtoMajor != version {
			t.Errorf("%s: got %s by %s", url, resp.Status, resp.Proto)
		}
	}

	f("https://"+n.control.Addr().String()+"/healthz", 200, 1)
	f("https://"+n.listeners[0].Addr().String()+"/", 404, 2)
	transport.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestServe_OperatorsAreKnownByTheirCertificates(t *testing.T) {
	leavesNothing(t)
	dir := t.TempDir()
	selfSigned(t, dir)
	file := filepath.Join(dir, "node.yaml")
	node := strings.Replace(tlsNode, "tls: {cert: edge.crt, key: edge.key}}\ndrain", "tokens: tokens.yaml, tls: {cert: edge.crt, key: edge.key, client_ca: edge.crt}}\ndrain", 1)
	tokens := "tokens: [{name: edge, role: viewer, certificate: edge}]"
	for name, text := range map[string]string{"node.yaml": node, "tokens.yaml": tokens} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, err := configs.ReadNode(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n, err := newNode(ctx, config, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- n.run(ctx) }()
	f := func(code int, want string, args ...string) {
		t.Helper()
		args = append(args, "--control", "https://"+n.control.Addr().String())
		got, out, errOut := weir(t.Context(), args...)
		if got != code || !strings.Contains(out+errOut, want) {
			t.Errorf("%q: got %d, %s%s", args, got, out, errOut)
		}
	}

	for deadline := time.Now().Add(20 * time.Second); len(n.controller.View().Nodes) == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the node did not announce itself")
		}
	}
	crt, key := filepath.Join(dir, "edge.crt"), filepath.Join(dir, "edge.key")
	f(exitDone, "one", "get", "nodes", "--ca", crt, "--cert", crt, "--key", key)
	f(exitFailed, "edge has the role viewer", "delete", "service", "shop", "--ca", crt, "--cert", crt, "--key", key)
	f(exitFailed, "this needs a token", "get", "nodes", "--ca", crt)
	f(exitUnreachable, "certificate", "get", "nodes")
	f(exitUsage, "--cert and --key belong together", "get", "nodes", "--cert", crt)
	f(exitUsage, "no certificate in PEM", "get", "nodes", "--ca", key)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestServe_MissingCertificateIsNamedBeforeAnythingRuns(t *testing.T) {
	dir := t.TempDir()
	selfSigned(t, dir)
	f := func(from, to, want string) {
		t.Helper()
		file := filepath.Join(dir, "node.yaml")
		if err := os.WriteFile(file, []byte(strings.Replace(tlsNode, from, to, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		code, _, errOut := weir(t.Context(), "serve", "-c", file)
		if code != exitFailed || !strings.Contains(errOut, want) || !strings.Contains(errOut, "none.crt") {
			t.Errorf("got %d, %s", code, errOut)
		}
	}

	f("[{cert: edge.crt", "[{cert: none.crt", "(listen[0].tls)")
	f("tls: {cert: edge.crt", "tls: {cert: none.crt", "(control.tls)")
}
