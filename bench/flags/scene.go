package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

const (
	connections = 16
	flagsMade   = 5
	secret      = "the-key-of-an-application"

	documents = `kind: Flag
name: new-checkout
services: [shop]
key: {header: X-User}
rules: [{when: [{attribute: plan, values: [pro]}], variant: on}, {when: [{header: X-Beta}], variant: on}]
---
kind: Flag
name: banner
variants: {plain: hello, loud: HELLO}
default: plain
---
kind: Flag
name: page-size
variants: {few: 12.5, many: 100}
default: few
---
kind: Flag
name: theme
variants: {light: {bg: "#fff", sizes: [1, 2]}, dark: {bg: "#000", sizes: []}}
default: light
---
kind: Flag
name: half
services: [shop]
key: {header: X-User}
split: {on: 50%, off: 50%}
guard: {bake: 24h}
`
)

// scene is a node with an endpoint that says which flags it was told of.
type scene struct {
	lab   *lab.Lab
	node  *lab.Node
	flags string // URL of the flags' listener
}

func open(l *lab.Lab) (*scene, error) {
	origin, err := l.Origin("blue", 0)
	if err != nil {
		return nil, err
	}
	node, err := l.Node(lab.NodeOptions{Name: "flags", Clients: fmt.Sprintf("tokens:\n  - {name: app, role: client, token: %s}\n", secret)})
	if err != nil {
		return nil, err
	}
	s := &scene{lab: l, node: node, flags: "http://" + node.Flags}
	if err := node.API.Apply("shop", lab.Document(fmt.Sprintf("kind: Service\nname: shop\nroutes: [{path: /}]\nversions: {blue: {endpoints: [%q]}}\nstable: blue\n", origin.Address))); err != nil {
		return nil, err
	}
	code, out, errOut, err := node.CLIWith(documents, "apply", "-f", "-")
	if err != nil || code != 0 {
		return nil, fmt.Errorf("cannot apply the flags: %d %s %s: %w", code, out, errOut, err)
	}
	return s, nil
}

// sdk runs OpenFeature's SDKs, and kills a flag when they say that they are ready.
func (s *scene) sdk() error {
	dir := filepath.Join(s.lab.Dir, "js")
	if err := os.CopyFS(dir, os.DirFS("bench/flags/js")); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		install := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--no-package-lock")
		install.Dir = dir
		if out, err := install.CombinedOutput(); err != nil {
			return fmt.Errorf("cannot install OpenFeature's SDKs: %w\n%s", err, out)
		}
	}
	check := exec.CommandContext(ctx, "node", "check.mjs", s.flags, secret)
	check.Dir = dir
	check.Stderr = os.Stderr
	out, err := check.StdoutPipe()
	if err != nil {
		return err
	}
	if err := check.Start(); err != nil {
		return err
	}
	var said bytes.Buffer
	buffer := make([]byte, 4096)
	killed := false
	for {
		n, err := out.Read(buffer)
		said.Write(buffer[:n])
		_, _ = os.Stdout.Write(buffer[:n])
		if !killed && strings.Contains(said.String(), "ready for the kill") {
			killed = true
			if err := s.post("kill"); err != nil {
				return err
			}
		}
		if err != nil {
			break
		}
	}
	if err := check.Wait(); err != nil {
		return fmt.Errorf("OpenFeature's SDKs saw something else: %w", err)
	}
	if !killed {
		return fmt.Errorf("the SDKs never saw the kill")
	}
	return nil
}

func (s *scene) post(verb string) error {
	a, err := s.node.API.Call(http.MethodPost, "/v1/flags/new-checkout/"+verb, nil)
	if err == nil && a.Status != http.StatusOK {
		err = fmt.Errorf("cannot %s: %d %s", verb, a.Status, a.Body)
	}
	return err
}

