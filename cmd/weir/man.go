package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newManCommand is for who makes packages, and hidden from everybody else.
func (c *cli) newManCommand() *cobra.Command {
	var date string
	cmd := &cobra.Command{
		Use:    "man DIR",
		Short:  "Write the manual pages",
		Long:   "man writes a manual page for each command into a folder, for packages.",
		Hidden: true,
		Example: `  weir man /usr/local/share/man/man1
  man weir-rollout-start`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			day, err := time.Parse(time.DateOnly, date)
			if err != nil {
				return usagef("cannot use --date %q; write it like 2026-01-31", date)
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("cannot make a folder for the pages: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			head := &doc.GenManHeader{Section: "1", Source: "weir " + version(), Manual: "weir", Date: &day}
			if err := doc.GenManTree(root, head, args[0]); err != nil {
				return fmt.Errorf("cannot write the pages: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&date, "date", time.Now().UTC().Format(time.DateOnly), "day that the pages carry")
	return cmd
}
