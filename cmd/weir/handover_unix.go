//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"
)

// notifyUpgrade asks for the signals that tell a node to hand over to its binary
// anew.
func notifyUpgrade(c chan<- os.Signal) { signal.Notify(c, syscall.SIGUSR2) }

// upgrade starts the binary anew, which may be another one by now, and hands
// over to it. It reports whether that process serves; if not, this one goes on
// as before.
//
// Both accept from the same sockets, so no connection is refused or lost. The
// state can be open in one process alone, and so for about a second nobody
// judges or answers the control API; its callers wait in the socket's queue.
func (n *node) upgrade(ctx context.Context, failed chan<- error) (done bool) {
	started := time.Now()
	tellSystemd(systemdReloading)
	defer patiently(watchdog())()
	defer func() {
		if !done {
			tellSystemd(systemdKept)
		}
	}()
	h, err := n.bear()
	if err != nil {
		n.log.Error("not handed over: the new process cannot be started", zap.Error(err))
		return false
	}
	defer h.close()
	stop := context.AfterFunc(ctx, func() { _ = h.conn.Close() })
	defer stop()
	if _, err := h.expect(sayPrepared, preparing); err != nil {
		n.log.Error("not handed over: the new process is not prepared", zap.Error(errors.Join(err, h.kill())))
		return false
	}
	n.stopSteering()
	if err := n.store.Close(); err != nil {
		n.log.Warn("state not closed in order", zap.Error(err))
	}
	taken, err := h.takeOver()
	if err != nil {
		n.log.Error("not handed over: the new process does not serve; going on", zap.Error(errors.Join(err, h.kill())))
		n.resume(ctx, failed, h.files)
		return false
	}
	for i, l := range n.listeners {
		if taken[n.names[i]] {
			n.server.HandOver(l)
		}
	}
	n.stopStatus() // before it turns red: the new one answers for both
	tellSystemd(fmt.Sprintf("MAINPID=%d\n%s", h.cmd.Process.Pid, systemdReady))
	n.log.Info("handed over", zap.Int("pid", h.cmd.Process.Pid), zap.Duration("took", time.Since(started)))
	return true
}

// resume opens again what was closed for a new process that failed. Clients are
// served all the while, so it is tried until it works or the node ends.
func (n *node) resume(ctx context.Context, failed chan<- error, files []*os.File) {
	n.stopStatus()
	for ctx.Err() == nil {
		err := n.reopenControl(files)
		if err == nil {
			err = n.openState(ctx)
		}
		if err == nil {
			n.steer(failed)
			n.answer(failed)
			return
		}
		n.log.Error("state and control API cannot be opened again", zap.Error(err))
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Second):
		}
	}
}

// reopenControl listens again for the control API and the status, on sockets
// that were never closed in all processes.
func (n *node) reopenControl(files []*os.File) error {
	listener := func(name string) (net.Listener, error) {
		for i, candidate := range n.names {
			if candidate == name {
				return net.FileListener(files[i+1])
			}
		}
		return nil, fmt.Errorf("cannot find socket %q", name)
	}
	ln, err := listener(controlName(n.config))
	if err != nil {
		return err
	}
	n.listenControl(ln)
	if n.config.Status != nil {
		if n.status, err = listener(statusName(n.config)); err != nil {
			return err
		}
	}
	if n.config.Flags != nil {
		n.flags, err = listener(flagsName(n.config))
	}
	return err
}

// heir is the process that takes over.
type heir struct {
	*peer
	cmd   *exec.Cmd
	files []*os.File // its end of the conversation, and the sockets in the order of node.names
}

// bear starts this program again with the same arguments. It is looked up anew,
// as nginx does, so that a link to the present release leads to the new one.
func (n *node) bear() (h *heir, err error) {
	path, err := exec.LookPath(os.Args[0])
	if err != nil {
		return nil, fmt.Errorf("cannot find the binary: %w", err)
	}
	pair, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("cannot make a connection to the new process: %w", err)
	}
	mine, theirs := os.NewFile(uintptr(pair[0]), "handover"), os.NewFile(uintptr(pair[1]), "handover")
	conn, err := net.FileConn(mine)
	_ = mine.Close()
	if err != nil {
		_ = theirs.Close()
		return nil, fmt.Errorf("cannot use the connection to the new process: %w", err)
	}
	h = &heir{peer: newPeer(conn), files: []*os.File{theirs}}
	defer func() {
		if err != nil {
			h.close()
		}
	}()
	for i, l := range n.sockets() {
		file, err := duplicate(l, n.names[i])
		if err != nil {
			return nil, err
		}
		h.files = append(h.files, file)
	}
	names := make([]string, len(n.names))
	for i, name := range n.names {
		if names[i] = name; n.kept[i] {
			names[i] += keptMark
		}
	}
	h.cmd = exec.Command(path, os.Args[1:]...)
	h.cmd.Env = append(heirsEnvironment(), handoverEnv+"="+strings.Join(names, ";"))
	h.cmd.Stdin, h.cmd.Stdout, h.cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	h.cmd.ExtraFiles = h.files
	if err := h.cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot start %q: %w", path, err)
	}
	_ = theirs.Close() // so that its end is heard
	return h, nil
}

// socketPair makes two sockets that no program started meanwhile gets. Linux can
// do that in one call, others cannot.
func socketPair() (pair [2]int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if pair, err = unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0); err != nil {
		return pair, err
	}
	unix.CloseOnExec(pair[0])
	unix.CloseOnExec(pair[1])
	return pair, nil
}

// duplicate returns a file of a listening socket. net's File would do, but Fd of
// what that returns makes the socket block for every process that has it.
func duplicate(l net.Listener, name string) (*os.File, error) {
	sc, ok := l.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("cannot pass on %s: it has no file descriptor", name)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("cannot pass on %s: %w", name, err)
	}
	fd, failed := -1, error(nil)
	if err := raw.Control(func(old uintptr) { fd, failed = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || failed != nil {
		return nil, fmt.Errorf("cannot pass on %s: %w", name, errors.Join(err, failed))
	}
	return os.NewFile(uintptr(fd), name), nil
}

// takeOver lets the heir open the state, and waits until it serves.
func (h *heir) takeOver() (taken map[string]bool, err error) {
	if err := h.say(message{Say: sayGo}); err != nil {
		return nil, err
	}
	m, err := h.expect(sayReady, becoming)
	if err != nil {
		return nil, err
	}
	taken = make(map[string]bool, len(m.Taken))
	for _, name := range m.Taken {
		taken[name] = true
	}
	return taken, nil
}

// kill ends an heir that failed, and returns how it ended.
func (h *heir) kill() error {
	_ = h.cmd.Process.Kill() // it has ended if this fails
	return h.cmd.Wait()
}

func (h *heir) close() {
	_ = h.conn.Close()
	for _, file := range h.files {
		_ = file.Close()
	}
}
