package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
)

// comments are the comments of the structs of a package: by `Type` and by
// `Type.Field`.
type comments map[string]string

// readComments parses the Go files of a folder that are no tests.
func readComments(folder string) (comments, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	found := comments{}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("cannot parse %q: %w", name, err)
		}
		for _, decl := range file.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.TYPE {
				found.types(g)
			}
		}
	}
	return found, nil
}

func (c comments) types(g *ast.GenDecl) {
	for _, spec := range g.Specs {
		t := spec.(*ast.TypeSpec)
		s, ok := t.Type.(*ast.StructType)
		if !ok {
			continue
		}
		doc := t.Doc
		if doc == nil {
			doc = g.Doc
		}
		c[t.Name.Name] = prose(doc.Text())
		for _, f := range s.Fields.List {
			text := f.Doc.Text() // of a nil group it is empty
			if text == "" {
				text = f.Comment.Text()
			}
			for _, name := range f.Names {
				c[t.Name.Name+"."+name.Name] = prose(text)
			}
		}
	}
}

// prose joins the lines of a comment's paragraphs.
func prose(text string) string {
	var paragraphs []string
	for _, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		paragraphs = append(paragraphs, strings.Join(strings.Fields(p), " "))
	}
	return strings.Join(paragraphs, "\n\n")
}

// camel is a Go name of more than one word, which no prose holds by chance.
var camel = regexp.MustCompile(`\b([A-Z][a-z0-9]+(?:\.[A-Z]|[A-Z])[A-Za-z0-9.]*|[A-Z]{2,}[a-z][A-Za-z]*)\b`)

// forReaders turns what Go readers know into what writers of documents know:
// names of fields as they are written, and nil.
func forReaders(text, own, ownName string, names map[string]string) string {
	if rest, ok := strings.CutPrefix(text, own+" "); ok && own != "" {
		text = "`" + ownName + "` " + rest
	}
	text = camel.ReplaceAllStringFunc(text, func(word string) string {
		var parts []string
		for _, part := range strings.Split(word, ".") {
			name, ok := names[part]
			if !ok {
				return word
			}
			parts = append(parts, name)
		}
		return "`" + strings.Join(parts, ".") + "`"
	})
	return strings.NewReplacer("Nil:", "Left out:", "Nil and 0:", "Left out and 0:", "; nil:", "; left out:").Replace(text)
}

// defaults are the ways in which a comment says what holds without the field.
var defaults = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\bleft out: (.+?)(?:;|\.(?:\s|$)| \(|$)`),
	regexp.MustCompile(`(?i)(?:\b(?:0|left out|empty|false|nothing))[^:;.]{0,40}: (?:the )?default[,:]? (.+?)(?:;|\.(?:\s|$)| \(|$)`),
	regexp.MustCompile(`\bDefault:? (.+?)(?:;|\.(?:\s|$)| \(|$)`),
	regexp.MustCompile("(`[^`]+`|\\b[\\w-]+) \\(default\\b"),
	regexp.MustCompile(`\bdefault:? (.+?)(?:[;,]|\.(?:\s|$)| \(|$)`),
	regexp.MustCompile(`(?i)(?:\b(?:0|left out|empty|false)): (.+?)(?:;|\.(?:\s|$)| \(|$)`),
}

// defaultOf is what a comment says that holds without the field, or "".
func defaultOf(doc string) string {
	for _, d := range defaults {
		if m := d.FindStringSubmatch(doc); m != nil {
			return strings.Trim(m[1], "`")
		}
	}
	return ""
}
