//go:build unix

package main

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// keyWait is how long a read of keys waits before it looks whether it is still
// wanted, in microseconds.
const keyWait = 100_000

// rawKeys has a terminal send each press at once, Ctrl-C too, until restore.
func rawKeys(in *os.File) (restore func(), err error) {
	before, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, err
	}
	return func() { _ = term.Restore(int(in.Fd()), before) }, nil // a terminal that went away needs none
}

// readKeys sends presses until ctx ends or the terminal is gone. A plain read of
// a terminal could not be ended.
func readKeys(ctx context.Context, in *os.File, presses chan<- key) {
	fd := int(in.Fd())
	buf := make([]byte, 64)
	for ctx.Err() == nil {
		var ready unix.FdSet
		ready.Set(fd)
		n, err := unix.Select(fd+1, &ready, nil, nil, &unix.Timeval{Usec: keyWait})
		if errors.Is(err, unix.EINTR) || err == nil && n == 0 {
			continue
		}
		if err != nil {
			return
		}
		n, err = in.Read(buf)
		if err != nil {
			return
		}
		for _, k := range keysOf(string(buf[:n])) {
			select {
			case presses <- k:
			case <-ctx.Done():
				return
			}
		}
	}
}
