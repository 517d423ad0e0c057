package main

import (
	"net/http"

	"github.com/spf13/cobra"
)

func (c *cli) newDeleteCommand() *cobra.Command {
	var ifMatch string
	cmd := &cobra.Command{
		Use:   "delete service|notifier|freeze|flag|migration NAME",
		Short: "Delete a service, a notifier, a freeze, a flag or a migration",
		Long: `delete removes a service: its routes answer 404 from then on. It is refused
while a rollout of the service is in force. A notifier that is deleted hears
nothing more, not even of what happened before. A freeze that is deleted ends.
A flag that is deleted is unknown to applications, which fall back on what they
have for that. A migration, named APPLICATION/ENVIRONMENT/NAME, is forgotten, and
with it what a contract has barred; its database is not touched.`,
		Example:   `  weir delete service shop`,
		Args:      cobra.ExactArgs(2),
		ValidArgs: []string{"service", "notifier", "freeze", "flag", "migration"},
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, err := kindOf(args[0])
			if err != nil {
				return err
			}
			path := servicePath(args[1])
			switch kind {
			case "services":
			case "freezes":
				path = freezePath(args[1])
			case "migrations":
				path = migrationPath(args[1])
			case "flags":
				path = flagPath(args[1])
			case "notifiers":
				path = notifierPath(args[1])
			case "rollouts":
				return usagef("a rollout cannot be deleted; end it with `weir rollout abort %s`", args[1])
			case "nodes":
				return usagef("a node cannot be deleted; it leaves when its process ends")
			}
			client, err := c.client()
			if err != nil {
				return err
			}
			a, err := client.do(cmd.Context(), call{method: http.MethodDelete, path: path, ifMatch: ifMatch})
			if err != nil {
				return err
			}
			return c.printResult(a)
		},
	}
	cmd.Flags().StringVar(&ifMatch, "if-match", "", "revision of the document that you saw; a newer one is refused")
	return cmd
}
