package configs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// parseJSON builds the tree of one JSON document. JSON is YAML too, but the
// standard decoder reads all of it, escapes and tabs included.
func parseJSON(data []byte) ([]*node, Problems) {
	b := jsonBuilder{data: data, decoder: json.NewDecoder(bytes.NewReader(data))}
	b.decoder.UseNumber()
	root, err := b.value(1)
	if err == nil {
		if _, err = b.decoder.Token(); err == nil {
			err = errors.New("text follows the document")
		} else {
			err = nil
		}
	}
	if err != nil {
		at := b.here()
		return nil, Problems{{Line: at.line, Column: at.column, Text: "the JSON cannot be read: " + err.Error()}}
	}
	if root.size > maxValues {
		return nil, Problems{{Line: 1, Column: 1, Text: fmt.Sprintf("the document is too large: it has more than %d values", maxValues), Hint: "split it"}}
	}
	return []*node{root}, nil
}

type jsonBuilder struct {
	data    []byte
	decoder *json.Decoder
	offset  int // where line and column were counted up to
	line    int // finished lines before offset
	start   int // offset of the present line
}

// here is an empty node at the next token.
func (b *jsonBuilder) here() *node {
	next := min(int(b.decoder.InputOffset()), len(b.data))
	for next < len(b.data) && strings.IndexByte(" \t\r\n,:", b.data[next]) >= 0 {
		next++
	}
	for ; b.offset < next; b.offset++ {
		if b.data[b.offset] == '\n' {
			b.line, b.start = b.line+1, b.offset+1
		}
	}
	return &node{line: b.line + 1, column: next - b.start + 1, size: 1, depth: 1}
}

func (b *jsonBuilder) value(depth int) (*node, error) {
	out := b.here()
	if depth > maxDepth {
		return nil, fmt.Errorf("values are nested more than %d deep", maxDepth)
	}
	t, err := b.decoder.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case nil:
		out.kind = absentNode
	case string:
		out.kind, out.text, out.quoted = textNode, t, true
	case json.Number:
		out.kind, out.text = textNode, t.String()
	case bool:
		out.kind, out.text = textNode, fmt.Sprint(t)
	case json.Delim:
		if t == '[' {
			out.kind = listNode
			err = b.items(out, depth)
		} else {
			out.kind = dictNode
			err = b.entries(out, depth)
		}
	}
	out.measured()
	return out, err
}

func (b *jsonBuilder) items(out *node, depth int) error {
	for b.decoder.More() {
		item, err := b.value(depth + 1)
		if err != nil {
			return err
		}
		out.items = append(out.items, item)
	}
	_, err := b.decoder.Token()
	return err
}

func (b *jsonBuilder) entries(out *node, depth int) error {
	for b.decoder.More() {
		key, err := b.value(depth + 1)
		if err != nil {
			return err
		}
		value, err := b.value(depth + 1)
		if err != nil {
			return err
		}
		out.entries = append(out.entries, entry{key, value})
	}
	_, err := b.decoder.Token()
	return err
}
