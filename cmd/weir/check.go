package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/configs"
)

func (c *cli) newCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE…",
		Short: "Find mistakes in documents",
		Long: `check reads documents as weir would, without a running weir. It prints nothing
and exits 0 if they are good. Otherwise it prints every problem as
file:line:column, the field, what is wrong and what to write instead, and exits 1.`,
		Example: `  weir check shop.yaml
  weir check configs/*.yaml
  render-config | weir check -`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, files []string) error { return c.check(files) },
	}
}

func (c *cli) check(files []string) error {
	var bad error
	for _, file := range files {
		if _, err := c.documents(file); err != nil {
			fmt.Fprintln(c.out, err)
			bad = errSilent
		}
	}
	return bad
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
