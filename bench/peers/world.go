package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

const (
	proxyCore = 0
	loadCore  = 1
)

// world owns the folder, the tools, the addresses and the versions behind all
// proxies. Close it.
type world struct {
	ctx   context.Context
	dir   string
	lab   *lab.Lab // gives out addresses
	tools []tool

	blue, green string // addresses of the versions
	versions    *process
}

func newWorld(ctx context.Context, o options) (_ *world, err error) {
	w := &world{ctx: ctx}
	if w.dir, err = os.MkdirTemp("", "weir-peers-"); err != nil {
		return nil, fmt.Errorf("cannot make a folder for the peers: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	// Workers of nginx are not root, and read the bodies.
	if err = os.Chmod(w.dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot open the folder to the peers: %w", err)
	}
	if err = w.gather(o); err != nil {
		return nil, err
	}
	if w.lab, err = lab.New(w.path("weir")); err != nil {
		return nil, err
	}
	if w.blue, err = w.lab.Address(); err != nil {
		return nil, err
	}
	if w.green, err = w.lab.Address(); err != nil {
		return nil, err
	}
	if err = w.certify(); err != nil {
		return nil, err
	}
	return w, w.startVersions()
}

// gather finds, installs or builds every program.
func (w *world) gather(o options) error {
	if err := debian(w.ctx, map[string]string{"nginx": "nginx", "haproxy": "haproxy", "wrk": "wrk", "h2load": "nghttp2-client"}); err != nil {
		return err
	}
	caddy, err := caddy(w.ctx, w.dir, o.caddy)
	if err != nil {
		return err
	}
	weir := o.weir
	if weir == "" {
		weir, err = build(w.ctx, w.dir, "cmd/weir")
	} else {
		weir, err = filepath.Abs(weir)
	}
	if err != nil {
		return err
	}
	w.tools = []tool{
		{"weir", weir, versionOf(weir, "version")},
		{"nginx", find("nginx"), versionOf(find("nginx"), "-v")},
		{"haproxy", find("haproxy"), versionOf(find("haproxy"), "-v")},
		{"caddy", caddy, moduleOf(caddy)},
		{"wrk", find("wrk"), versionOf(find("wrk"), "-v")},
		{"h2load", find("h2load"), versionOf(find("h2load"), "--version")},
	}
	if o.base != "" {
		path, err := filepath.Abs(o.base)
		if err != nil {
			return err
		}
		w.tools = append(w.tools, tool{base, path, versionOf(path, "version")})
	}
	for _, name := range []string{"fasthttp", "relay", "client"} {
		binary, err := build(w.ctx, w.dir, "bench/peers/"+name)
		if err != nil {
			return err
		}
		w.tools = append(w.tools, tool{name, binary, "of this module"})
	}
	return nil
}

func (w *world) path(name string) string {
	for _, t := range w.tools {
		if t.name == name {
			return t.path
		}
	}
	return name
}

func (w *world) close() error {
	if w.versions != nil {
		w.versions.stop()
	}
	var err error
	if w.lab != nil {
		err = w.lab.Close(false)
	}
	return errors.Join(err, os.RemoveAll(w.dir))
}

// write puts a file for a peer into the folder and returns its name.
func (w *world) write(name, content string) (string, error) {
	file := filepath.Join(w.dir, name)
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		return "", fmt.Errorf("cannot write for a peer: %w", err)
	}
	return file, nil
}

// startVersions runs one nginx as both versions: it answers in C, so that most of
// its core is left for the load.
func (w *world) startVersions() error {
	bodies := filepath.Join(w.dir, "bodies")
	if err := os.MkdirAll(bodies, 0o755); err != nil {
		return fmt.Errorf("cannot make the folder of bodies: %w", err)
	}
	for name, size := range map[string]int{"10k": 10 << 10, "1m": 1 << 20} {
		if _, err := w.write("bodies/"+name, strings.Repeat("0123456789abcdef", size/16)); err != nil {
			return err
		}
	}
	server := func(address, version string) string {
		return fmt.Sprintf(`server {
  listen %s backlog=16384;
  root %s;
  add_header X-Version %s;
  location = /small { return 200 "hello, world\n"; }
  location = /thanks { return 200 "thank you\n"; }
  # Read to the end before it is answered, as most versions do.
  location = /upload {
    proxy_pass http://thanks/thanks;
    proxy_pass_request_body off;
    proxy_set_header Content-Length "";
  }
}
`, address, bodies, version)
	}
	config := nginxConfig(w.dir, "versions", `upstream thanks { server `+w.blue+`; keepalive 64; keepalive_requests 1000000000; }
proxy_http_version 1.1;
proxy_set_header Connection "";
open_file_cache max=10;
client_max_body_size 0;
client_body_buffer_size 256k;
keepalive_requests 1000000000;
`+server(w.blue, "blue")+server(w.green, "green"))
	file, err := w.write("versions.conf", config)
	if err != nil {
		return err
	}
	if w.versions, err = w.start(loadCore, "versions", w.path("nginx"), "-c", file, "-e", "stderr"); err != nil {
		return err
	}
	return w.versions.awaitPort(w.green)
}

// awaitPort waits until something listens.
func (p *process) awaitPort(address string) error {
	err := lab.Await(p.name+" listens", 20*time.Second, func() (bool, error) {
		if !p.running() {
			return true, nil
		}
		c, err := net.Dial("tcp", address)
		if err != nil {
			return false, err
		}
		return true, c.Close()
	})
	if err == nil && p.running() {
		return nil
	}
	p.stop()
	return fmt.Errorf("cannot start %s; it printed:\n%s", p.name, p.tail())
}
