package main

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/rollout"
)

// verbCommand is one verb on a rollout.
type verbCommand struct {
	verb, short, long string
	wants             rollout.Phase // where --wait wants it to end; empty: it ends nothing
}

func verbCommands() []verbCommand {
	return []verbCommand{
		{"promote", "Go to the next stage now",
			"promote ends the stage and begins the next. From the last stage the candidate\nbecomes stable; with --full it does so from any stage.", rollout.Succeeded},
		{"pause", "Hold the weights",
			"pause holds weights and stage time. The judge goes on: a candidate that turns bad\nis still put back.", ""},
		{"resume", "Go on after a pause", "resume goes on with the stage where it stood.", rollout.Succeeded},
		{"approve", "Agree to what waits for approval",
			"approve is a person's yes to the step that a rollout waits for. It is taken only\nwhile it waits; where several people must agree, each of them approves.", rollout.Succeeded},
		{"override", "Go on without environments that the plan requires",
			"override lets a rollout go on although an environment of its `requires:` has not\nproven the release: for when it cannot wait. The reason is shown in the history and\nkept in the trail, with what was missing. Freezes and approvals stay.", rollout.Succeeded},
		{"abort", "Put all traffic back on stable",
			"abort puts all traffic back on the stable version, in one step, whatever the\nrollout does. No If-Match, no leader and no judge can delay it.", rollout.Aborted},
		{"undo", "Return to the version that was stable before",
			"undo returns from a rollout that succeeded to the version that was stable before\nit, as long as that is kept. A rollout that has not ended is aborted.", rollout.Aborted},
		{"retry", "Start the same plan again", "retry starts a new rollout with the plan of one that ended.", rollout.Succeeded},
	}
}

type verbFlags struct {
	reason  string
	ifMatch string
	full    bool

	wait     bool
	patience time.Duration
}

func (c *cli) newRolloutVerbCommands() []*cobra.Command {
	var all []*cobra.Command
	for _, v := range verbCommands() {
		all = append(all, c.newRolloutVerbCommand(v))
	}
	return all
}

func (c *cli) newRolloutVerbCommand(v verbCommand) *cobra.Command {
	var f verbFlags
	cmd := &cobra.Command{
		Use:     v.verb + " ID|SERVICE",
		Short:   v.short,
		Long:    v.long,
		Example: "  weir rollout " + v.verb + " shop",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if v.verb == "override" && f.reason == "" {
				return usagef("say why it cannot wait, with --reason")
			}
			client, err := c.client()
			if err != nil {
				return err
			}
			return c.act(cmd.Context(), client, v, args[0], f)
		},
	}
	cmd.Flags().StringVar(&f.reason, "reason", "", "why; the history shows it")
	if v.verb != "abort" {
		cmd.Flags().StringVar(&f.ifMatch, "if-match", "", "revision of the rollout that you saw; a newer one is refused")
	}
	if v.verb == "override" {
		cmd.Example += " --reason \"the shop is down, and this mends it\""
	}
	if v.verb == "promote" {
		cmd.Flags().BoolVar(&f.full, "full", false, "to 100 % at once")
		cmd.Example += "\n  weir rollout promote shop --full"
	}
	if v.wants != "" {
		cmd.Flags().BoolVar(&f.wait, "wait", false, "then follow the rollout to its end; exit 1 unless it is "+string(v.wants))
		cmd.Example += "\n  weir rollout " + v.verb + " shop --wait"
		patienceFlag(cmd, &f.patience)
	}
	return cmd
}

func (c *cli) act(ctx context.Context, client *client, v verbCommand, name string, f verbFlags) error {
	r, _, err := client.resolve(ctx, name)
	if err != nil {
		return err
	}
	body := map[string]any{}
	if f.reason != "" {
		body["reason"] = f.reason
	}
	if f.full {
		body["full"] = true
	}
	a, err := client.do(ctx, call{method: http.MethodPost, path: rolloutPath(r.ID) + "/" + v.verb, body: body, ifMatch: f.ifMatch})
	if err != nil {
		return err
	}
	if !f.wait {
		return c.printResult(a)
	}
	var done api.Result
	if err := a.into(&done); err != nil {
		return err
	}
	if c.output == "table" {
		writeResult(c.page(), &done)
	}
	return c.follow(ctx, client, following{id: cmp.Or(done.ID, r.ID), wants: v.wants, patience: f.patience, explain: true})
}