// throughput alternates plain answers and flags, and returns medians of requests
// a second.
func (s *scene) throughput(o options) (plain, one, all float64, err error) {
	const about = `{"context":{"targetingKey":"user-1","plan":"pro"}}`
	kinds := []struct{ method, url, body string }{
		{http.MethodGet, s.node.Control + "/healthz", ""},
		{http.MethodPost, s.flags + "/ofrep/v1/evaluate/flags/new-checkout", about},
		{http.MethodPost, s.flags + "/ofrep/v1/evaluate/flags", about},
	}
	rates := make([][]time.Duration, len(kinds)) // time of one request, for lab.Quantile
	for range o.rounds {
		for i, k := range kinds {
			n, took, err := load(k.method, k.url, k.body, o.slice)
			if err != nil {
				return 0, 0, 0, err
			}
			rates[i] = append(rates[i], took/time.Duration(max(n, 1)))
		}
	}
	rps := func(i int) float64 { return float64(time.Second) / float64(lab.Quantile(rates[i], .5)) }
	return rps(0), rps(1), rps(2), nil
}

// load sends requests of one kind for a while.
func load(method, url, body string, slice time.Duration) (n int, took time.Duration, err error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}, Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	var sent atomic.Int64
	var failure atomic.Pointer[error]
	var running sync.WaitGroup
	began := time.Now()
	for range connections {
		running.Go(func() {
			for time.Since(began) < slice && failure.Load() == nil {
				if err := ask(client, method, url, body, nil); err != nil {
					failure.Store(&err)
				}
				sent.Add(1)
			}
		})
	}
	running.Wait()
	if err := failure.Load(); err != nil {
		return 0, 0, *err
	}
	return int(sent.Load()), time.Since(began), nil
}

// ask sends one request, and gives the answer to read, if that is set.
func ask(client *http.Client, method, url, body string, read func(*http.Response, []byte)) error {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+secret)
	req.Header.Set("X-Beta", "1")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %s", url, resp.Status, data)
	}
	if err == nil && read != nil {
		read(resp, data)
	}
	return err
}

// kills kills the flag and restores it, and measures when both ways to it know.
func (s *scene) kills(n int) (app, edge []time.Duration, err error) {
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	byApp := func() (off bool, err error) {
		err = ask(client, http.MethodPost, s.flags+"/ofrep/v1/evaluate/flags/new-checkout", `{"context":{"targetingKey":"u","plan":"pro"}}`,
			func(_ *http.Response, data []byte) { off = bytes.Contains(data, []byte(`"value":false`)) })
		return off, err
	}
	byEdge := func() (off bool, err error) {
		err = ask(client, http.MethodGet, "http://"+s.node.Clients+"/", "", func(r *http.Response, _ []byte) {
			off = strings.Contains(r.Header.Get("X-Flags"), "new-checkout=off")
		})
		return off, err
	}
	for range n {
		for _, way := range []struct {
			off  func() (bool, error)
			into *[]time.Duration
		}{{byApp, &app}, {byEdge, &edge}} {
			if off, err := way.off(); err != nil || off {
				return nil, nil, fmt.Errorf("the flag is off before it is killed: %w", err)
			}
			took, err := s.kill(way.off)
			if err != nil {
				return nil, nil, err
			}
			*way.into = append(*way.into, took)
			if err := s.post("restore"); err != nil {
				return nil, nil, err
			}
		}
	}
	return app, edge, nil
}

// kill kills the flag and returns how long after the call the first evaluation
// that says so began.
func (s *scene) kill(off func() (bool, error)) (time.Duration, error) {
	asked := time.Now()
	done := make(chan error, 1)
	go func() { done <- s.post("kill") }()
	for time.Since(asked) < 10*time.Second {
		began := time.Now()
		is, err := off()
		if err != nil {
			return 0, err
		}
		if is {
			return began.Sub(asked), <-done
		}
		time.Sleep(200 * time.Microsecond)
	}
	return 0, fmt.Errorf("the kill is not in force: %w", <-done)
}
