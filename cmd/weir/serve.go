package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/configs"
)

func (c *cli) newServeCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve -c node.yaml",
		Short: "Run a node: proxy, judge and control API in one process",
		Long: `Run a node: proxy, judge and control API in one process.

The node file says where to listen and where the state lives; everything else
is in the state, which the control API changes. Without state.etcd.endpoints an
etcd runs inside this process. SIGTERM drains: every answer closes its
connection, new connections are taken for drain.window, and requests in flight
get drain.grace.

SIGUSR2 starts the binary anew, with the same arguments, and hands over to it
without refusing or losing a connection; if the new process fails, this one goes
on. Sockets that systemd passes (LISTEN_FDS) are used where the node file names
their address. SIGHUP opens log.access_file anew.`,
		Example: `  weir serve -c node.yaml
  weir check node.yaml && weir serve -c node.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usagef("which node? write -c node.yaml")
			}
			config, err := configs.ReadNode(file)
			if err != nil {
				return err
			}
			in, err := openInherited()
			if err != nil {
				return err
			}
			log, err := newLogs(config.Log)
			if err != nil {
				return err
			}
			defer func() { _ = log.Sync() }() // a terminal cannot be synced
			n, err := newHeir(cmd.Context(), config, log, in)
			if errors.Is(err, context.Canceled) {
				return nil // told to end before it had begun
			}
			if err != nil {
				return err
			}
			return n.run(cmd.Context())
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "the node file")
	return cmd
}
