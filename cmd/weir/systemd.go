package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/weirproxy/weir/control"
)

// tellSystemd tells the service manager of a change, if there is one. What it
// does not hear it finds out by its own timeouts.
func tellSystemd(state string) { _, _ = daemon.SdNotify(false, state) }

// What the service manager is told, see sd_notify(3). Each message has a status
// for persons.
const (
	systemdReady     = "READY=1\nSTATUS=serving clients"
	systemdReloading = "RELOADING=1\nSTATUS=handing over to a new process"
	systemdKept      = "READY=1\nSTATUS=serving clients; the last handover failed, see the log"
	systemdStopping  = "STOPPING=1\nSTATUS=draining"
)

// watchdogPID is whom systemd meant by WATCHDOG_USEC. A process that takes over
// is another one, and is watched all the same.
const watchdogPID = "WATCHDOG_PID"

// watchdog is within which time systemd wants to hear of this process. 0: it
// does not.
func watchdog() time.Duration {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0 // nonsense in the environment; systemd writes none
	}
	return within
}

// beat tells systemd's watchdog that the node lives, until ctx ends: as long as
// the Controller shows something new each time. One that hangs judges nobody and
// puts nothing back, which only another process can mend.
func beat(ctx context.Context, within time.Duration, view func() *control.View) error {
	if within == 0 {
		return nil
	}
	tick := time.NewTicker(within / 3)
	defer tick.Stop()
	for last := view(); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if v := view(); v != last {
			last = v
			tellSystemd(daemon.SdNotifyWatchdog)
		}
	}
}

// patiently keeps the watchdog quiet while a handover lasts, which has bounds of
// its own and no Controller in its midst.
func patiently(within time.Duration) (stop func()) {
	if within == 0 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(within / 3)
		defer tick.Stop()
		for {
			tellSystemd(daemon.SdNotifyWatchdog)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// heirsEnvironment is this process's, for one that takes over from it.
func heirsEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, watchdogPID+"=") })
}
