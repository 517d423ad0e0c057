package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Lab owns a folder, the binaries built for it and the processes started in it.
// Its methods are safe for concurrent use. Close it.
type Lab struct {
	Dir string

	weir string // the binary under proof

	mu        sync.Mutex
	built     map[string]string // binaries by package
	processes []*Process        // in the order of their start
	ports     map[int]bool      // given out already
	names     map[string]int    // likewise
}

// With gives work a Lab of the weir binary at path, as New does, and closes it.
func With(weir string, work func(*Lab) error) error {
	l, err := New(weir)
	if err != nil {
		return err
	}
	return errors.Join(work(l), l.Close(false))
}

// New makes a lab around a weir binary. An empty weir builds one. It must run
// within the module, whose tools it builds when they are first used.
func New(weir string) (*Lab, error) {
	dir, err := os.MkdirTemp("", "weir-lab-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a folder for the lab: %w", err)
	}
	l := &Lab{Dir: dir, built: map[string]string{}, ports: map[int]bool{}, names: map[string]int{}}
	if weir == "" {
		l.weir, err = l.build("cmd/weir")
	} else {
		l.weir, err = filepath.Abs(weir)
	}
	if err == nil {
		_, err = os.Stat(l.weir)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return l, nil
}

// Close kills what still runs. The folder with the logs stays if keep is set.
func (l *Lab) Close(keep bool) error {
	l.mu.Lock()
	processes := l.processes
	l.mu.Unlock()
	for i := len(processes) - 1; i >= 0; i-- {
		processes[i].Kill()
	}
	if keep {
		return nil
	}
	return os.RemoveAll(l.Dir)
}

// Weir is the binary under proof.
func (l *Lab) Weir() string { return l.weir }

// build compiles a package of this module once.
func (l *Lab) build(pkg string) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if binary, ok := l.built[pkg]; ok {
		return binary, nil
	}
	binary := filepath.Join(l.Dir, "bin", strings.ReplaceAll(pkg, "/", "-"))
	cmd := exec.Command("go", "build", "-trimpath", "-o", binary, "github.com/weirproxy/weir/"+pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as bin/weir is built, so that little is compiled twice
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cannot build %s: %w\n%s", pkg, err, out)
	}
	l.built[pkg] = binary
	return binary, nil
}

// unique makes a name of a folder and a log that nobody else has: a proof that
// is run twice does not meet the state of its first time.
func (l *Lab) unique(name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names[name]++
	if n := l.names[name]; n > 1 {
		return fmt.Sprintf("%s.%d", name, n)
	}
	return name
}

// Ports below the range that the kernel draws outgoing ports from (32768 on
// Linux): a client that connects to a process which is down at the moment must
// be refused, and not by chance be connected to itself.
const (
	lowestPort  = 20_000
	highestPort = 32_000
)

// Address returns a loopback address on which nothing listens. No other call
// returns the same one.
func (l *Lab) Address() (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range 1000 {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if l.ports[port] {
			continue
		}
		address := fmt.Sprintf("127.0.0.1:%d", port)
		ln, err := net.Listen("tcp", address)
		if err != nil {
			continue
		}
		_ = ln.Close() // it was only asked for whether it is free
		l.ports[port] = true
		return address, nil
	}
	return "", fmt.Errorf("cannot find a free port between %d and %d", lowestPort, highestPort)
}

// Await asks until done says so. A done that never says so is an error that
// names what.
func Await(what string, patience time.Duration, done func() (bool, error)) error {
	var last error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		ok, err := done()
		if ok {
			return nil
		}
		last = err
	}
	return errors.Join(fmt.Errorf("%s: not within %s", what, patience), last)
}
