package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/analysis/replay"
	"github.com/weirproxy/weir/configs"
)

type replayFlags struct {
	file, from, to string
}

func (c *cli) newReplayCommand() *cobra.Command {
	var f replayFlags
	cmd := &cobra.Command{
		Use:   "replay -f ROLLOUT COUNTS",
		Short: "Judge recorded counts by a rollout's rules",
		Long: `replay feeds recorded counts to the judge that a node runs, with the rules of a
Rollout document, and prints each change of its verdict. A changed policy can so
be tried on yesterday's incident. ` + "`weir rollout why --export`" + ` writes such counts.
It talks to no node. It exits 1 if the verdict is fail, 2 for what cannot be read.

The counts are CSV: the line "# weir counts 1", the columns, then a row a tick and
version. t is the end of the tick in seconds since the trial began.

  # weir counts 1
  t,version,requests,errors,over_200ms
  1,blue,181,0,0
  1,green,19,4,0

over_<limit> counts the requests slower than a limit, hung ones included. A rule
whose column is missing is an error, never a guess. Optional columns: node,
client_errors, over_q50, over_q90, over_q99 (for limits relative to stable), and
errors_unique, over_<limit>_unique and so on (one a client bucket).
Optional comments: # baseline <rate>,
# stage <n> <t> (n from 0; without one before the first row every check holds),
# health <version> failing <t>, # nodes <n>, # candidates <n>.

The Service of the rollout may be in its file, where its timeout matters. A Service
alone judges by its guard, as weights moved by hand are.`,
		Example: `  weir rollout why shop --export counts.csv
  weir replay -f stricter.yaml counts.csv
  weir replay -f canary.yaml counts.csv -o json | tail -1 | jq .verdict`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return c.replay(f, args[0]) },
	}
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "file with one Rollout document")
	cmd.Flags().StringVar(&f.from, "from", "", "the stable version; default: the one in the counts that is not the candidate")
	cmd.Flags().StringVar(&f.to, "to", "", "the candidate; default: what the rollout names")
	return cmd
}

func (c *cli) replay(f replayFlags, counts string) error {
	plan, err := c.replayPlan(f)
	if err != nil {
		return err
	}
	in := c.in
	if counts != "-" {
		file, err := os.Open(counts)
		if err != nil {
			return usagef("cannot read %q: %w", counts, reason(err))
		}
		defer file.Close()
		in = file
	}
	out := bufio.NewWriter(c.out)
	screen := &timeline{w: out, output: c.output, to: plan.To}
	end, err := replay.Run(plan, in, screen.change)
	if err == nil {
		screen.end(end)
	}
	if err := errors.Join(screen.err, out.Flush()); err != nil {
		return fmt.Errorf("cannot write the verdicts: %w", err)
	}
	var syntax *replay.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return usagef("%s:%d:%d: %s", counts, syntax.Line, syntax.Column, syntax.Text)
	case err != nil:
		return usagef("%s: %w", counts, reason(err))
	case end.Verdict == analysis.Fail:
		return errSilent
	}
	return nil
}

// reason is why a file cannot be read, without its name.
func reason(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// replayPlan is what the document of a file says.
func (c *cli) replayPlan(f replayFlags) (replay.Plan, error) {
	if f.file == "" {
		return replay.Plan{}, usagef("which rollout? write -f FILE")
	}
	documents, err := c.documents(f.file)
	if err != nil {
		return replay.Plan{}, usageError{err}
	}
	var rollout *configs.Rollout
	var service *configs.Service
	for _, d := range documents {
		switch {
		case d.Rollout != nil && rollout == nil:
			rollout = d.Rollout
		case d.Service != nil && service == nil:
			service = d.Service
		default:
			return replay.Plan{}, usagef("cannot replay by %q: it must hold one Rollout document, alone or with its Service", f.file)
		}
	}
	plan := planOf(rollout, service)
	plan.From, plan.To = cmp.Or(f.from, plan.From), cmp.Or(f.to, plan.To)
	if plan.To == "" {
		return replay.Plan{}, usagef("which version was the candidate? write --to VERSION")
	}
	if plan.From == plan.To {
		return replay.Plan{}, usagef("%s cannot be the stable version and the candidate: write --from and --to", plan.To)
	}
	if err := plan.Policy.Validate(); err != nil {
		return replay.Plan{}, usagef("cannot judge by %q: %w", f.file, err)
	}
	return plan, nil
}

// planOf is how a rollout judges, or without one the guard of a service. What a
// service says beside its rules is taken from its defaults if it is nil.
func planOf(r *configs.Rollout, s *configs.Service) replay.Plan {
	if r == nil {
		s.SetDefaults()
		return replay.Plan{Policy: s.GuardPolicy(), From: s.Stable}
	}
	if s == nil {
		s = &configs.Service{}
	}
	s.SetDefaults()
	r.SetDefaults()
	plan := replay.Plan{Policy: r.Policy(*s), To: r.To}
	for _, stage := range r.Stages {
		plan.Weights = append(plan.Weights, int(*stage.Weight))
	}
	return plan
}
