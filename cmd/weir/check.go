package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/configs/advice"
)

func (c *cli) newCheckCommand() *cobra.Command {
	var advise bool
	cmd := &cobra.Command{
		Use:   "check FILE…",
		Short: "Find mistakes in documents",
		Long: `check reads documents as weir would, without a running weir. It prints nothing
and exits 0 if they are good. Otherwise it prints every problem as
file:line:column, the field, what is wrong and what to write instead, and exits 1.

--advise also points out the mistakes that releases are often made with, each with
the reason and the remedy: all users at once, no triggers, no smoke checks, no time
to observe, no freeze on Fridays, no staging, nobody told. Give it all documents that
belong together. It refuses nothing; advise: {ignore: [CODE]} in a Service or Rollout
quiets it.`,
		Example: `  weir check shop.yaml
  weir check --advise shop.yaml notifiers.yaml freezes.yaml canary.yaml
  weir check configs/*.yaml
  render-config | weir check -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error { return c.check(files, advise) },
	}
	cmd.Flags().BoolVar(&advise, "advise", false, "also point out what often goes wrong")
	return cmd
}

func (c *cli) check(files []string, advise bool) error {
	var bad error
	var in advice.Input
	for _, file := range files {
		documents, err := c.documents(file)
		if err != nil {
			fmt.Fprintln(c.out, err)
			bad = errSilent
		}
		in.Add(documents)
	}
	if !advise || bad != nil {
		return bad
	}
	found := advice.Find(in)
	if c.output != "table" {
		return c.printValue(found)
	}
	for i, a := range found {
		if i > 0 {
			fmt.Fprintln(c.out)
		}
		fmt.Fprintf(c.out, "%s: %s\n  %s.\n  why  %s.\n  do   %s.\n", a.Object, a.Code, a.Text, a.Reason, a.Remedy)
	}
	return nil
}

// documents reads the documents of a file; `-` is the standard input.
func (c *cli) documents(file string) ([]configs.Document, error) {
	data, err := c.readFile(file)
	if err != nil {
		return nil, err
	}
	name := file
	if file == "-" {
		name = "stdin"
	}
	documents, err := configs.Decode(name, data)
	if err != nil {
		return nil, err
	}
	for i := range documents {
		if err := documents[i].ReadPages(filepath.Dir(file)); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, documents[i].Line, err)
		}
	}
	return documents, nil
}

func (c *cli) readFile(file string) ([]byte, error) {
	if file == "-" {
		data, err := io.ReadAll(c.in)
		if err != nil {
			return nil, fmt.Errorf("cannot read the standard input: %w", err)
		}
		return data, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err // without the name, which is in the text already
		}
		return nil, fmt.Errorf("cannot read %q: %w", file, err)
	}
	return data, nil
}
