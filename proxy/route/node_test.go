package route

import (
	"fmt"
	"testing"
)

func TestNode_FindsWhatWasMadeAndNothingElse(t *testing.T) {
	for _, size := range []int{0, 1, fewChildren, fewChildren + 1, 16, 17, 5000} {
		var n node[int]
		made := map[string]*node[int]{}
		for i := range size {
			key := fmt.Sprint("key-", i*7919%size)
			made[key] = n.make(key)
			if n.make(key) != made[key] {
				t.Fatalf("%q was made twice", key)
			}
		}
		n.seal(func(*int) {})
		for key, want := range made {
			if got := n.child([]byte(key)); got != want {
				t.Fatalf("%q of %d: %v", key, size, got)
			}
		}
		for i := size; i < size+5000; i++ {
			key := fmt.Sprint("key-", i)
			if n.child([]byte(key)) != nil {
				t.Fatalf("%q of %d is found", key, size)
			}
		}
	}
}
