package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/control/api"
)

func (c *cli) newRolloutCommand() *cobra.Command {
	cmd := group("rollout", "Start, watch, steer and explain rollouts",
		c.newRolloutStartCommand(),
		c.newRolloutListCommand(),
		c.newRolloutStatusCommand(),
		c.newRolloutWatchCommand(),
		c.newRolloutWhyCommand(),
		c.newRolloutHistoryCommand(),
	)
	cmd.AddCommand(c.newRolloutVerbCommands()...)
	cmd.Long = `A rollout is one attempt to make a candidate the stable version. Where an id is
wanted, the name of a service stands for its rollout in force, or its last one.`
	cmd.Example = `  weir rollout start -f canary.yaml --wait
  weir rollout status shop
  weir rollout abort shop --reason "checkout is slow"
  weir rollout why shop`
	return cmd
}

// resolve finds a rollout by its id, or by the name of its service.
func (c *client) resolve(ctx context.Context, name string) (*api.Rollout, *answer, error) {
	var r api.Rollout
	a, err := c.do(ctx, call{method: http.MethodGet, path: rolloutPath(name), bare: true})
	if err == nil {
		return &r, a, a.into(&r)
	}
	var refused *refusedError
	if !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		return nil, nil, err
	}
	return nil, nil, fmt.Errorf("there is no rollout %q, nor one of a service of that name\n  hint: %s", name, c.near(ctx, "rollouts", name, ""))
}

