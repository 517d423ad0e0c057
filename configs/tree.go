package configs

import "slices"

// Bounds of what is read. They keep a hostile document from costing more than a
// moment and a few megabytes.
const (
	maxInput  = 1 << 20 // bytes of one input
	maxTokens = 20_000  // tokens of one document: the parser's time grows with their square
	maxDepth  = 32      // values within values
	maxValues = 20_000  // values of one document, each alias counted in full
	maxMerged = 1000    // keys that merge keys add to one mapping
	maxShown  = 100     // problems that are listed
)

type kind uint8

const (
	absentNode  kind = iota // an explicit null
	emptyNode               // a key without any value
	refusedNode             // a value that was complained about
	textNode
	listNode
	dictNode
)

// node is a value of a document, free of the syntax it came in. Nodes are not
// changed once built: an alias shares its anchor's.
type node struct {
	kind         kind
	line, column int
	text         string // of textNode
	quoted       bool   // text that cannot mean a number or a truth value
	items        []*node
	entries      []entry

	// shown replaces the path in problems where the decoded field has another
	// path than the one that was written.
	shown string

	size, depth int // of the whole value, aliases counted in full
}

// entry is one key of a dict. Keys may repeat: the decoder decides.
type entry struct {
	key   *node
	value *node
}

// measured fills size and depth from the children, and reports whether the
// bounds hold.
func (n *node) measured() bool {
	n.size, n.depth = 1, 1
	grow := func(child *node) {
		n.size = min(n.size+child.size, maxValues+1)
		n.depth = max(n.depth, child.depth+1)
	}
	for _, child := range n.items {
		grow(child)
	}
	for _, e := range n.entries {
		grow(e.value)
	}
	return n.size <= maxValues && n.depth <= maxDepth
}

// get returns the first value of a key, or nil.
func (n *node) get(key string) *node {
	i := slices.IndexFunc(n.entries, func(e entry) bool { return e.key.text == key })
	if i < 0 {
		return nil
	}
	return n.entries[i].value
}

// what names the value for a problem.
func (n *node) what() string {
	switch n.kind {
	case listNode:
		return "a list"
	case dictNode:
		return "a mapping"
	case textNode:
		return "a text"
	}
	return "no value"
}
