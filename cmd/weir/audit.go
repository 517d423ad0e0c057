package main

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/control/api"
)

func (c *cli) newAuditCommand() *cobra.Command {
	var actor string
	var since time.Duration
	var limit int
	var verbose bool
	cmd := &cobra.Command{
		Use:   "audit [OBJECT]",
		Short: "Show who changed what, and what was before",
		Long: `audit shows the changes that were made, the newest first: by whom, in which
role, and with --changes what was before and after. An object is written like
services/shop or rollouts/ID; services/ stands for all services.

5 000 entries of 90 days are kept. They are lines of the nodes' logs as well.`,
		Example: `  weir audit
  weir audit services/shop --changes
  weir audit --actor ana --since 24h -o json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"limit": {strconv.Itoa(limit)}}
			if len(args) > 0 {
				query.Set("object", args[0])
			}
			if actor != "" {
				query.Set("actor", actor)
			}
			if since > 0 {
				query.Set("since", time.Now().Add(-since).UTC().Format(time.RFC3339))
			}
			client, err := c.client()
			if err != nil {
				return err
			}
			var found []api.Audit
			a, err := client.get(cmd.Context(), "/v1/audit?"+query.Encode(), &found)
			if err != nil {
				return err
			}
			return c.print(a, func(w io.Writer) error { return writeAudit(w, found, verbose) })
		},
	}
	cmd.Flags().StringVar(&actor, "actor", "", "only what this person changed; weir: what weir did by itself")
	cmd.Flags().DurationVar(&since, "since", 0, "only what is younger, such as 24h")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many at most, up to 1000")
	cmd.Flags().BoolVar(&verbose, "changes", false, "also what was before and after")
	return cmd
}

func writeAudit(w io.Writer, found []api.Audit, verbose bool) error {
	if len(found) == 0 {
		_, err := fmt.Fprintln(w, "The trail holds no such change. `weir audit` shows the newest ones, `weir audit services/` those of services.")
		return err
	}
	t := newTable(w, "TIME", "ACTOR", "ROLE", "ACTION", "OBJECT", "WHAT").yield("WHAT", "ROLE")
	for _, a := range found {
		t.row(a.At.Local().Format(time.DateTime), a.Actor, orDash(a.Role), a.Action, a.Object, a.Text)
		if verbose {
			for _, change := range a.Changes {
				t.row("", "", "", "", "", "  "+change)
			}
		}
	}
	return t.end()
}
