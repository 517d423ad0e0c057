//go:build unix

package main

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirproxy/weir/control"
)

// manager listens as systemd does for what its services say.
type manager struct {
	path string

	mu   sync.Mutex
	said []string // lines, without those for persons
}

func newManager(t *testing.T) *manager {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir") // t.TempDir may be too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	m := &manager{path: filepath.Join(dir, "notify")}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	var listening sync.WaitGroup
	listening.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			m.mu.Lock()
			for line := range strings.SplitSeq(string(buf[:n]), "\n") {
				if !strings.HasPrefix(line, "STATUS=") {
					m.said = append(m.said, line)
				}
			}
			m.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		_ = conn.Close()
		listening.Wait()
		_ = os.RemoveAll(dir)
	})
	return m
}

// heard reports whether a line was said since the last forget.
func (m *manager) heard(line string) bool {
	return slices.Contains(m.lines(), line)
}

func (m *manager) lines() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.said)
}

func (m *manager) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said = nil
}

// changes are the lines without the watchdog's.
func (m *manager) changes() []string {
	return slices.DeleteFunc(m.lines(), func(line string) bool { return line == "WATCHDOG=1" })
}

func (m *manager) serving(l *living) *exec.Cmd {
	cmd := exec.Command("sh", "-c", `WATCHDOG_PID=$$ exec weir serve -c "$0"`, l.file)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.path, "WATCHDOG_USEC=600000")
	return cmd
}

func TestSystemd_HearsOfEveryChangeAndWhoIsToBeWatched(t *testing.T) {
	m := newManager(t)
	l := live(t, anyPort, m.serving)
	l.until("systemd heard that it is ready", func() bool { return m.heard("READY=1") })
	l.until("the watchdog heard of it", func() bool { return m.heard("WATCHDOG=1") })

	before, err := os.ReadFile(l.file)
	if err != nil {
		t.Fatal(err)
	}
	m.forget()
	if err := os.WriteFile(l.file, []byte("kind: Nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.signal(syscall.SIGUSR2)
	l.until("systemd heard how the handover ended", func() bool { return m.heard("READY=1") })
	if got, want := m.changes(), []string{"RELOADING=1", "READY=1"}; !slices.Equal(got, want) {
		t.Errorf("of a handover that failed systemd heard %q, want %q", got, want)
	}

	m.forget()
	if err := os.WriteFile(l.file, before, 0o600); err != nil {
		t.Fatal(err)
	}
	l.signal(syscall.SIGUSR2)
	pid := l.heirPID()
	if err := l.cmd.Wait(); err != nil {
		t.Fatalf("the old process ended with %v", err)
	}
	l.until("systemd heard it to the end", func() bool { return len(m.changes()) >= 3 })
	if got, want := m.changes(), []string{"RELOADING=1", "MAINPID=" + strconv.Itoa(pid), "READY=1"}; !slices.Equal(got, want) {
		t.Errorf("of a handover systemd heard %q, want %q", got, want)
	}
	m.forget() // the old process says nothing any more, but for what was not read yet
	l.until("the watchdog heard of the new process", func() bool { return len(m.lines()) > 5 })

	m.forget()
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	l.until("systemd heard that it stops", func() bool { return m.heard("STOPPING=1") })
}

func TestSystemd_WatchdogHearsNothingOfAControllerThatHangs(t *testing.T) {
	m := newManager(t)
	t.Setenv("NOTIFY_SOCKET", m.path)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		view := &control.View{}
		looks := 0
		beats := make(chan error, 1)
		go func() {
			beats <- beat(ctx, 30*time.Second, func() *control.View {
				if looks++; looks <= 4 { // the first is what it compares with
					view = &control.View{}
				}
				return view
			})
		}()
		time.Sleep(5 * time.Minute)
		cancel()
		if err := <-beats; err != nil {
			t.Error(err)
		}
	})
	for deadline := time.Now().Add(patience); len(m.lines()) < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the watchdog heard %q", m.lines())
		}
	}
	if got := m.lines(); len(got) != 3 {
		t.Errorf("the watchdog heard %d times of a Controller that showed something new three times: %q", len(got), got)
	}
}
