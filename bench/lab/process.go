package lab

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Process is a running program. Its methods are safe for concurrent use.
type Process struct {
	Name string
	Log  string // file with what it printed, kept over restarts

	cmd    *exec.Cmd
	exited chan struct{} // closed when it ended
}

// start runs a program in the lab's folder.
func (l *Lab) start(name, binary string, args ...string) (*Process, error) {
	p := &Process{Name: name, Log: filepath.Join(l.Dir, name+".log"), exited: make(chan struct{})}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	defer log.Close()
	p.cmd = exec.Command(binary, args...)
	p.cmd.Dir = l.Dir
	p.cmd.Stdout, p.cmd.Stderr = log, log
	dieWithParent(p.cmd)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // ProcessState has all that matters
		close(p.exited)
	}()
	l.mu.Lock()
	l.processes = append(l.processes, p)
	l.mu.Unlock()
	return p, nil
}

// Kill ends the process with SIGKILL and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it has ended if this fails
	<-p.exited
}

// Terminate asks the process to end.
func (p *Process) Terminate() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// Pause stops the process where it is, as a machine does that hangs.
func (p *Process) Pause() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// Running reports whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Wait waits for the end and returns the exit code.
func (p *Process) Wait(patience time.Duration) (int, error) {
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode(), nil
	case <-time.After(patience):
		return 0, fmt.Errorf("%s did not end within %s", p.Name, patience)
	}
}

// Tail returns the last lines that the process printed.
func (p *Process) Tail(lines int) string {
	data, err := os.ReadFile(p.Log)
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimRight(data, "\n"), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}

// awaitReady waits until ready says so, as long as the process lives.
func (p *Process) awaitReady(patience time.Duration, ready func() bool) error {
	err := Await(p.Name+" ready", patience, func() (bool, error) {
		return !p.Running() || ready(), nil
	})
	if err == nil && p.Running() {
		return nil
	}
	p.Kill()
	return fmt.Errorf("cannot start %s; it printed:\n%s", p.Name, p.Tail(20))
}
