package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/rollout"
)

const (
	watchPoll = 300 * time.Millisecond

	// watchDraw is how often a picture is drawn while nothing comes.
	watchDraw = time.Second

	// watchTimeout is the longest that one look may take: a node that hangs is
	// to be told from one where nothing happens.
	watchTimeout = 5 * time.Second

	// watchPatience is how long a watch lasts through a control API that cannot
	// be reached: a node that restarts is back by then.
	watchPatience = 2 * time.Minute
)

func (c *cli) newRolloutWatchCommand() *cobra.Command {
	patience := watchPatience
	cmd := &cobra.Command{
		Use:   "watch ID|SERVICE",
		Short: "Follow a rollout to its end",
		Long: `watch shows a rollout until it ends: on a terminal as a picture of its stages,
versions, rules and events, elsewhere as a line for each change. NO_COLOR switches
colours off, TERM=dumb the picture.

It exits 0 if the candidate became stable, 1 if not, and 3 if the control API
cannot be reached for --patience. Ctrl-C ends the watch, never the rollout.`,
		Example: `  weir rollout watch shop
  weir rollout watch shop | tee release.log
  weir rollout watch shop -o json         # waits, then prints the rollout`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			r, _, err := client.resolve(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return c.follow(cmd.Context(), client, following{id: r.ID, wants: rollout.Succeeded, patience: patience})
		},
	}
	patienceFlag(cmd, &patience)
	return cmd
}

func patienceFlag(cmd *cobra.Command, patience *time.Duration) {
	cmd.Flags().DurationVar(patience, "patience", watchPatience, "how long to go on while the control API cannot be reached")
}

// following is what is followed, and to which end.
type following struct {
	id       string
	wants    rollout.Phase // the good end
	patience time.Duration
	explain  bool // a bad end is told with all its numbers
}

// look is what one look at the control API brought.
type look struct {
	rollout *api.Rollout
	answer  *answer
	service *api.Service // nil: as before
	err     error
}

// viewer shows a watched rollout to somebody.
type viewer interface {
	show(w *watched)
	close()
}

// follow shows a rollout until it ends. With -o json it prints the rollout
// once, at its end. Failures of the control API are told and outlasted.
func (c *cli) follow(ctx context.Context, client *client, f following) error {
	steady, hangUp := client.steady(watchTimeout)
	defer hangUp()
	view := c.newViewer()
	defer view.close()
	looks := make(chan look)
	asking, stop := context.WithCancel(ctx)
	var asker sync.WaitGroup
	asker.Go(func() { watchLooks(asking, steady, f.id, looks) })
	defer asker.Wait()
	defer stop()

	draw := time.NewTicker(watchDraw)
	defer draw.Stop()
	w := watched{}
	for {
		select {
		case <-ctx.Done():
			view.close()
			return fmt.Errorf("the watch was ended; the rollout goes on\n  `weir rollout watch %s` shows it again, `weir rollout abort %s` puts the traffic back", f.id, f.id)
		case <-draw.C:
		case l := <-looks:
			if err := w.take(l, time.Now()); err != nil {
				return err
			}
			if l.rollout != nil && ended(l.rollout) {
				w.now = time.Now()
				view.show(&w)
				view.close()
				return c.ended(ctx, client, l, f)
			}
		}
		w.now = time.Now()
		if w.lost != nil && w.now.Sub(w.lostAt) > f.patience {
			return w.lost
		}
		view.show(&w)
	}
}

// watchLooks looks again and again until ctx ends.
func watchLooks(ctx context.Context, client *client, id string, looks chan<- look) {
	tick := time.NewTicker(watchPoll)
	defer tick.Stop()
	for n := 0; ; n++ {
		l := look{rollout: &api.Rollout{}}
		l.answer, l.err = client.get(ctx, rolloutPath(id), l.rollout)
		if l.err != nil {
			l.rollout = nil
		} else if n%3 == 0 {
			s := &api.Service{}
			if _, err := client.get(ctx, servicePath(l.rollout.Service), s); err == nil {
				l.service = s // without it the picture has fewer numbers
			}
		}
		select {
		case looks <- l:
		case <-ctx.Done():
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// take keeps what a look brought. An error ends the watch.
func (w *watched) take(l look, now time.Time) error {
	if l.err == nil {
		w.rollout, w.lost = l.rollout, nil
		if l.service != nil {
			w.service = l.service
		}
		return nil
	}
	if !passing(l.err, w.rollout != nil) {
		return l.err
	}
	if w.lost == nil {
		w.lostAt = now
	}
	w.lost = l.err
	return nil
}

// passing reports whether an error may be over in a moment: the node restarts,
// or has started and not yet loaded its state.
func passing(err error, known bool) bool {
	var unreachable *unreachableError
	var refused *refusedError
	switch {
	case errors.As(err, &unreachable):
		return true
	case errors.As(err, &refused):
		return refused.Status >= http.StatusInternalServerError || known && refused.Status == http.StatusNotFound
	}
	return false
}

func ended(r *api.Rollout) bool { return r.Phase.Final() }

// ended prints the outcome; its error is what the exit code needs.
func (c *cli) ended(ctx context.Context, client *client, l look, f following) error {
	r := l.rollout
	if c.output != "table" {
		if err := c.print(l.answer, nil); err != nil {
			return err
		}
	}
	if r.Phase == f.wants {
		return nil
	}
	fmt.Fprintf(c.err, "weir: rollout %s ended %s, not %s\n", r.ID, r.Phase, f.wants)
	if r.Reason != "" {
		fmt.Fprintf(c.err, "  %s\n", printable(r.Reason))
	}
	if !f.explain || c.output != "table" || newTerminal(c.out).live() {
		fmt.Fprintf(c.err, "`weir rollout why %s` has the numbers.\n", r.ID)
		return errSilent
	}
	// A pipeline keeps what it printed, and its machine may not reach the node later.
	var why api.Why
	if _, err := client.get(ctx, rolloutPath(r.ID)+"/why", &why); err != nil {
		return errSilent
	}
	fmt.Fprintln(c.err)
	if err := writeWhy(page{c.err, 0}, &why); err != nil {
		return err
	}
	fmt.Fprintf(c.err, "\n`weir rollout why %s` shows this again.\n", r.ID)
	return errSilent
}

func (c *cli) newViewer() viewer {
	switch t := newTerminal(c.out); {
	case c.output != "table":
		return nobody{}
	case t.live():
		return &pictureViewer{terminal: t}
	}
	return &lineViewer{out: c.page(), err: page{c.err, 0}}
}

// nobody looks.
type nobody struct{}

func (nobody) show(*watched) {}
func (nobody) close()        {}

// pictureViewer is a person at a terminal. The last picture stays.
type pictureViewer struct {
	terminal *terminal
	last     watched
}

func (v *pictureViewer) show(w *watched) {
	if w.rollout == nil {
		return
	}
	v.last = *w
	width, height := v.terminal.size()
	v.terminal.draw(w.picture(width, height), width, height)
}

func (v *pictureViewer) close() {
	v.terminal.close()
	if v.last.rollout == nil {
		return
	}
	width, height := v.terminal.size()
	v.terminal.print(append(v.last.picture(width, height), nil))
	v.last.rollout = nil
}

// alarming is a verdict that a person wants to hear of; others come and go.
func alarming(k analysis.Kind) analysis.Kind {
	switch k {
	case analysis.Fail, analysis.Shared, analysis.Unmeasured:
		return k
	}
	return ""
}
