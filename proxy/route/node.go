package route

import (
	"math/bits"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
)

// node is one key of a tree: a label of a host, or a segment of a path.
type node[T any] struct {
	key      string
	parent   *node[T]
	children []*node[T] // by key
	index    []*node[T] // many children once more, by hash; nil: they are few
	value    T
}

// fewChildren are found as fast by a search as by their hash.
const fewChildren = 8

// seal makes the index of n and of all below it, once nothing is added any more.
// It calls each with every value.
//
// A search among thousands of names touches a dozen of them, in as many lines of
// the cache; with the index it is one or two. At least half of it stays empty,
// so what a client asks for meets an empty place soon.
func (n *node[T]) seal(each func(*T)) {
	each(&n.value)
	for _, c := range n.children {
		c.seal(each)
	}
	if len(n.children) <= fewChildren {
		return
	}
	n.index = make([]*node[T], 2<<bits.Len(uint(len(n.children)-1)))
	for _, c := range n.children {
		i := xxhash.Sum64String(c.key)
		for n.index[n.place(i)] != nil {
			i++
		}
		n.index[n.place(i)] = c
	}
}

// place is where the index holds what has the hash, if nothing else does.
func (n *node[T]) place(hash uint64) uint64 { return hash & uint64(len(n.index)-1) }

// child returns the child of the given key, or nil.
func (n *node[T]) child(key []byte) *node[T] {
	if n.index != nil {
		for i := xxhash.Sum64(key); ; i++ {
			if c := n.index[n.place(i)]; c == nil || c.key == string(key) {
				return c
			}
		}
	}
	low, high := 0, len(n.children)
	for low < high {
		mid := int(uint(low+high) >> 1)
		if n.children[mid].key < string(key) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low < len(n.children) && n.children[low].key == string(key) {
		return n.children[low]
	}
	return nil
}

// make returns the child of the given key, and makes it at first.
func (n *node[T]) make(key string) *node[T] {
	i, found := slices.BinarySearchFunc(n.children, key, func(c *node[T], key string) int {
		return strings.Compare(c.key, key)
	})
	if !found {
		n.children = slices.Insert(n.children, i, &node[T]{key: key, parent: n})
	}
	return n.children[i]
}

// descendHost returns the deepest node on the way to host, and whether that is
// all of it. The walk ends with the tree, so a host of many labels costs no more.
func (n *node[T]) descendHost(host []byte) (at *node[T], whole bool) {
	for len(host) > 0 {
		rest, label := cutLabel(host)
		c := n.child(label)
		if c == nil {
			return n, false
		}
		n, host = c, rest
	}
	return n, true
}

// descendPath returns the deepest node on the way to path.
func (n *node[T]) descendPath(path []byte) *node[T] {
	for len(path) > 0 && path[0] == '/' {
		segment, rest := cutSegment(path)
		c := n.child(segment)
		if c == nil {
			break
		}
		n, path = c, rest
	}
	return n
}

// cutLabel cuts the last label off a host: `www.example.com` is `www.example`
// and `com`.
func cutLabel[S []byte | string](host S) (rest, label S) {
	for i := len(host) - 1; i >= 0; i-- {
		if host[i] == '.' {
			return host[:i], host[i+1:]
		}
	}
	return host[:0], host
}

// cutSegment cuts the first segment off a path that begins with a slash: `/a/b`
// is `a` and `/b`.
func cutSegment[S []byte | string](path S) (segment, rest S) {
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			return path[1:i], path[i:]
		}
	}
	return path[1:], path[len(path):]
}

// appendHost appends host in the form of the tree: lower case, without port and
// final dot. What is no name, with an empty label or too long, becomes nothing,
// which only rules for any host match.
func appendHost(dst, host []byte) []byte {
	end := len(host)
	if end > 0 && host[0] == '[' {
		for i, c := range host {
			if c == ']' {
				end = i + 1
				break
			}
		}
	} else {
		for i, c := range host {
			if c == ':' {
				end = i
				break
			}
		}
	}
	if end > 0 && host[end-1] == '.' {
		end--
	}
	if end > maxHost {
		return dst
	}
	start, last := len(dst), byte('.')
	for _, c := range host[:end] {
		if c == '.' && last == '.' {
			return dst[:start]
		}
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
		last = c
	}
	if last == '.' {
		return dst[:start]
	}
	return dst
}
