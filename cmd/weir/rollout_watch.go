package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/weirproxy/weir/control/api"
)

const (
	watchPoll = 300 * time.Millisecond

	// watchPatience is how long a watch lasts through a control API that cannot
	// be reached: a node that restarts is back by then.
	watchPatience = 30 * time.Second
)

func (c *cli) newRolloutWatchCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "watch ID|SERVICE",
		Short: "Follow a rollout to its end",
		Long: `watch prints each step of a rollout as it happens, and on a terminal a line on
how it stands. It exits 0 if the candidate became stable, 1 if not.`,
		Example: `  weir rollout watch shop`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			r, _, err := client.resolve(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.watch(cmd.Context(), client, r.ID)
		},
	}
}

// watcher prints what is new about a rollout.
type watcher struct {
	c       *cli
	live    bool // a terminal: a status line is kept at the bottom
	printed int  // transitions that were printed
	last    string
}

// watch follows a rollout until it ends. With -o json it prints the rollout
// once, at its end.
func (c *cli) watch(ctx context.Context, client *client, id string) error {
	w := &watcher{c: c, live: isTerminal(c.out)}
	tick := time.NewTicker(watchPoll)
	defer tick.Stop()
	var lostAt time.Time
	for {
		var r api.Rollout
		a, err := client.get(ctx, rolloutPath(id), &r)
		var unreachable *unreachableError
		switch {
		case err == nil:
			lostAt = time.Time{}
			if c.output == "table" {
				w.show(&r)
			}
			if ended(&r) {
				return c.ended(&r, a)
			}
		case !errors.As(err, &unreachable):
			return err
		case lostAt.IsZero():
			lostAt = time.Now()
		case time.Since(lostAt) > watchPatience:
			return err
		}
		select {
		case <-ctx.Done():
			return errors.New("the watch was ended; the rollout goes on")
		case <-tick.C:
		}
	}
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func ended(r *api.Rollout) bool { return r.Phase.Final() }

// ended prints the outcome; its error is what the exit code needs.
func (c *cli) ended(r *api.Rollout, a *answer) error {
	good := r.Phase == "succeeded"
	if c.output != "table" {
		if err := c.print(a, nil); err != nil {
			return err
		}
	} else if !good {
		fmt.Fprintf(c.out, "`weir rollout why %s` has the numbers.\n", r.ID)
	}
	if !good {
		return errSilent
	}
	return nil
}

// show prints the transitions that are new, and the status if it changed.
func (w *watcher) show(r *api.Rollout) {
	if w.live {
		fmt.Fprint(w.c.out, "\r\x1b[K")
	}
	for _, t := range r.History[min(w.printed, len(r.History)):] {
		fmt.Fprintln(w.c.out, transitionLine(&t))
	}
	w.printed = max(w.printed, len(r.History))
	line := progressLine(r)
	switch {
	case ended(r):
	case w.live:
		fmt.Fprint(w.c.out, line)
	case w.key(r) != w.last:
		fmt.Fprintln(w.c.out, line)
		w.last = w.key(r)
	}
}

// key changes when a line is worth printing where there is no terminal.
func (w *watcher) key(r *api.Rollout) string {
	return fmt.Sprint(r.Phase, r.Stage, r.WaitingFor, r.Verdict, weightsText(r.Weights))
}

// transitionLine is one change of a rollout.
func transitionLine(t *api.Transition) string {
	line := fmt.Sprintf("%s  %-12s %s", clock(t.At), t.To, weightsText(t.Weights))
	if t.Reason != "" {
		line += "  " + t.Reason
	}
	return line
}

// progressLine is how a rollout stands now.
func progressLine(r *api.Rollout) string {
	parts := []string{phaseText(r)}
	if r.Stages > 0 {
		parts = append(parts, "stage "+stageLine(r))
	}
	parts = append(parts, weightsText(r.Weights))
	for _, rule := range r.Rules {
		if rule.Threshold > 0 {
			parts = append(parts, fmt.Sprintf("%s: %s of %s requests bad", rule.Condition, count(rule.CandidateBad), count(rule.CandidateRequests)))
			break
		}
	}
	if r.Verdict != "" {
		parts = append(parts, string(r.Verdict))
	}
	return strings.Join(parts, " · ")
}
