package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// process is a program pinned to one core. Stop it.
type process struct {
	name   string
	log    string // file with what it printed
	cmd    *exec.Cmd
	exited chan struct{}
}

// start runs a program with all threads and children on one core. Go programs
// take their number of processors from that.
func (w *world) start(core int, name, binary string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(w.dir, name+".log"), exited: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	defer log.Close()
	p.cmd = pinned(context.Background(), core, binary, args...) // stop ends it
	p.cmd.Dir = w.dir
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // whoever cares reads the log
		close(p.exited)
	}()
	return p, nil
}

// pinned is a command whose threads and children stay on one core.
func pinned(ctx context.Context, core int, binary string, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "taskset", append([]string{"-c", strconv.Itoa(core), binary}, args...)...)
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// stop asks first: a master that is killed leaves its workers.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it has ended if this fails
	select {
	case <-p.exited:
	case <-time.After(5 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

func (p *process) tail() string {
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-10):], []byte("\n")))
}

// family is the process and its children: nginx works in one.
func (p *process) family() []int {
	pid := p.cmd.Process.Pid
	pids := []int{pid}
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)) // no children
	for _, child := range strings.Fields(string(data)) {
		if id, err := strconv.Atoi(child); err == nil {
			pids = append(pids, id)
		}
	}
	return pids
}

// cpu is the time that the family has used.
func (p *process) cpu() (time.Duration, error) {
	total := time.Duration(0)
	for _, pid := range p.family() {
		used, err := lab.CPU(pid)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", p.name, err)
		}
		total += used
	}
	return total, nil
}

// resident is the memory of the family in bytes.
func (p *process) resident() int64 {
	pages := int64(0)
	for _, pid := range p.family() {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
		if err != nil {
			continue // a child that has just ended
		}
		if fields := strings.Fields(string(data)); len(fields) > 1 {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			pages += n
		}
	}
	return pages * int64(os.Getpagesize())
}

func processor() string {
	data, _ := os.ReadFile("/proc/cpuinfo") // its absence leaves the line empty
	for line := range strings.Lines(string(data)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
