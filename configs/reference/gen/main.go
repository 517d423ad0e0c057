// Command gen writes the reference of documents: what `weir explain` prints, the
// JSON Schema, and the pages below configs/examples/reference. `make docs` runs it.
package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/configs/reference"
)

//go:embed samples.yaml
var sampled []byte

func main() {
	if err := run("configs"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run writes all files. Folder is that of package configs.
func run(folder string) error {
	files, err := outputs(folder)
	if err != nil {
		return err
	}
	for name, data := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return fmt.Errorf("cannot write %q: %w", name, err)
		}
		if err := os.WriteFile(name, data, 0o644); err != nil {
			return fmt.Errorf("cannot write %q: %w", name, err)
		}
	}
	return nil
}

// outputs are the generated files by name.
func outputs(folder string) (map[string][]byte, error) {
	documents, err := configs.Decode("samples.yaml", sampled)
	if err != nil {
		return nil, err
	}
	fields, err := fieldsOf(folder, documents)
	if err != nil {
		return nil, err
	}
	schema, err := schemaOf(fields)
	if err != nil {
		return nil, fmt.Errorf("cannot write the schema: %w", err)
	}
	list, err := listOf(fields)
	if err != nil {
		return nil, fmt.Errorf("cannot write the fields: %w", err)
	}
	files := map[string][]byte{
		filepath.Join(folder, "reference", "fields.json"): list,
		filepath.Join(folder, "reference", "schema.json"): schema,
		filepath.Join(folder, "examples", "schema.json"):  schema,
	}
	for _, kind := range fields {
		if strings.Contains(kind.Path, ".") {
			continue
		}
		var own []reference.Field
		for _, f := range fields {
			if strings.HasPrefix(f.Path, kind.Path+".") {
				own = append(own, f)
			}
		}
		files[filepath.Join(folder, "examples", "reference", kind.Path+".md")] = page(kind, own)
	}
	return files, nil
}

// listOf is a JSON list with one field a line, so that changes merge.
func listOf(fields []reference.Field) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("[\n")
	for i, f := range fields {
		var line bytes.Buffer
		encoder := json.NewEncoder(&line)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(f); err != nil {
			return nil, err
		}
		b.Write(bytes.TrimSpace(line.Bytes()))
		if i < len(fields)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	b.WriteString("]\n")
	return b.Bytes(), nil
}
