package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/rollout"
)

// story is one run of the demo: what was meant to happen, and what did.
type story struct {
	options demoOptions
	fault   fault
	node    *node
	blue    *origin
	green   *origin
	crowd   *crowd
	screen  *screen
	random  *rand.Rand

	id       string
	broke    time.Time // the fault began
	proven   time.Time // the judge had its proof and the node cut
	stored   time.Time // the state says rolled_back
	last     string
	timeline []string
}

// maxStory bounds a story: three stages of five seconds, with time to spare on
// a slow machine.
const maxStory = 60 * time.Second

func (s *story) tell(ctx context.Context) error {
	if err := s.node.load(ctx, nil); err != nil {
		return err
	}
	if _, err := s.node.controller.Do(ctx, control.ApplyService{Document: demoService(s.blue.address(), s.green.address()), Actor: "demo"}); err != nil {
		return err
	}
	s.crowd = newCrowd(s.node.listeners[0].Addr().String(), s.options.users)
	traffic, stopTraffic := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { s.crowd.run(traffic, s.options.rps, rand.New(rand.NewPCG(s.options.seed, 2))) })
	defer running.Wait()
	defer stopTraffic()

	s.screen.title(fmt.Sprintf("weir demo: %s requests/s of %s users; --seed %d; dashboard and control API at %s",
		thousands(int64(s.options.rps)), thousands(int64(s.options.users)), s.options.seed, "http://"+s.node.control.Addr().String()))
	if !s.pause(ctx, 2*time.Second) { // blue alone, so that there is a past to compare with
		return ctx.Err()
	}
	events, cancel := s.node.controller.Subscribe(256)
	defer cancel()
	plan, err := demoPlan()
	if err != nil {
		return err
	}
	reply, err := s.node.controller.Do(ctx, control.StartRollout{Plan: plan, Actor: "demo"})
	if err != nil {
		return err
	}
	s.id = reply.ID
	s.happened(time.Now(), "rollout "+s.id+" began")
	ok := s.watch(ctx, events)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	s.end(ok)
	if s.options.once {
		stopTraffic()
		if !ok {
			return errSilent
		}
		return nil
	}
	s.screen.line("\nThe node keeps running. In another terminal:\n  weir rollout why shop      what happened, with the numbers\n  weir get services          who has which weight\n  weir rollout retry shop    try again\nCtrl-C ends it.")
	for s.pause(ctx, time.Second) {
	}
	return nil
}

// watch breaks the new version at its moment, follows the rollout to its end,
// and reports whether the story went as told.
func (s *story) watch(ctx context.Context, events <-chan control.Event) bool {
	// Five to nine seconds into the rollout: late in the first stage or in the second.
	breaks := time.NewTimer(5*time.Second + time.Duration(s.random.Int64N(int64(4*time.Second))))
	defer breaks.Stop()
	give := time.NewTimer(maxStory)
	defer give.Stop()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-give.C:
			s.happened(time.Now(), fmt.Sprintf("no end after %s", maxStory))
			return false
		case <-breaks.C:
			if s.fault.none() {
				continue
			}
			s.broke = time.Now()
			s.green.fail(s.fault)
			s.happened(s.broke, "fault: "+s.fault.text)
		case e := <-events:
			if e.Rollout != s.id && e.Kind != "endpoint" {
				continue
			}
			s.happened(e.At, e.Text)
			switch {
			case e.Kind == "cut":
				s.proven = e.At
			case e.Kind == "rollout" && e.Phase == rollout.RolledBack:
				s.stored = e.At
			}
			if e.Kind == "rollout" && (e.Phase.Final() || e.Phase == rollout.Paused) {
				return s.verify(ctx, e.Phase)
			}
		case <-look.C:
			s.draw()
		}
	}
}

// verify looks at what users got after the end.
func (s *story) verify(ctx context.Context, phase rollout.Phase) bool {
	after := s.green.requests.Load()
	seen := time.Now()
	s.pause(ctx, time.Second)
	if s.fault.none() {
		return phase == rollout.Succeeded && s.blue.last.Load() < seen.Add(500*time.Millisecond).UnixNano()
	}
	// Requests that were on their way when the table was swapped still arrive.
	late := s.green.requests.Load() - after
	return phase == rollout.RolledBack && !s.broke.IsZero() && !s.proven.IsZero() && late <= 5
}

// end prints the timeline.
func (s *story) end(ok bool) {
	s.draw()
	s.screen.line("\nTIMELINE")
	for _, l := range s.timeline {
		s.screen.line("  " + l)
	}
	if !s.fault.none() && !s.proven.IsZero() {
		last := time.Unix(0, s.green.last.Load())
		s.screen.line(fmt.Sprintf("\n  fault began               0 ms   %s\n  proven                %5d ms   the node swapped its table\n  last candidate request%5d ms   as green saw it\n  in etcd               %5d ms   state rolled_back",
			s.fault.text, s.proven.Sub(s.broke).Milliseconds(), max(0, last.Sub(s.broke).Milliseconds()), s.stored.Sub(s.broke).Milliseconds()))
	}
	s.screen.line(fmt.Sprintf("\n  %s requests in all, %s of them failed for their user", thousands(s.crowd.sent.Load()), thousands(s.crowd.failed.Load())))
	if v, found := s.node.controller.View().Rollout(s.id); found {
		s.screen.line("\nWHY\n  " + v.State.Reason)
		for _, r := range v.Rules {
			s.screen.line("  " + ruleLine(r))
		}
	}
	if ok {
		s.screen.line("\nThe story went as told.")
	} else {
		s.screen.line("\nThe story did NOT go as told.")
	}
}

// happened records an event for the timeline, against the fault once it began.
func (s *story) happened(at time.Time, text string) {
	mark := at.Format("15:04:05.000")
	if !s.broke.IsZero() {
		mark += fmt.Sprintf("  %+6d ms", at.Sub(s.broke).Milliseconds())
	} else {
		mark += "           "
	}
	s.last = at.Format("15:04:05") + "  " + text
	s.timeline = append(s.timeline, mark+"  "+text)
	s.screen.event(mark + "  " + text)
}

// draw shows the present state.
func (s *story) draw() {
	v := s.node.controller.View()
	service, ok := v.Service("shop")
	if !ok {
		return
	}
	r, _ := v.Rollout(s.id)
	s.screen.draw(service, r, s.last)
}

// pause waits, and reports whether the demo goes on.
func (s *story) pause(ctx context.Context, d time.Duration) bool {
	until := time.After(d)
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-until:
			return true
		case <-look.C:
			s.draw()
		}
	}
}
