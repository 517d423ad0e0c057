package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/release"
)

func (c *cli) newFlagEvaluateCommand() *cobra.Command {
	var who api.Tryout
	cmd := &cobra.Command{
		Use:   "evaluate NAME",
		Short: "Try out what a user would get",
		Long: `evaluate tells what a user that is made up would get from a flag, and why.
Nothing is counted.`,
		Example: `  weir flag evaluate new-checkout --key user-7
  weir flag evaluate new-checkout --header X-Staff=1 --attribute country=CH --environment staging`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return c.tryFlag(cmd.Context(), args[0], who) },
	}
	cmd.Flags().StringVar(&who.Key, "key", "", "by which users are drawn: the targetingKey of applications")
	cmd.Flags().StringVar(&who.Environment, "environment", release.DefaultEnvironment, "whose rules count")
	cmd.Flags().StringToStringVar(&who.Attributes, "attribute", nil, "that an application tells, as name=value; again for more")
	cmd.Flags().StringToStringVar(&who.Headers, "header", nil, "request header, as name=value")
	cmd.Flags().StringToStringVar(&who.Cookies, "cookie", nil, "cookie, as name=value")
	cmd.Flags().StringToStringVar(&who.Query, "query", nil, "query parameter, as name=value")
	return cmd
}

func (c *cli) tryFlag(ctx context.Context, name string, who api.Tryout) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	a, err := client.do(ctx, call{method: http.MethodPost, path: flagPath(name) + "/evaluate", body: who})
	if err != nil {
		return err
	}
	var tried control.Tried
	if err := a.into(&tried); err != nil {
		return err
	}
	return c.print(a, func(w io.Writer) error {
		value := strings.TrimSpace(string(tried.Value))
		_, err := fmt.Fprintf(w, "%s (%s): %s\n", tried.Variant, value, tried.Why())
		return err
	})
}
