package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/control/diagnose"
)

const (
	// bundleTimeout is how long a bundle may take beside its profile.
	bundleTimeout = 2 * time.Minute

	// maxBundle bounds what a node may fill a disk with.
	maxBundle = 1 << 30
)

func (c *cli) newDebugCommand() *cobra.Command {
	var file string
	var cpu time.Duration
	cmd := &cobra.Command{
		Use:   "debug",
		Short: "Fetch a bundle of a node for diagnosis",
		Long: `debug asks a node for all that somebody far away needs to understand it, as one
archive: state, routing, nodes, events, audit trail, the last lines of the log,
metrics, profiles of goroutines and memory, limits. It needs the role admin.

Secrets are taken out: the cookie's keys, values of headers, all of a URL behind
its host, what stands behind words like token. Names, hosts and addresses are in
it: look before you send it to strangers. Live profiles are at /debug/pprof/.`,
		Example: `  weir debug
  weir debug --cpu 10s -o slow.tar.gz
  weir debug -o - | tar tz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cpu < 0 || cpu > diagnose.MostCPU {
				return usagef("the CPU cannot be profiled for %s; write up to %s", cpu, diagnose.MostCPU)
			}
			client, err := c.client()
			if err != nil {
				return err
			}
			return c.debug(cmd.Context(), client, file, cpu)
		},
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "the archive, - for the standard output (default weir-debug-<node>-<time>.tar.gz)")
	cmd.Flags().DurationVar(&cpu, "cpu", 0, "also profile the CPU for so long, 60s at most")
	return cmd
}

func (c *cli) debug(ctx context.Context, client *client, file string, cpu time.Duration) error {
	path := "/v1/debug"
	if cpu > 0 {
		path += "?cpu=" + url.QueryEscape(cpu.String())
	}
	req, err := client.request(ctx, call{method: http.MethodPost, path: path})
	if err != nil {
		return err
	}
	patient := *client.http
	patient.Timeout = cpu + bundleTimeout
	resp, err := patient.Do(req)
	if err != nil {
		return client.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") != "application/gzip" {
		return client.noBundle(ctx, resp)
	}
	body := &bounded{from: resp.Body, left: maxBundle}
	if file == "-" {
		_, err := io.Copy(c.out, body)
		return broken(err)
	}
	if file == "" {
		_, params, _ := mime.ParseMediaType(resp.Header.Get("Content-Disposition"))
		file = filepath.Base(params["filename"]) // a node does not choose the folder
		if file == "." || file == string(filepath.Separator) {
			file = diagnose.BundleName("node", time.Now()) + ".tar.gz"
		}
	}
	size, err := writeBundle(file, body)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.out, "%s: %s bytes, readable for you alone\n", file, count(uint64(size)))
	return err
}

// noBundle is the error of an answer that is none.
func (c *client) noBundle(ctx context.Context, resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return c.unreachable(ctx, err)
	}
	if _, err := c.read(resp, body); err != nil {
		if refused, ok := errors.AsType[*refusedError](err); ok {
			c.advise(ctx, "/v1/debug", refused)
		}
		return err
	}
	return &unreachableError{c.base, c.from, errors.New("it answered with no bundle")}
}

// writeBundle writes a new file for its owner alone, and leaves none behind that
// is not whole.
func writeBundle(file string, body io.Reader) (size int64, err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return 0, fmt.Errorf("%s exists; name another file with -o", file)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot write the bundle: %w", err)
	}
	size, err = io.Copy(f, body)
	err = also(broken(err), f.Close())
	if err != nil {
		err = also(err, os.Remove(file))
	}
	return size, err
}

func broken(err error) error {
	if err != nil {
		return fmt.Errorf("cannot fetch all of the bundle: %w", err)
	}
	return nil
}

// bounded fails where io.LimitReader would end as if all was there.
type bounded struct {
	from io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.from.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errors.New("it is larger than a bundle can be")
	}
	return n, err
}
