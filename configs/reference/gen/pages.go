package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/weirproxy/weir/configs/reference"
)

// page is the reference of one kind as Markdown.
func page(kind reference.Field, fields []reference.Field) []byte {
	var b bytes.Buffer
	title := strings.ToUpper(kind.Path[:1]) + kind.Path[1:]
	fmt.Fprintf(&b, "<!-- Written by `make docs` from the comments of package configs: change those. -->\n# %s\n\n%s\n\n", title, marked(kind.Doc))
	fmt.Fprintf(&b, "`weir explain %s` prints this page in a terminal, `weir explain %s.FIELD` a part of it.\n", kind.Path, kind.Path)
	fmt.Fprintf(&b, "Fields in **bold** are needed. NAME stands for a name of yours, [] for each item of a list.\n\n")
	for _, f := range fields {
		name := "`" + f.Path + "`"
		if f.Needed {
			name = "**" + name + "**"
		}
		fmt.Fprintf(&b, "### %s\n\n*%s*", name, f.Type)
		if f.Default != "" {
			fmt.Fprintf(&b, " · default: %s", f.Default)
		}
		if len(f.Allowed) > 0 {
			fmt.Fprintf(&b, " · one of `%s`", strings.Join(f.Allowed, "`, `"))
		}
		fmt.Fprintf(&b, "\n\n%s\n\n", marked(f.Doc))
		if f.Example != "" {
			fmt.Fprintf(&b, "Example: `%s`\n\n", f.Example)
		}
	}
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n')
}

// marked is prose that Markdown shows as it is: < begins no tag outside of code.
func marked(prose string) string {
	parts := strings.Split(prose, "`")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = strings.ReplaceAll(parts[i], "<", "&lt;")
	}
	return strings.Join(parts, "`")
}
