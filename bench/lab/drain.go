package lab

import (
	"fmt"
	"time"
)

// DrainOptions say how busy a node is when it is told to end.
type DrainOptions struct {
	Clients int           // that each keep a connection alive and busy
	Busy    time.Duration // before SIGTERM; 0: 1s
	Window  time.Duration // of the node's drain; 0: 1s
}

// DrainRun is what became of the requests of one drain.
type DrainRun struct {
	Shots Shots
	Lost  int // sent and not answered, or answered with a 5xx
	After int // answered after SIGTERM
	Took  time.Duration
}

func (r DrainRun) String() string {
	return fmt.Sprintf("%d lost of %d requests; %d were answered in the %s from SIGTERM to the end of the process",
		r.Lost, len(r.Shots), r.After, r.Took.Round(time.Millisecond))
}

// Drain runs one node under clients that never rest, tells it to end, and lets
// the clients go on until they are refused. Being refused is no loss: nothing
// was sent, and a client or a load balancer goes elsewhere.
func (l *Lab) Drain(o DrainOptions) (run DrainRun, err error) {
	b, err := l.busy("drain", o)
	if err != nil {
		return run, err
	}
	defer b.end()
	told := time.Now()
	if err := b.node.Terminate(); err != nil {
		return run, err
	}
	code, err := b.node.Wait(30 * time.Second)
	run.Took = time.Since(told)
	if err == nil && code != 0 {
		err = fmt.Errorf("weir exits %d; it printed:\n%s", code, b.node.Tail(20))
	}
	run.Shots = append(b.restless.Wait(), b.pausing.Wait()...)
	run.Lost = run.Shots.Count(func(s Shot) bool { return s.Fate == Lost || s.Fate == Answered && s.Failed() })
	run.After = run.Shots.After(told).Count(func(s Shot) bool { return s.Fate == Answered })
	return run, err
}
