//go:build unix

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// living is a weir in a process of its own, with its standard error.
type living struct {
	t       *testing.T
	cmd     *exec.Cmd
	clients string
	control string
	file    string
}

// printed is what all processes wrote to standard error: a file, since Wait
// would wait for the end of all who have a pipe.
func (l *living) printed() string {
	text, err := os.ReadFile(l.file + ".log")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// start starts a process.
func (l *living) start(cmd *exec.Cmd) {
	l.t.Helper()
	log, err := os.OpenFile(l.file+".log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		l.t.Fatal(err)
	}
	defer log.Close()
	l.cmd = cmd
	l.cmd.Stderr = log
	if err := l.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
}

// live starts a node that serves one service, whose endpoint answers hello and
// echoes on upgrades, and waits until it is ready.
func live(t *testing.T, listen string, start func(l *living) *exec.Cmd) *living {
	t.Helper()
	origin := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(w, "hello")
			return
		}
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", r.Header.Get("Upgrade"))
		w.WriteHeader(http.StatusSwitchingProtocols)
		nc, buffered, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_, _ = io.Copy(nc, buffered)
			_ = nc.Close()
		}
	})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = origin.Serve(ln) }()
	t.Cleanup(func() { _ = origin.Close() })
	dir := t.TempDir()
	service := fmt.Sprintf("kind: Service\nname: shop\nroutes: [{path: /}]\nversions: {blue: {endpoints: [%q]}}\nstable: blue\n", ln.Addr())
	if err := os.WriteFile(filepath.Join(dir, "shop.yaml"), []byte(service), 0o600); err != nil {
		t.Fatal(err)
	}
	l := &living{t: t}
	l.file = filepath.Join(dir, "node.yaml")
	node := fmt.Sprintf("kind: Node\nname: one\nlisten: [{address: %q}]\ncontrol: {address: %q}\nstate: {embedded: {dir: data}}\napply: [shop.yaml]\n"+
		"log: {format: json}\ndrain: {window: 1ms, grace: 1m}\n", listen, anyPort)
	if err := os.WriteFile(l.file, []byte(node), 0o600); err != nil {
		t.Fatal(err)
	}
	l.start(start(l))
	t.Cleanup(func() {
		_ = l.cmd.Process.Kill()
		_ = l.cmd.Wait()
		if t.Failed() {
			t.Logf("weir printed:\n%s", l.printed())
		}
	})
	said := regexp.MustCompile(`"clients":\["([^"]+)"\],"control":"([^"]+)"`)
	l.until("it is ready", func() bool {
		m := said.FindStringSubmatch(l.printed())
		if m != nil {
			l.clients, l.control = m[1], m[2]
		}
		return m != nil && l.ready()
	})
	return l
}

func serving(l *living) *exec.Cmd { return exec.Command("weir", "serve", "-c", l.file) }

func (l *living) until(what string, done func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("waited %s until %s", patience, what)
		}
	}
}

func (l *living) ready() bool {
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + l.control + "/readyz")
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (l *living) signal(s syscall.Signal) {
	l.t.Helper()
	if err := l.cmd.Process.Signal(s); err != nil {
		l.t.Fatal(err)
	}
}

// get asks on a connection of its own.
func (l *living) get() error {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + l.clients + "/")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "hello" {
		return fmt.Errorf("got %s %q, %w", resp.Status, body, err)
	}
	return nil
}

// busy keeps n connections busy until the function that it returns is called,
// which tells how many requests were answered and the first that was not.
// Connections are opened anew when weir says that they end.
func (l *living) busy(n int) (stop func() (answered int64, lost error)) {
	var ended atomic.Bool
	var count atomic.Int64
	first := make(chan error, n)
	var running sync.WaitGroup
	for range n {
		running.Go(func() {
			var nc net.Conn
			var br *bufio.Reader
			for !ended.Load() {
				if nc == nil {
					var err error
					if nc, err = net.Dial("tcp", l.clients); err != nil {
						first <- err
						return
					}
					br = bufio.NewReader(nc)
				}
				_ = nc.SetDeadline(time.Now().Add(patience))
				if _, err := io.WriteString(nc, "GET / HTTP/1.1\r\nHost: shop\r\n\r\n"); err != nil {
					first <- err
					return
				}
				resp, err := http.ReadResponse(br, nil)
				if err != nil {
					first <- err
					return
				}
				body, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != 200 || string(body) != "hello" {
					first <- fmt.Errorf("%s %q: %w", resp.Status, body, err)
					return
				}
				if count.Add(1); resp.Close {
					_ = nc.Close()
					nc = nil
				}
			}
			if nc != nil {
				_ = nc.Close()
			}
		})
	}
	return func() (int64, error) {
		ended.Store(true)
		running.Wait()
		select {
		case err := <-first:
			return count.Load(), err
		default:
			return count.Load(), nil
		}
	}
}

// heirPID waits until the node has handed over, and sees to the end of its heir.
func (l *living) heirPID() int {
	l.t.Helper()
	said := regexp.MustCompile(`"handed over".*?"pid":(\d+)`)
	var pid int
	l.until("it has handed over", func() bool {
		m := said.FindStringSubmatch(l.printed())
		if m == nil {
			return false
		}
		pid, _ = strconv.Atoi(m[1])
		return true
	})
	l.t.Cleanup(func() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
		l.until("the heir has ended", func() bool { return !alive(pid) })
	})
	return pid
}

