package docs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// patience bounds one command, on a machine that is busy with other things.
const patience = 3 * time.Minute

// world is a folder in which the commands of one page are run, with addresses of
// its own in place of those that the page names.
type world struct {
	t      *testing.T
	lab    *lab.Lab
	folder string
	ports  map[string]string // of the page -> of this run
	blocks int
	keeper *exec.Cmd // leads the group of all processes of the page
}

// newWorld copies the module for README.md, which begins with a clone, and the
// examples for other pages, which begin beside them with weir installed.
func newWorld(t *testing.T, l *lab.Lab, p page) *world {
	t.Helper()
	w := &world{t: t, lab: l, folder: t.TempDir(), ports: map[string]string{}}
	w.keep()
	if p.name == "README.md" {
		w.copy(".", "go.mod", "go.sum", "Makefile", "LICENSE", "README.md", "cmd", "proxy", "control", "analysis", "configs", "bench")
	} else {
		w.copy("configs/examples", ".")
	}
	if p.world {
		w.serve()
	}
	return w
}

// copy copies files and folders of the module below one of its folders, with the
// addresses of this run.
func (w *world) copy(from string, names ...string) {
	w.t.Helper()
	for _, name := range names {
		target := filepath.Join(w.folder, name)
		var err error
		if info, stat := os.Stat(filepath.Join(root, from, name)); stat == nil && info.IsDir() {
			err = os.CopyFS(target, os.DirFS(filepath.Join(root, from, name)))
		} else {
			data, _ := os.ReadFile(filepath.Join(root, from, name))
			err = os.WriteFile(target, data, 0o644)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	documents, _ := filepath.Glob(filepath.Join(w.folder, "configs/examples/*.yaml"))
	beside, _ := filepath.Glob(filepath.Join(w.folder, "*.yaml"))
	for _, name := range append(documents, beside...) {
		data, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(name, []byte(w.here(string(data))), 0o644)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// loopback is an address that a page names.
var loopback = regexp.MustCompile(`\b(127\.0\.0\.1|localhost):(\d{2,5})\b`)

// here is a text with the addresses of this run. The demonstration has others than
// the node that a page leaves running, and less traffic.
func (w *world) here(text string) string {
	text = loopback.ReplaceAllStringFunc(text, func(address string) string { return w.address(address) })
	return strings.ReplaceAll(text, "weir demo", "weir demo --rps 300 --listen "+w.address("127.0.0.1:18080")+" --control "+w.address("127.0.0.1:19797"))
}

func (w *world) address(named string) string {
	_, port, err := net.SplitHostPort(named)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.ports[port] == "" {
		address, err := w.lab.Address()
		if err != nil {
			w.t.Fatal(err)
		}
		_, w.ports[port], _ = net.SplitHostPort(address)
	}
	return "127.0.0.1:" + w.ports[port]
}

// there is an output with the addresses of the page.
func (w *world) there(text string) string {
	for named, used := range w.ports {
		text = strings.ReplaceAll(text, ":"+used, ":"+named)
	}
	return text
}

// serve starts what README.md starts: two versions, a node and some users.
func (w *world) serve() {
	w.t.Helper()
	for _, line := range []string{
		"weir-origin -name blue -listen 127.0.0.1:9001 &",
		"weir-origin -name green -listen 127.0.0.1:9002 &",
		"weir serve -c node.yaml 2>weir.log &",
	} {
		w.run(line, 0)
	}
	w.await("http://127.0.0.1:9797/readyz")
	w.run("weir-users http://127.0.0.1:8080/shop/ >users.log &", 0)
}

func (w *world) await(url string) {
	w.t.Helper()
	err := lab.Await(url, patience, func() (bool, error) {
		resp, err := http.Get(w.here(url))
		if err != nil {
			return false, err
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK, fmt.Errorf("status %d", resp.StatusCode)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// run runs a script and returns what it printed. What it leaves in the background
// lives until the end of the page.
func (w *world) run(script string, want int) string {
	w.t.Helper()
	w.blocks++
	name := filepath.Join(w.t.TempDir(), fmt.Sprintf("%d.out", w.blocks))
	out, err := os.Create(name)
	if err != nil {
		w.t.Fatal(err)
	}
	defer out.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-euc", w.here(script))
	cmd.Dir, cmd.Stdout, cmd.Stderr = w.folder, out, out
	cmd.Env = append(os.Environ(),
		"PATH="+filepath.Join(w.lab.Dir, "bin")+":"+os.Getenv("PATH"),
		"WEIR_CONTROL=http://"+w.address("127.0.0.1:9797"), "TZ=UTC", "NO_COLOR=1", "GOFLAGS=-buildvcs=false",
		"CURL_HOME="+w.lab.Dir) // no progress of transfers, as in a terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: w.keeper.Process.Pid}
	err = cmd.Run()
	text, _ := os.ReadFile(name)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code, err = exit.ExitCode(), nil
	}
	if err != nil || code != want {
		w.t.Fatalf("exit code %d, want %d (%v):\n%s\n%s\nthe node said:\n%s", code, want, err, script, text, w.log())
	}
	w.t.Logf("$ %s\n%s", strings.TrimSpace(script), w.there(string(text)))
	return w.there(string(text))
}

// log is the end of what the page's node wrote.
func (w *world) log() string {
	data, err := os.ReadFile(filepath.Join(w.folder, "weir.log"))
	if err != nil {
		return "nothing"
	}
	return string(data[max(0, len(data)-4000):])
}

// keep makes the group of processes that all commands of the page belong to. It
// is killed when the page ends, or this process does, however that comes about.
func (w *world) keep() {
	w.t.Helper()
	w.keeper = exec.Command("sh", "-c", "cat >/dev/null; kill -9 0")
	w.keeper.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := w.keeper.StdinPipe()
	if err == nil {
		err = w.keeper.Start()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = stdin.Close()
		_ = w.keeper.Wait() // it ends by its own signal
	})
}
