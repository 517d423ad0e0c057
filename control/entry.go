package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/weirproxy/weir/control/store"
)

// entry is one value of the state with the revision that wrote it.
type entry[T any] struct {
	value T
	raw   []byte
	mod   int64
	made  int64 // revision that created it; only of documents
}

func same[T any](e entry[T], kv store.KV) bool {
	return e.mod == kv.ModRevision && e.mod != 0 && bytes.Equal(e.raw, kv.Value)
}

func put[T any](into map[string]entry[T], name string, kv store.KV) error {
	var v T
	if err := json.Unmarshal(kv.Value, &v); err != nil {
		return fmt.Errorf("cannot read the stored value of %q: %w", kv.Key, err)
	}
	into[name] = entry[T]{value: v, raw: kv.Value, mod: kv.ModRevision}
	return nil
}

// split cuts a key into its range and the name in it. A fixed key is its own range.
func split(key string) (prefix, name string) {
	if key == store.CookieKey || key == store.LeaderKey {
		return key, ""
	}
	i := strings.IndexByte(key, '/')
	if i < 0 {
		return key, ""
	}
	return key[:i+1], key[i+1:]
}
