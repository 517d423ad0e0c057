package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/control/api"
)

// shortestEvery bounds how often a node with many services is asked.
const shortestEvery = 200 * time.Millisecond

type topFlags struct {
	every  time.Duration
	times  int
	sort   string
	filter string
}

func (c *cli) newTopCommand() *cobra.Command {
	var f topFlags
	cmd := &cobra.Command{
		Use:   "top [NAME]",
		Short: "Show what all versions do now: requests, errors, latencies",
		Long: `top shows each version of each service with its requests a second, errors and
latencies over the last five seconds, as the node that answers measures them. NAME
keeps the services and versions that have it in their names.

On a terminal it is live, by these keys: r e 5 9 i w n sort by requests, errors,
p50, p99, requests in flight, weight and name; / filters; arrows, space and b move
the page; q ends. Elsewhere it is a table every --every, or with -o json a line.`,
		Example: `  weir top
  weir top shop --sort p99
  weir top -n 1 --sort errors | head
  weir top -n 1 -o json | jq '.[] | select(.error_rate > 0.01)'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				f.filter = args[0]
			}
			if c.output != "table" && !cmd.Flags().Changed("times") {
				f.times = 1
			}
			return c.top(cmd.Context(), f)
		},
	}
	cmd.Flags().DurationVar(&f.every, "every", 2*time.Second, "how often it is looked; 200ms at least")
	cmd.Flags().IntVarP(&f.times, "times", "n", 0, "how often in all; 0: until it is ended, with -o json once")
	cmd.Flags().StringVar(&f.sort, "sort", string(byRequests), "requests, errors, p50, p99, inflight, weight or name")
	return cmd
}

// topLook is what one look at the control API brought.
type topLook struct {
	services []api.Service
	node     string
	err      error
}

func (c *cli) top(ctx context.Context, f topFlags) error {
	order, ok := orderOf(f.sort)
	if !ok {
		return usagef("cannot sort by %q; write requests, errors, p50, p99, inflight, weight or name", f.sort)
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	steady, hangUp := client.steady(watchTimeout)
	defer hangUp()
	v := &topView{order: order, filter: f.filter}
	screen := newTerminal(c.out)
	if !screen.live() || c.output != "table" || f.times == 1 {
		return c.topTables(ctx, steady, v, f)
	}
	return c.topLive(ctx, steady, v, screen, f)
}

// topTables writes a table, or a line of JSON, at each look.
func (c *cli) topTables(ctx context.Context, client *client, v *topView, f topFlags) error {
	for n := 1; ; n++ {
		l := lookTop(ctx, client)
		if l.err != nil {
			return l.err
		}
		v.take(l, time.Now())
		if err := c.printTop(v); err != nil {
			return err
		}
		if n == f.times {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(f.every, shortestEvery)):
		}
		if c.output == "table" {
			fmt.Fprintln(c.out)
		}
	}
}

func (c *cli) printTop(v *topView) error {
	if c.output != "table" {
		return c.printValue(v.shown())
	}
	p := c.page()
	for _, l := range v.table(p.width) {
		fmt.Fprintln(p, l.render(p.width, false))
	}
	return nil
}

// topLive redraws the table until somebody ends it.
func (c *cli) topLive(ctx context.Context, client *client, v *topView, screen *terminal, f topFlags) error {
	defer screen.close()
	ctx, stop := context.WithCancel(ctx)
	looks, presses := make(chan topLook), make(chan key)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer stop()
	asking.Go(func() { lookAgain(ctx, client, max(f.every, shortestEvery), looks) })
	if in, ok := c.in.(*os.File); ok && isTerminal(in) {
		restore, err := rawKeys(in)
		if err != nil {
			return fmt.Errorf("cannot read keys: %w", err)
		}
		defer restore()
		asking.Go(func() { readKeys(ctx, in, presses) })
	}
	for seen := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case k := <-presses:
			if v.press(k) {
				return nil
			}
		case l := <-looks:
			if l.err != nil && (v.at.IsZero() || !passing(l.err, true)) {
				return l.err
			}
			v.take(l, time.Now())
			if seen++; seen == f.times {
				return nil
			}
		}
		if !v.at.IsZero() {
			width, height := screen.size()
			screen.draw(v.picture(width, height), width, height)
		}
	}
}

func lookAgain(ctx context.Context, client *client, every time.Duration, looks chan<- topLook) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case looks <- lookTop(ctx, client):
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

func lookTop(ctx context.Context, client *client) (l topLook) {
	if _, l.err = client.get(ctx, "/v1/services", &l.services); l.err != nil {
		return l
	}
	var nodes []api.Node
	if _, l.err = client.get(ctx, "/v1/nodes", &nodes); l.err != nil {
		return l
	}
	for _, n := range nodes {
		if n.Self {
			l.node = n.Name
		}
	}
	return l
}
