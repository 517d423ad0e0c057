package configs

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// parseYAML builds the trees of the documents in data. Documents are told apart
// here, not by the parser, which drops those that follow an empty one.
func parseYAML(data []byte) ([]*node, Problems) {
	if p := checkText(data); p != nil {
		return nil, Problems{*p}
	}
	var roots []*node
	var problems Problems
	line := 0
	var chunk []byte
	flush := func(from int) {
		root, ps := parseDocument(chunk, from)
		problems = append(problems, ps...)
		if root != nil {
			roots = append(roots, root)
		}
		chunk = nil
	}
	from := 0
	for text := range bytes.Lines(data) {
		marker := len(text) >= 3 && (string(text[:3]) == "---" || string(text[:3]) == "...") &&
			(len(text) == 3 || strings.IndexByte(" \t\r\n", text[3]) >= 0)
		if marker {
			flush(from)
			from = line
			text = append([]byte("   "), text[3:]...)
		}
		chunk = append(chunk, text...)
		line++
	}
	flush(from)
	return roots, problems
}

// checkText refuses bytes that YAML forbids, and tabs: the parser drops them
// from plain texts and joins the lines around some.
func checkText(data []byte) *Problem {
	line := 0
	for text := range bytes.Lines(data) {
		line++
		column := 0
		comment := bytes.HasPrefix(bytes.TrimLeft(text, " "), []byte("#"))
		text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
		for i, r := range string(text) {
			column++
			at := Problem{Line: line, Column: column}
			switch {
			case r == utf8.RuneError && !bytes.HasPrefix(text[i:], []byte("\ufffd")):
				at.Text, at.Hint = "the file is not UTF-8 text", "save it as UTF-8"
			case r == '\t' && !comment:
				at.Text, at.Hint = "there is a tab", `use spaces; within double quotes write \t`
			case r < ' ' && r != '\t', r >= 0x7f && r < 0xa0, r == '\u2028', r == '\u2029', r == '\ufeff':
				at.Text, at.Hint = fmt.Sprintf("there is the control character %U", r), fmt.Sprintf(`remove it; within double quotes write \u%04X`, r)
			default:
				continue
			}
			return &at
		}
	}
	return nil
}

