package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
)

func (c *cli) newLogCommand() *cobra.Command {
	return group("log", "Read and change the log of a running node", c.newLogLevelCommand(), c.newLogKeysCommand())
}

func (c *cli) newLogLevelCommand() *cobra.Command {
	var lasts time.Duration
	cmd := &cobra.Command{
		Use:   "level [debug|info|warn|error]",
		Short: "Show or change how much a node logs",
		Long: `level shows the level of the log of the node that is asked, or changes it at once:
with --for for a while, after which it falls back to that of the node file, else
until it is changed or the process ends. It needs the role admin, works without
etcd, and is in the audit trail. Each node has a log of its own: name it with
--control.`,
		Example: `  weir log level
  weir log level debug --for 10m
  weir log level info`,
		Args:      cobra.MaximumNArgs(1),
		ValidArgs: []string{"debug", "info", "warn", "error"},
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				return c.showLogLevel(cmd.Context(), client)
			}
			return c.setLogLevel(cmd.Context(), client, args[0], lasts)
		},
	}
	cmd.Flags().DurationVar(&lasts, "for", 0, "how long, up to 168h; without it until it is changed")
	return cmd
}

func (c *cli) showLogLevel(ctx context.Context, client *client) error {
	var l api.LogLevel
	a, err := client.get(ctx, "/v1/log", &l)
	if err != nil {
		return err
	}
	return c.print(a, func(w io.Writer) error {
		text := l.Level
		switch {
		case l.Until != nil:
			text += fmt.Sprintf(" until %s, then %s", clock(*l.Until), l.Configured)
		case l.Level != l.Configured:
			text += fmt.Sprintf(" until it is changed; the node file says %s", l.Configured)
		}
		_, err := fmt.Fprintf(w, "node %s logs at level %s\n", l.Node, text)
		return err
	})
}

func (c *cli) setLogLevel(ctx context.Context, client *client, level string, lasts time.Duration) error {
	switch level {
	case "debug", "info", "warn", "error":
	default:
		return usagef("there is no level %q; write debug, info, warn or error", level)
	}
	if lasts < 0 {
		return usagef("a change of the level cannot last %s", lasts)
	}
	a, err := client.do(ctx, call{method: http.MethodPut, path: "/v1/log", body: api.SetLogLevel{Level: level, For: configs.Duration(lasts)}})
	if err != nil {
		return err
	}
	return c.printResult(a)
}

func (c *cli) newLogKeysCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "keys",
		Short: "List the keys of structured log lines",
		Long: `keys lists each key that a line of weir's log may have and what stands under it.
They are stable: alerts may rely on them. It needs no running weir.`,
		Example: `  weir log keys
  weir log keys -o json | jq -r .[].key`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if c.output != "table" {
				return c.printValue(logKeys())
			}
			t := newTable(c.page(), "KEY", "MEANING").yield("MEANING")
			for _, k := range logKeys() {
				t.row(k.Key, k.Meaning)
			}
			return t.end()
		},
	}
}
