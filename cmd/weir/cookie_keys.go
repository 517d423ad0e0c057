package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/control/api"
)

func (c *cli) newKeysCommand() *cobra.Command {
	return group("keys", "Rotate the key that signs the sticky cookie", c.newKeysListCommand(), c.newKeysRotateCommand())
}

func (c *cli) newKeysListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Show the keys and where a rotation stands",
		Long:    `list shows the keys of the sticky cookie by their ids, which stand in cookies; never the secrets.`,
		Example: `  weir keys list`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			var list []api.Key
			a, err := client.get(cmd.Context(), "/v1/keys", &list)
			if err != nil {
				return err
			}
			return c.print(a, func(w io.Writer) error {
				t := newTable(w, "KEY", "STATE", "ADDED", "SIGNED UNTIL", "FORGOTTEN", "WAITS FOR").yield("WAITS FOR")
				for _, k := range list {
					t.row(k.ID, k.State, dateOrDash(k.Added), dateOrDash(k.Retired), dateOrDash(k.Until), orDash(strings.Join(k.Lacking, ",")))
				}
				return t.end()
			})
		},
	}
}

func dateOrDash(t *time.Time) string {
	if t == nil {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04 MST")
}

func (c *cli) newKeysRotateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rotate",
		Short: "Sign the sticky cookie with a new key",
		Long: `rotate makes a new key for the sticky cookie. It signs when every live node has said
that it knows it, after a minute at the earliest; the key before verifies what it
signed for as long as such cookies count, the longest max_age of any service, and is
then forgotten. Nobody changes versions by it. It needs the role admin.

What it is for: a key that is older than your rules allow, or one that may have
leaked with a state export. Whoever has a key can choose the version that they meet,
no more; with a retired one, until it is forgotten, only by cookies of before.`,
		Example: `  weir keys rotate`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			a, err := client.do(cmd.Context(), call{method: http.MethodPost, path: "/v1/keys/rotate"})
			if err != nil {
				return err
			}
			if err := c.printResult(a); err != nil || c.output != "table" {
				return err
			}
			_, err = fmt.Fprintln(c.out, "`weir keys list` shows where it stands")
			return err
		},
	}
}
