package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/control/api"
)

func (c *cli) newTokenCommand() *cobra.Command {
	return group("token", "Make tokens for the control API and for flags", c.newTokenNewCommand())
}

// newToken is what `token new` prints with -o json.
type newToken struct {
	Name  string `json:"name"`
	Role  string `json:"role"`
	Token string `json:"token"` // the secret, shown this once
	Line  string `json:"line"`  // of the tokens file
}

func (c *cli) newTokenNewCommand() *cobra.Command {
	var role string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Make a token, and the line of the tokens file that lets it in",
		Long: `new makes a random token and prints it once, with the line for the file that
control.tokens of the node names. The file holds a hash of the token alone, and
is read again when it changes: to rotate a token add the new line, hand out the
token, and take the old line away.

  client    asks for flags, where the node has flags.tokens, and nothing else
  viewer    reads
  operator  moves weights and rollouts
  admin     changes services`,
		Example: `  weir token new ana --role operator
  weir token new ci --role operator -o json`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			r, ok := api.ParseRole(role)
			if !ok {
				return usagef("there is no role %q; write --role client, viewer, operator or admin", role)
			}
			secret, line, err := api.NewToken(args[0], r)
			if err != nil {
				return usageError{err}
			}
			if c.output != "table" {
				return c.printValue(newToken{Name: args[0], Role: role, Token: secret, Line: line})
			}
			_, err = fmt.Fprintf(c.out, "%s\n\nIt is not shown again. The line for the tokens file, below `tokens:`:\n\n%s\n", secret, line)
			return err
		},
	}
	cmd.Flags().StringVar(&role, "role", "viewer", "client, viewer, operator or admin")
	return cmd
}
