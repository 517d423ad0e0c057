package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/configs"
)

func (c *cli) newHealthzCommand() *cobra.Command {
	var file string
	var ready bool
	cmd := &cobra.Command{
		Use:   "healthz",
		Short: "Ask a node whether it lives, as containers do",
		Long: `healthz asks a node on this machine for its /healthz, or with --ready for its
/readyz, and exits 0 if it is well, 1 if not, 3 if it does not answer. It needs no
token. With -c it asks where the node file says: the status address if there is
one, else the control API.`,
		Example: `  weir healthz -c /etc/weir/node.yaml
  weir healthz --ready --control http://127.0.0.1:9797`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			base := c.control
			if file != "" {
				node, err := configs.ReadNode(file)
				if err != nil {
					return err
				}
				base = healthAddress(node)
			}
			return c.healthz(cmd.Context(), base, ready)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "the node file")
	cmd.Flags().BoolVar(&ready, "ready", false, "ask whether the node takes traffic, too")
	return cmd
}

// healthAddress is where a node on this machine answers for its health.
func healthAddress(n *configs.Node) string {
	scheme, address := "http", n.Control.Address
	switch {
	case n.Status != nil:
		address = n.Status.Address
	case n.Control.TLS != nil:
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return scheme + "://" + address // it was validated; the call says what is wrong
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// healthz asks once. Threat: the certificate is not verified, since it is
// seldom one for this machine's loopback. Nothing secret is sent, and who could
// answer in the node's place could as well be the node.
func (c *cli) healthz(ctx context.Context, base string, ready bool) error {
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}}
	client := &http.Client{Timeout: 5 * time.Second, Transport: transport}
	path := "/healthz"
	if ready {
		path = "/readyz"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+path, nil)
	if err != nil {
		return usageError{fmt.Errorf("cannot ask %q: %w", base, err)}
	}
	resp, err := client.Do(req)
	if err != nil {
		return &unreachableError{base: base, from: "it is what -c or --control names", err: err}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return &unreachableError{base: base, from: "it is what -c or --control names", err: err}
	}
	said := strings.TrimSpace(string(text))
	if resp.StatusCode != http.StatusOK {
		return errors.New(said)
	}
	_, err = fmt.Fprintln(c.out, said)
	return err
}
