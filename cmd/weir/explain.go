package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/configs/reference"
)

// explainWidth is where lines of prose end.
const explainWidth = 78

func (c *cli) newExplainCommand() *cobra.Command {
	var recursive, schema bool
	cmd := &cobra.Command{
		Use:   "explain [FIELD]",
		Short: "Tell what a field of a document means",
		Long: `explain tells of a field its type, meaning, default and an example, and which
fields it holds. A field is named by the kind of document and what stands around
it. It needs no running weir.

--schema prints a JSON Schema of all documents for editors, which is in the file
configs/examples/schema.json too.`,
		Example: `  weir explain
  weir explain service.versions.endpoints
  weir explain rollout.stages --recursive
  weir explain --schema > weir.schema.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if schema {
				_, err := c.out.Write(reference.Schema())
				return err
			}
			path := ""
			if len(args) > 0 {
				path = args[0]
			}
			return c.explain(path, recursive)
		},
		ValidArgsFunction: func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
			var paths []string
			for _, f := range reference.Fields() {
				if path := strings.NewReplacer("[]", "", ".NAME", "").Replace(f.Path); strings.HasPrefix(path, begun) {
					paths = append(paths, path+"\t"+firstSentence(f.Doc))
				}
			}
			return paths, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&recursive, "recursive", false, "with the fields of fields, by name and type alone")
	cmd.Flags().BoolVar(&schema, "schema", false, "print a JSON Schema of all documents")
	return cmd
}

func (c *cli) explain(path string, recursive bool) error {
	fields := reference.Fields()
	if path == "" {
		t := newTable(c.out, "KIND", "WHAT IT IS")
		for _, f := range fields {
			if !strings.Contains(f.Path, ".") {
				t.row(f.Path, firstSentence(f.Doc))
			}
		}
		return t.end()
	}
	field, children, ok := reference.Find(fields, path)
	if !ok {
		return usagef("there is no field %q; `weir explain` lists the kinds, `weir explain KIND` its fields", path)
	}
	if c.output != "table" {
		return c.printValue(struct {
			reference.Field
			Fields []reference.Field `json:"fields,omitempty"`
		}{field, children})
	}
	writeField(c.out, field)
	if recursive {
		writeTree(c.out, fields, children, "  ")
		return nil
	}
	for _, child := range children {
		fmt.Fprintf(c.out, "  %s  <%s>%s\n", child.Name(), child.Type, neededMark(child))
		writeProse(c.out, child.Doc, "      ")
		fmt.Fprintln(c.out)
	}
	return nil
}

func writeField(w io.Writer, f reference.Field) {
	fmt.Fprintf(w, "%s  <%s>%s\n\n", f.Path, f.Type, neededMark(f))
	writeProse(w, f.Doc, "")
	fmt.Fprintln(w)
	for _, line := range []struct{ name, text string }{
		{"default", f.Default}, {"one of", strings.Join(f.Allowed, ", ")}, {"example", f.Example},
	} {
		if line.text != "" {
			fmt.Fprintf(w, "%-8s %s\n", line.name, line.text)
		}
	}
	if f.Object() {
		fmt.Fprintln(w, "FIELDS")
	}
}

// writeTree lists fields and what they hold, without prose.
func writeTree(w io.Writer, fields, children []reference.Field, indent string) {
	for _, child := range children {
		fmt.Fprintf(w, "%s%s  <%s>%s\n", indent, child.Name(), child.Type, neededMark(child))
		if child.Object() {
			_, inner, _ := reference.Find(fields, child.Path)
			writeTree(w, fields, inner, indent+"  ")
		}
	}
}

func neededMark(f reference.Field) string {
	if f.Needed {
		return "  needed"
	}
	return ""
}

// writeProse breaks paragraphs into lines.
func writeProse(w io.Writer, text, indent string) {
	for i, paragraph := range strings.Split(text, "\n\n") {
		if i > 0 {
			fmt.Fprintln(w)
		}
		line := indent
		for _, word := range strings.Fields(paragraph) {
			if len([]rune(line))+len([]rune(word)) >= explainWidth && line != indent {
				fmt.Fprintln(w, strings.TrimRight(line, " "))
				line = indent
			}
			line += word + " "
		}
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

// firstSentence is what a line has room for.
func firstSentence(text string) string {
	sentence, _, _ := strings.Cut(firstLine(text), ". ")
	return shorten(strings.TrimSuffix(sentence, "."), 76)
}
