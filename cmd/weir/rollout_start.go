package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
)

type startFlags struct {
	file string
	wait bool
}

func (c *cli) newRolloutStartCommand() *cobra.Command {
	var f startFlags
	cmd := &cobra.Command{
		Use:   "start -f FILE",
		Short: "Start a rollout from its document",
		Long: `start begins the rollout of a Rollout document. With --wait it follows the
rollout to its end and exits 1 unless the candidate became stable.`,
		Example: `  weir rollout start -f canary.yaml
  weir rollout start -f canary.yaml --wait   # for a pipeline`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.start(cmd.Context(), f) },
	}
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "file with one Rollout document, - for the standard input")
	cmd.Flags().BoolVar(&f.wait, "wait", false, "follow it to its end; exit 1 unless it succeeded")
	return cmd
}

func (c *cli) start(ctx context.Context, f startFlags) error {
	plan, err := c.plan(f.file)
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	a, err := client.do(ctx, call{method: http.MethodPost, path: "/v1/rollouts", body: plan})
	if err != nil {
		return err
	}
	var r api.Result
	if err := a.into(&r); err != nil {
		return err
	}
	if !f.wait {
		return c.printResult(a)
	}
	if c.output == "table" {
		writeResult(c.out, &r)
	}
	return c.watch(ctx, client, r.ID)
}

// plan reads the one Rollout document of a file.
func (c *cli) plan(file string) (*configs.Rollout, error) {
	if file == "" {
		return nil, usagef("which file? write -f FILE, or -f - for the standard input")
	}
	documents, err := c.documents(file)
	if err != nil {
		return nil, err
	}
	if len(documents) != 1 || documents[0].Rollout == nil {
		return nil, fmt.Errorf("cannot start %q: it must hold one Rollout document and nothing else\n  hint: `weir apply -f %s` takes services and rollouts together", file, file)
	}
	return documents[0].Rollout, nil
}
