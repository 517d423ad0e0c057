package lab

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// UpgradeRun is what became of the requests while one process took over from
// another.
type UpgradeRun struct {
	Shots  Shots
	Lost   int           // sent and not answered, or answered with a 5xx
	Before int           // answered before SIGUSR2
	During int           // answered until the old process had ended
	After  int           // answered by the new process alone
	Handed time.Duration // from SIGUSR2 until the new process served
	Took   time.Duration // until the old process had ended
}

func (r UpgradeRun) String() string {
	return fmt.Sprintf("%d lost of %d requests; %d answered in the %s until the old process had ended, %d after; handed over in %s",
		r.Lost, len(r.Shots), r.During, r.Took.Round(time.Millisecond), r.After, r.Handed.Round(time.Millisecond))
}

// Upgrade runs one node under clients that never rest, makes it hand over to its
// binary, and in the end drains what took over.
func (l *Lab) Upgrade(o DrainOptions) (run UpgradeRun, err error) {
	b, err := l.busy("upgrade", o)
	if err != nil {
		return run, err
	}
	defer b.end()

	told := time.Now()
	heir, handed, err := b.node.handOver()
	if err != nil {
		b.restless.Stop()
		b.pausing.Stop()
		return run, err
	}
	ended := time.Now()
	run.Handed, run.Took = handed.Sub(told), ended.Sub(told)
	time.Sleep(cmp.Or(o.Busy, time.Second))
	err = heir.end()
	run.Shots = append(b.restless.Wait(), b.pausing.Wait()...)
	answered := func(s Shot) bool { return s.Fate == Answered }
	run.Lost = run.Shots.Count(func(s Shot) bool { return s.Fate == Lost || s.Fate == Answered && s.Failed() })
	run.After = run.Shots.After(ended).Count(answered)
	run.During = run.Shots.After(told).Count(answered) - run.After
	run.Before = run.Shots.Count(answered) - run.During - run.After
	return run, err
}

// heir is a weir that another started.
type heir int

// handOver tells the node to hand over to its binary, and waits until it has
// ended. handed is when the new process served.
func (n *Node) handOver() (h heir, handed time.Time, err error) {
	if err := n.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		return 0, handed, fmt.Errorf("cannot tell weir to hand over: %w", err)
	}
	said := regexp.MustCompile(`"handed over".*?"pid":(\d+)`)
	err = Await("weir hands over", time.Minute, func() (bool, error) {
		log, err := os.ReadFile(n.Log)
		if err != nil {
			return false, err
		}
		if strings.Contains(string(log), `"not handed over`) {
			return false, fmt.Errorf("weir did not hand over; it printed:\n%s", n.Tail(20))
		}
		if m := said.FindSubmatch(log); m != nil {
			pid, err := strconv.Atoi(string(m[1]))
			h, handed = heir(pid), time.Now()
			return true, err
		}
		return false, nil
	})
	if err != nil {
		return h, handed, err
	}
	code, err := n.Wait(time.Minute)
	if err == nil && code != 0 {
		err = fmt.Errorf("weir exits %d; it printed:\n%s", code, n.Tail(20))
	}
	return h, handed, err
}

// end drains the process and waits for its end, for a minute at most.
func (h heir) end() error {
	if err := syscall.Kill(int(h), syscall.SIGTERM); err != nil {
		return fmt.Errorf("cannot end the new weir: %w", err)
	}
	err := Await("the new weir ends", time.Minute, func() (bool, error) { return h.gone(), nil })
	if err != nil {
		_ = syscall.Kill(int(h), syscall.SIGKILL)
	}
	return err
}

// gone reports whether the process has ended, even if nobody asked how.
func (h heir) gone() bool {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", int(h))); err == nil {
		_, rest, _ := strings.Cut(string(stat), ") ")
		return strings.HasPrefix(rest, "Z")
	}
	return syscall.Kill(int(h), 0) != nil
}
