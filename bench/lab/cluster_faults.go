package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Replace kills all members, has change do something to their folders, and
// starts them again.
func (c *Cluster) Replace(change func(dirs []string) error) error {
	var dirs []string
	for _, m := range c.Members {
		m.Kill()
		dirs = append(dirs, filepath.Join(m.lab.Dir, m.name))
	}
	if err := change(dirs); err != nil {
		return err
	}
	for _, m := range c.Members {
		if err := m.Start(); err != nil {
			return err
		}
	}
	return c.AwaitReady(time.Minute)
}

// backupSuffix is that of the folder beside a member's own.
const backupSuffix = ".backup"

// Backup copies what the members have. They are stopped for a moment.
func (c *Cluster) Backup() error {
	return c.Replace(func(dirs []string) error {
		var problems []error
		for _, dir := range dirs {
			problems = append(problems, os.RemoveAll(dir+backupSuffix), os.CopyFS(dir+backupSuffix, os.DirFS(dir)))
		}
		return errors.Join(problems...)
	})
}

// Wipe takes away all that the members have.
func Wipe(dirs []string) error {
	var problems []error
	for _, dir := range dirs {
		problems = append(problems, os.RemoveAll(dir))
	}
	return errors.Join(problems...)
}

// Restore brings the last Backup back.
func Restore(dirs []string) error {
	problems := []error{Wipe(dirs)}
	for _, dir := range dirs {
		problems = append(problems, os.CopyFS(dir, os.DirFS(dir+backupSuffix)))
	}
	return errors.Join(problems...)
}

// Compact writes so many revisions and forgets all that came before the last one.
func (c *Cluster) Compact(revisions int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var last int64
	for range revisions {
		resp, err := c.client.Put(ctx, "ready", "yes")
		if err != nil {
			return fmt.Errorf("cannot write to etcd: %w", err)
		}
		last = resp.Header.Revision
	}
	if _, err := c.client.Compact(ctx, last); err != nil {
		return fmt.Errorf("cannot compact etcd: %w", err)
	}
	return nil
}

// Expire ends the lease of a key at once, as if its holder had been silent for long.
func (c *Cluster) Expire(key string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	resp, err := c.client.Get(ctx, key)
	if err != nil {
		return fmt.Errorf("cannot read %q from etcd: %w", key, err)
	}
	if len(resp.Kvs) == 0 || resp.Kvs[0].Lease == 0 {
		return fmt.Errorf("%q in etcd hangs on no lease", key)
	}
	if _, err := c.client.Revoke(ctx, clientv3.LeaseID(resp.Kvs[0].Lease)); err != nil {
		return fmt.Errorf("cannot end the lease of %q: %w", key, err)
	}
	return nil
}

// Slow makes each flush of every member's disk take longer until stop is called.
// That needs strace, which delays the system calls; without it the members are
// stopped for most of the time instead. How says which.
func (c *Cluster) Slow(by time.Duration) (how string, stop func(), err error) {
	tracer, err := exec.LookPath("strace")
	if err != nil {
		return "etcd stalls", c.stall(by), nil
	}
	var tracers []*Process
	stop = func() {
		for _, t := range tracers {
			_ = t.Terminate() // it lets go of the member; one that has ended did so too
			_, _ = t.Wait(10 * time.Second)
		}
	}
	for _, m := range c.Members {
		t, err := m.lab.start(m.name+"-slow", tracer, "-f", "-qq", "-e", "trace=fdatasync,fsync",
			"-e", fmt.Sprintf("inject=fdatasync,fsync:delay_enter=%d", by.Microseconds()),
			"-o", os.DevNull, "-p", strconv.Itoa(m.cmd.Process.Pid))
		if err != nil {
			stop()
			return "", nil, err
		}
		tracers = append(tracers, t)
	}
	time.Sleep(500 * time.Millisecond) // for the tracers to attach, or to fail
	for _, t := range tracers {
		if !t.Running() {
			stop()
			return "etcd stalls", c.stall(by), nil // tracing is not allowed here
		}
	}
	return "slow disks", stop, nil
}

// stall stops all members for a while, again and again.
func (c *Cluster) stall(each time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	for _, m := range c.Members {
		done.Go(func() {
			for ctx.Err() == nil {
				_ = m.Pause() // a member that has ended is not slow
				time.Sleep(each)
				_ = m.Resume()
				time.Sleep(each / 3)
			}
		})
	}
	return func() {
		cancel()
		done.Wait()
	}
}
