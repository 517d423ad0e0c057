package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/configs"
)

type weightsFlags struct {
	ifMatch string
	wait    bool
}

func (c *cli) newWeightsCommand() *cobra.Command {
	var f weightsFlags
	cmd := &cobra.Command{
		Use:   "weights SERVICE [VERSION=PERCENT…]",
		Short: "Show or move the weights of a service, or of flag:NAME",
		Long: `weights shows the share of each version, or moves it. The shares add up to
100 %; a version that is left out gets none. Moving weights by hand is judged by
the service's guard, as a rollout is: a version that is proven bad is put back.
While a planned rollout is in force the weights are the plan's.`,
		Example: `  weir weights shop
  weir weights shop blue=90% green=10%
  weir weights shop blue=100% --wait`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.weights(cmd.Context(), weightsPath(args[0]), args[1:], f)
		},
	}
	f.register(cmd)
	return cmd
}

func (f *weightsFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.ifMatch, "if-match", "", "revision of the weights that you saw; newer ones are refused")
	cmd.Flags().BoolVar(&f.wait, "wait", false, "return when every live node has applied the change")
}

// weightsPath is where the weights are of a service, or of a flag by the name that
// rollouts know it by.
func weightsPath(name string) string {
	if flag, ok := configs.FlagOf(name); ok {
		return flagPath(flag) + "/weights"
	}
	return servicePath(name) + "/weights"
}

// weights shows what is at path, or moves it to what args say.
func (c *cli) weights(ctx context.Context, path string, args []string, f weightsFlags) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return c.showWeights(ctx, client, path)
	}
	weights, err := parseWeights(args)
	if err != nil {
		return err
	}
	return c.setWeights(ctx, client, path, weights, f)
}

// parseWeights reads `blue=90%`.
func parseWeights(args []string) (map[string]configs.Weight, error) {
	weights := make(map[string]configs.Weight, len(args))
	for _, arg := range args {
		name, text, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, usagef("cannot read weight %q; write VERSION=PERCENT, such as green=10%%", arg)
		}
		if _, twice := weights[name]; twice {
			return nil, usagef("version %q is there twice", name)
		}
		var w configs.Weight
		if err := w.UnmarshalText([]byte(text)); err != nil {
			return nil, usagef("cannot read weight %q: %w", arg, err)
		}
		weights[name] = w
	}
	return weights, nil
}

func (c *cli) showWeights(ctx context.Context, client *client, path string) error {
	var weights map[string]configs.Weight
	a, err := client.get(ctx, path, &weights)
	if err != nil {
		return err
	}
	return c.print(a, func(w io.Writer) error {
		t := newTable(w)
		for _, name := range slices.Sorted(maps.Keys(weights)) {
			t.row(name, weights[name].String())
		}
		if err := t.end(); err != nil {
			return err
		}
		fmt.Fprintf(w, "revision %s\n", a.etag)
		return nil
	})
}

func (c *cli) setWeights(ctx context.Context, client *client, path string, weights map[string]configs.Weight, f weightsFlags) error {
	if f.wait {
		path += "?wait=applied"
	}
	a, err := client.do(ctx, call{method: http.MethodPut, path: path, body: weights, ifMatch: f.ifMatch})
	if err != nil {
		return err
	}
	return c.printResult(a)
}
