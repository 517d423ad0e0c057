package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/control/store"
)

// maxStateFile bounds what is read of a file: the API takes no more.
const maxStateFile = 256 << 20

func (c *cli) newStateCommand() *cobra.Command {
	return group("state", "Move the whole state from one etcd to another", c.newStateExportCommand(), c.newStateImportCommand())
}

func (c *cli) newStateExportCommand() *cobra.Command {
	var file string
	var force bool
	cmd := &cobra.Command{
		Use:   "export -f FILE",
		Short: "Write the whole state into a file",
		Long: `export writes all documents, splits, rollouts, evidence, cuts and the audit trail
at one revision into a file, and the keys of the sticky cookie with them: whoever
has the file can forge cookies. The file is readable for you alone. It needs the
role admin. It is a backup as well.`,
		Example: `  weir state export -f weir-state.json
  weir state export -f - | age -r … > weir-state.age`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return usagef("where to? write -f FILE, or -f - for the standard output")
			}
			client, err := c.client()
			if err != nil {
				return err
			}
			var d store.Dump
			a, err := client.get(cmd.Context(), "/v1/state", &d)
			if err != nil {
				return err
			}
			if file == "-" {
				_, err := c.out.Write(a.body)
				return err
			}
			if err := writeNew(file, a.body, force); err != nil {
				return err
			}
			fmt.Fprintf(c.out, "%d keys of revision %d are in %s\n", len(d.Keys), d.Revision, file)
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "the file, - for the standard output")
	cmd.Flags().BoolVar(&force, "force", false, "write over a file that exists")
	return cmd
}

// writeNew writes a file for its owner alone: all of it or nothing.
func writeNew(file string, data []byte, force bool) error {
	if _, err := os.Lstat(file); err == nil && !force {
		return fmt.Errorf("%s exists; name another file, or add --force", file)
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".weir-state-*") // with mode 0600
	if err != nil {
		return fmt.Errorf("cannot write %q: %w", file, err)
	}
	defer os.Remove(f.Name()) // nothing is there after the rename
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("cannot write %q: %w", file, err)
	}
	return nil
}

func (c *cli) newStateImportCommand() *cobra.Command {
	var file string
	var dryRun, replace bool
	cmd := &cobra.Command{
		Use:   "import -f FILE",
		Short: "Write an exported state into this node's etcd",
		Long: `import writes what export wrote into the state of the node that is asked: from an
embedded etcd to a cluster and back. It is refused where services, rollouts,
notifiers or freezes exist; --replace deletes whatever the file does not hold.
Rollouts in force go on where they stood. Cut short, run it again. It needs the
role admin.

To move without a gap start the new nodes, import, and then lead clients there.`,
		Example: `  weir state import -f weir-state.json --dry-run
  weir state import -f weir-state.json --control https://edge-1:9797`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			data, err := c.readState(file)
			if err != nil {
				return err
			}
			client, err := c.client()
			if err != nil {
				return err
			}
			query := url.Values{}
			if dryRun {
				query.Set("dry_run", "true")
			}
			if replace {
				query.Set("replace", "true")
			}
			a, err := client.do(cmd.Context(), call{method: http.MethodPut, path: "/v1/state?" + query.Encode(), body: data})
			if err != nil {
				return err
			}
			return c.printResult(a)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "the file, - for the standard input")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be imported")
	cmd.Flags().BoolVar(&replace, "replace", false, "replace the state that is there")
	return cmd
}

// readState reads a file and says what is wrong with it before anything is sent.
func (c *cli) readState(file string) (json.RawMessage, error) {
	in := c.in
	switch file {
	case "":
		return nil, usagef("which file? write -f FILE, or -f - for the standard input")
	case "-":
	default:
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("cannot read the state: %w", err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxStateFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the state: %w", err)
	}
	if len(data) > maxStateFile {
		return nil, fmt.Errorf("%s is larger than a state can be (%d MiB)", file, maxStateFile>>20)
	}
	var d store.Dump
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("%s is not an exported state: %w", file, err)
	}
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("%s cannot be imported: %w", file, err)
	}
	return bytes.TrimSpace(data), nil
}