func (c *cli) newRolloutListCommand() *cobra.Command {
	var service, phase string
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List rollouts, newest first",
		Example: `  weir rollout list
  weir rollout list --service shop --phase rolled_back -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			query := url.Values{}
			for name, value := range map[string]string{"service": service, "phase": phase} {
				if value != "" {
					query.Set(name, value)
				}
			}
			return c.listRollouts(cmd.Context(), client, query.Encode())
		},
	}
	cmd.Flags().StringVar(&service, "service", "", "only this service's")
	cmd.Flags().StringVar(&phase, "phase", "", "only in this phase, such as progressing or rolled_back")
	return cmd
}

func (c *cli) newRolloutHistoryCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "history SERVICE",
		Short:   "List the rollouts of a service, newest first",
		Example: `  weir rollout history shop`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			return c.listRollouts(cmd.Context(), client, "service="+url.QueryEscape(args[0]))
		},
	}
}

func (c *cli) listRollouts(ctx context.Context, client *client, query string) error {
	path := "/v1/rollouts"
	if query != "" {
		path += "?" + query
	}
	var list []api.Rollout
	a, err := client.get(ctx, path, &list)
	if err != nil {
		return err
	}
	return c.print(a, func(w io.Writer) error {
		switch {
		case len(list) == 0 && query != "":
			fmt.Fprintln(w, "There are no such rollouts. `weir rollout list` shows all.")
			return nil
		case len(list) == 0:
			fmt.Fprintln(w, "There are no rollouts. Start one with `weir rollout start -f FILE`.")
			return nil
		}
		t := newTable(w, "ID", "SERVICE", "STRATEGY", "FROM", "TO", "PHASE", "STAGE", "WEIGHT", "STARTED", "REASON").yield("REASON", "STRATEGY", "STARTED", "FROM")
		for _, r := range list {
			t.row(r.ID, r.Service, r.Strategy, r.From, r.To, string(r.Phase), stageText(&r),
				r.Weights[r.To].String(), ago(r.StartedAt), orDash(shorten(r.Reason, 60)))
		}
		return t.end()
	})
}

// stageText is where a rollout stands in its plan, counted from 1.
func stageText(r *api.Rollout) string {
	switch {
	case r.Stages == 0:
		return "-"
	case r.Stage < 0:
		return fmt.Sprintf("0/%d", r.Stages)
	}
	return fmt.Sprintf("%d/%d", min(r.Stage+1, r.Stages), r.Stages)
}

func (c *cli) newRolloutStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "status ID|SERVICE",
		Short:   "Show where a rollout stands",
		Example: `  weir rollout status shop`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			return c.rolloutStatus(cmd.Context(), client, args[0])
		},
	}
}

func (c *cli) rolloutStatus(ctx context.Context, client *client, name string) error {
	r, a, err := client.resolve(ctx, name)
	if err != nil {
		return err
	}
	return c.print(a, func(w io.Writer) error {
		fmt.Fprintf(w, "%s: %s of %s, %s -> %s\n\n", r.ID, r.Strategy, r.Service, r.From, r.To)
		t := newTable(w)
		t.row("  phase", phaseText(r))
		if r.Stages > 0 {
			t.row("  stage", stageLine(r))
		}
		t.row("  weights", weightsText(r.Weights))
		t.row("  verdict", orDash(string(r.Verdict)))
		for i, reason := range r.Standing() {
			t.row(standingTitle(i), reason)
		}
		if o := r.Override; o != nil {
			t.row("  overridden by", fmt.Sprintf("%s, %s: %s; %s", o.Actor, ago(o.At), o.Reason, strings.Join(o.Missing, "; ")))
		}
		for _, a := range r.Approvals {
			t.row("  approved by", approvalText(r, &a))
		}
		for _, h := range r.Hooks {
			t.row("  hook "+h.Name, strings.TrimSpace(string(h.Answer)+" "+h.Text))
		}
		if r.WarmUp != nil && r.WarmUp.Wanted > 0 {
			t.row("  warm-up", warmUpText(r.WarmUp))
		}
		t.row("  started", startedText(r))
		if len(r.Allowed) > 0 {
			t.row("  verbs now", strings.Join(r.Allowed, ", "))
		}
		if err := t.end(); err != nil {
			return err
		}
		if len(r.Rules) > 0 {
			fmt.Fprintln(w)
			return writeRules(w, r, r.Rules)
		}
		return nil
	})
}

// standingTitle goes before the sentences on why a rollout stands where it stands.
func standingTitle(i int) string {
	if i == 0 {
		return "  reason"
	}
	return "  and"
}

// warmUpText says how connections were opened ahead of the last raise.
func warmUpText(u *api.WarmUp) string {
	if !u.Done {
		return fmt.Sprintf("opening %d connections", u.Wanted)
	}
	text := fmt.Sprintf("opened %d connections of %d in %s", u.Opened, u.Wanted, millis(u.Took))
	if u.Error != "" {
		text += ": " + u.Error
	}
	return text
}

// phaseText says what a rollout does in words.
func phaseText(r *api.Rollout) string {
	if r.WaitingFor != "" {
		return fmt.Sprintf("%s, waiting for %s", r.Phase, r.WaitingFor)
	}
	return string(r.Phase)
}

// stageLine is a rollout's stage with its time.
func stageLine(r *api.Rollout) string {
	text := stageText(r)
	if r.StageName != "" && r.StageName != fmt.Sprint(r.Stage+1) {
		text += " " + r.StageName
	}
	if r.InForce && r.Stage >= 0 && r.Stage < r.Stages {
		text += ", " + span(seconds(r.StageElapsed))
		if r.StageLength > 0 {
			text += " of " + span(seconds(r.StageLength))
		}
	}
	return text
}

// approvalText is who agreed to what, and when.
func approvalText(r *api.Rollout, a *api.Approval) string {
	what := fmt.Sprintf("stage %d", a.Stage+1)
	if a.Stage >= r.Stages {
		what = r.To + " becoming stable"
	}
	text := fmt.Sprintf("%s, for %s, %s", a.Actor, what, ago(a.At))
	if a.Reason != "" {
		text += ": " + a.Reason
	}
	return text
}

func startedText(r *api.Rollout) string {
	text := fmt.Sprintf("%s, %s", clock(r.StartedAt), ago(r.StartedAt))
	if r.Actor != "" {
		text += ", by " + r.Actor
	}
	if r.EndedAt != nil {
		text += fmt.Sprintf("; ended %s, after %s", clock(*r.EndedAt), span(r.EndedAt.Sub(r.StartedAt).Round(time.Millisecond)))
	}
	return text
}
