package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/rollout"
)

type startFlags struct {
	file      string
	service   string   // what the flags say goes before what the document says
	to        string   // likewise
	endpoints []string // of the version that the rollout brings along; none: it is there
	revision  string   // likewise
	meta      []string // NAME=VALUE
	wait      bool
	ready     bool // only if nothing keeps it from beginning
	patience  time.Duration
}

func (c *cli) newRolloutStartCommand() *cobra.Command {
	var f startFlags
	cmd := &cobra.Command{
		Use:   "start -f FILE",
		Short: "Start a rollout from its document",
		Long: `start begins the rollout of a Rollout document. With --wait it follows the
rollout to its end, a line for each change, and exits 1 unless the candidate became
stable: the reason and what ` + "`weir rollout why`" + ` says are on standard error then.

A pipeline keeps one document for all its releases, and says what is new:
--service and --to go before what the document says, --endpoint brings the
candidate along as a version of that name, --meta is shown with the rollout.`,
		Example: `  weir rollout start -f canary.yaml
  weir rollout start -f canary.yaml --wait   # for a pipeline
  weir rollout start -f canary.yaml --to v1.5.0 --endpoint 10.0.0.4:8080,10.0.0.5:8080 --meta by=ana`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.start(cmd.Context(), f) },
	}
	cmd.Flags().StringVarP(&f.file, "file", "f", "", "file with one Rollout document, - for the standard input")
	cmd.Flags().StringVar(&f.service, "service", "", "the service, in place of the document's")
	cmd.Flags().StringVar(&f.to, "to", "", "the candidate, in place of the document's")
	cmd.Flags().StringSliceVar(&f.endpoints, "endpoint", nil, "address of the candidate, which is then added to the service; several with commas or again")
	cmd.Flags().StringVar(&f.revision, "revision", "", "tells builds of one name apart, a digest say; with --endpoint")
	cmd.Flags().StringArrayVar(&f.meta, "meta", nil, "NAME=VALUE shown with the rollout, again for more")
	cmd.Flags().BoolVar(&f.wait, "wait", false, "follow it to its end; exit 1 unless it succeeded")
	cmd.Flags().BoolVar(&f.ready, "ready-only", false, "refuse it if it would have to wait for an environment that it requires, or for the end of a freeze")
	patienceFlag(cmd, &f.patience)
	return cmd
}

func (c *cli) start(ctx context.Context, f startFlags) error {
	plan, err := c.plan(f.file)
	if err != nil {
		return err
	}
	if err := f.override(plan); err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	path := "/v1/rollouts"
	if f.ready {
		path += "?ready_only=true"
	}
	a, err := client.do(ctx, call{method: http.MethodPost, path: path, body: plan})
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
		writeResult(c.page(), &r)
	}
	return c.follow(ctx, client, following{id: r.ID, wants: rollout.Succeeded, patience: f.patience, explain: true})
}

// override puts what the flags say into the plan. The control API validates the
// whole.
func (f *startFlags) override(plan *configs.Rollout) error {
	plan.Service = cmp.Or(f.service, plan.Service)
	plan.To = cmp.Or(f.to, plan.To)
	switch {
	case len(f.endpoints) > 0:
		plan.Version = &configs.RolloutVersion{Name: plan.To, Endpoints: f.endpoints, Revision: f.revision}
	case f.revision != "":
		return usagef("--revision is of a version that the rollout brings along; name its addresses with --endpoint")
	}
	for _, pair := range f.meta {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return usagef("cannot use --meta %q; write NAME=VALUE", pair)
		}
		if plan.Meta == nil {
			plan.Meta = map[string]string{}
		}
		plan.Meta[name] = value
	}
	return nil
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