// parseDocument builds the tree of one document whose first line is the
// (from+1)th of the file. It returns nil for one without content.
func parseDocument(data []byte, from int) (root *node, problems Problems) {
	// The parser is not ours and reads foreign bytes: should it panic on some, the
	// document is refused and the process lives on.
	defer func() {
		if fault := recover(); fault != nil {
			root = nil
			problems = Problems{{Line: from + 1, Column: 1, Text: fmt.Sprintf("the document cannot be read as YAML: %v", fault), Hint: "simplify it"}}
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if p := checkTokens(tokens); p != nil {
		p.Line += from
		return nil, Problems{*p}
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		p := syntaxProblem(err)
		p.Line += from
		return nil, Problems{p}
	}
	b := treeBuilder{from: from, anchors: map[string]*node{}}
	for _, document := range file.Docs {
		if document.Body == nil {
			continue
		}
		if root != nil {
			b.fail(document.Body, "put --- between documents", "a second document begins here")
			break
		}
		root = b.value(document.Body)
	}
	if root != nil && root.kind == emptyNode {
		root = nil
	}
	return root, b.problems
}

// checkTokens refuses what would cost the recursive parser too much.
func checkTokens(tokens token.Tokens) *Problem {
	flow, line, opened := 0, 0, 0
	for i, t := range tokens {
		if i == maxTokens {
			return &Problem{Line: t.Position.Line, Column: t.Position.Column,
				Text: fmt.Sprintf("the document is too long: it has more than %d tokens", maxTokens), Hint: "split it with ---"}
		}
		if t.Position.Line != line {
			line, opened = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			opened++
		}
		if max(flow, opened) > maxDepth {
			return &Problem{Line: t.Position.Line, Column: t.Position.Column,
				Text: fmt.Sprintf("values are nested more than %d deep", maxDepth), Hint: "flatten them"}
		}
	}
	return nil
}

func syntaxProblem(err error) Problem {
	p := Problem{Line: 1, Column: 1, Text: "the YAML is broken: " + err.Error()}
	var located yaml.Error
	if errors.As(err, &located) {
		p.Text = "the YAML is broken: " + located.GetMessage()
		if t := located.GetToken(); t != nil && t.Position != nil {
			p.Line, p.Column = t.Position.Line, t.Position.Column
		}
	}
	return p
}

// treeBuilder turns the parser's tree into ours: aliases and merge keys are
// resolved, and what weir does not want in a document is refused.
type treeBuilder struct {
	from     int
	anchors  map[string]*node
	problems Problems
}

func (b *treeBuilder) fail(n ast.Node, hint, format string, args ...any) {
	at := b.at(n)
	b.problems = append(b.problems, Problem{Line: at.line, Column: at.column, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// refuse is fail for a value: what comes back is not complained about again.
func (b *treeBuilder) refuse(n ast.Node, hint, format string, args ...any) *node {
	b.fail(n, hint, format, args...)
	out := b.at(n)
	out.kind = refusedNode
	return out
}

// at is an empty node at the place where n begins.
func (b *treeBuilder) at(n ast.Node) *node {
	out := &node{kind: emptyNode, line: b.from + 1, column: 1, size: 1, depth: 1}
	t := n.GetToken()
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return b.at(n.Values[0])
		}
	case *ast.MappingValueNode:
		t = n.Key.GetToken()
	}
	if t != nil && t.Position != nil {
		out.line, out.column = b.from+t.Position.Line, t.Position.Column
	}
	return out
}

// value converts n. It never returns nil.
func (b *treeBuilder) value(n ast.Node) *node {
	if n == nil {
		return &node{kind: emptyNode, line: b.from + 1, column: 1, size: 1, depth: 1}
	}
	out := b.at(n)
	switch n := n.(type) {
	case *ast.NullNode:
		if n.Token != nil && n.Token.Value != "" && n.Token.Type == token.NullType {
			out.kind = absentNode
		}
	case *ast.StringNode:
		out.kind, out.text = textNode, n.Value
		out.quoted = n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType
	case *ast.LiteralNode:
		out.kind, out.text, out.quoted = textNode, n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		out.kind, out.text = textNode, strings.TrimSpace(n.GetToken().Value)
	case *ast.MappingNode:
		out.kind = dictNode
		b.entries(out, n.Values)
	case *ast.MappingValueNode:
		out.kind = dictNode
		b.entries(out, []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		out.kind = listNode
		for _, item := range n.Values {
			value := b.value(item)
			if text, ok := splitScalar(item); ok && n.IsFlowStyle {
				value.kind, value.text, value.entries = textNode, text, nil
			}
			out.items = append(out.items, value)
		}
	case *ast.AnchorNode:
		return b.anchor(n)
	case *ast.AliasNode:
		return b.alias(n, out)
	case *ast.TagNode:
		return b.refuse(n, "remove it and quote the value if it is a text", "tags such as %q are not read", n.GetToken().Value)
	case *ast.DirectiveNode:
		return b.refuse(n, "remove the line", "directives are not read")
	default:
		return b.refuse(n, "write it as plain YAML", "%s is not read in a document", strings.ToLower(n.Type().String()))
	}
	if !out.measured() {
		return b.refuse(n, "write the values out, and less deeply", "the value is too large: more than %d values or %d levels, aliases included", maxValues, maxDepth)
	}
	return out
}

// splitScalar mends what the scanner takes apart: within `{…}` it reads the item
// `127.0.0.1:80` of a list as a mapping, but a colon without a space behind it
// is part of a plain text.
func splitScalar(n ast.Node) (text string, ok bool) {
	if m, isMapping := n.(*ast.MappingNode); isMapping && !m.IsFlowStyle && len(m.Values) == 1 {
		n = m.Values[0]
	}
	pair, ok := n.(*ast.MappingValueNode)
	if !ok || pair.Value == nil {
		return "", false
	}
	key, value := pair.Key.GetToken(), pair.Value.GetToken()
	if key == nil || value == nil || pair.Start == nil || key.Indicator != token.NotIndicator || value.Indicator != token.NotIndicator {
		return "", false
	}
	head, tail := strings.TrimSpace(key.Origin), strings.TrimSpace(value.Origin)
	colon := pair.Start.Position
	together := key.Position.Line == colon.Line && colon.Line == value.Position.Line &&
		key.Position.Column+utf8.RuneCountInString(head) == colon.Column && colon.Column+1 == value.Position.Column
	return head + ":" + tail, together
}

func (b *treeBuilder) entries(out *node, values []*ast.MappingValueNode) {
	var merged []entry
	for _, v := range values {
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			from := b.value(v.Value)
			if from.kind != dictNode {
				b.fail(v, "write <<: *anchor", "a merge key takes an alias of a mapping, not %s", from.what())
				continue
			}
			if merged = append(merged, from.entries...); len(merged) > maxMerged {
				b.fail(v, "write the values out", "more than %d keys are merged into one mapping", maxMerged)
				return
			}
			continue
		}
		key := b.value(v.Key)
		if key.kind != textNode {
			b.fail(v, "write `name: value`", "a key must be a text")
			continue
		}
		value := b.value(v.Value)
		if value.kind == emptyNode {
			value.line, value.column = key.line, key.column
		}
		out.entries = append(out.entries, entry{key, value})
	}
	for _, e := range merged {
		if out.get(e.key.text) == nil {
			out.entries = append(out.entries, e)
		}
	}
}

func (b *treeBuilder) anchor(n *ast.AnchorNode) *node {
	value := b.value(n.Value)
	if n.Name != nil {
		b.anchors[n.Name.GetToken().Value] = value
	}
	return value
}

// alias shares the value of an anchor that stands before it. An anchor is known
// only after its value, so that none can hold itself.
func (b *treeBuilder) alias(n *ast.AliasNode, out *node) *node {
	if n.Value == nil {
		return out
	}
	name := n.Value.GetToken().Value
	value, ok := b.anchors[name]
	if !ok {
		return b.refuse(n, fmt.Sprintf("write &%s before the value it stands for", name), "the alias *%s has no anchor before it", name)
	}
	return value
}