// alive reports whether a process runs. One that ended and that nobody asked
// for does not.
func alive(pid int) bool {
	if out, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		_, rest, _ := strings.Cut(string(out), ") ")
		return !strings.HasPrefix(rest, "Z")
	}
	return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

func TestHandover_NobodyNoticesTheUpgrade(t *testing.T) {
	l := live(t, anyPort, serving)
	tunnel, err := net.Dial("tcp", l.clients)
	if err != nil {
		t.Fatal(err)
	}
	defer tunnel.Close()
	_ = tunnel.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(tunnel, "GET /chat HTTP/1.1\r\nHost: shop\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	br := bufio.NewReader(tunnel)
	if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != 101 {
		t.Fatalf("no tunnel: %v %v", resp, err)
	}
	echo := func(text string) error {
		_, _ = io.WriteString(tunnel, text)
		got := make([]byte, len(text))
		if _, err := io.ReadFull(br, got); err != nil || string(got) != text {
			return fmt.Errorf("got %q: %w", got, err)
		}
		return nil
	}
	if err := echo("before"); err != nil {
		t.Fatal(err)
	}

	stop := l.busy(8)
	l.signal(syscall.SIGUSR2)
	pid := l.heirPID()
	if err := echo("after"); err != nil {
		t.Errorf("the tunnel did not outlive the handover: %v", err)
	}
	_ = tunnel.Close()
	if err := l.cmd.Wait(); err != nil {
		t.Errorf("the old process ended with %v", err)
	}
	if !l.ready() {
		t.Error("the new process is not ready when the old one has ended")
	}
	if err := l.get(); err != nil {
		t.Error(err)
	}
	answered, lost := stop()
	if lost != nil || answered == 0 {
		t.Errorf("after %d answers: %v", answered, lost)
	}
	_ = syscall.Kill(pid, syscall.SIGTERM)
	l.until("the new process has ended", func() bool { return !alive(pid) })
	if n := strings.Count(l.printed(), `"drained"`); n != 2 {
		t.Errorf("%d processes drained", n)
	}
}

func TestHandover_HeirThatFailsChangesNothing(t *testing.T) {
	for name, tc := range map[string]struct {
		file  func(before string) string
		wants string
	}{
		"before the state is let go": {func(string) string { return "kind: Nonsense\n" }, "not prepared"},
		"after it": {func(before string) string {
			// A folder under a file cannot be made.
			return strings.Replace(before, "dir: data", "dir: shop.yaml/data", 1)
		}, "does not serve"},
	} {
		t.Run(name, func(t *testing.T) {
			l := live(t, anyPort, serving)
			before, err := os.ReadFile(l.file)
			if err != nil {
				t.Fatal(err)
			}
			after := tc.file(string(before))
			if after == string(before) {
				t.Fatalf("the node file is still good:\n%s", after)
			}
			if err := os.WriteFile(l.file, []byte(after), 0o600); err != nil {
				t.Fatal(err)
			}
			stop := l.busy(4)
			l.signal(syscall.SIGUSR2)
			l.until("it says why not", func() bool { return strings.Contains(l.printed(), tc.wants) })
			l.until("the control API answers again", l.ready)
			if answered, lost := stop(); lost != nil || answered == 0 {
				t.Errorf("after %d answers: %v", answered, lost)
			}
			// What it goes on with is whole: it can still be handed over.
			if err := os.WriteFile(l.file, before, 0o600); err != nil {
				t.Fatal(err)
			}
			l.signal(syscall.SIGUSR2)
			l.heirPID()
			if err := l.cmd.Wait(); err != nil {
				t.Errorf("the old process ended with %v", err)
			}
			if err := l.get(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The queue of a socket that systemd holds outlives the process: who connects
// between two of them is answered by the second.
func TestHandover_SocketOfSystemdOutlivesTheProcess(t *testing.T) {
	ln, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	socket, err := duplicate(ln, "socket")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	activated := func(l *living) *exec.Cmd {
		cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec weir serve -c "$0"`, l.file)
		cmd.ExtraFiles = []*os.File{socket}
		return cmd
	}
	l := live(t, ln.Addr().String(), activated)
	if err := l.get(); err != nil {
		t.Fatal(err)
	}
	l.signal(syscall.SIGTERM)
	if err := l.cmd.Wait(); err != nil {
		t.Fatalf("ended with %v", err)
	}
	between := make(chan error, 1)
	go func() { between <- l.get() }()
	l.start(activated(l))
	if err := <-between; err != nil {
		t.Errorf("who came between the two: %v", err)
	}
}

func TestHandover_SocketThatNobodyWantsIsRefused(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	in := &inherited{sockets: []socket{{ln: ln, kept: true}}}
	if _, ok := in.take("clients :1", ":1"); ok {
		t.Error("a socket was taken for another address")
	}
	if err := in.done(); err == nil || !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("got %v", err)
	}
}
