//go:build !race

package route

import "testing"

func TestHotPath_AllocatesNothing(t *testing.T) {
	f := func(name string, do func()) {
		t.Helper()
		if got := testing.AllocsPerRun(1000, do); got != 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
	for _, n := range []int{1, 5000} {
		table, request := benchTable(t, n)
		f("match", func() { table.Match(request) })
	}
	table := mustTable(t, []Rule{{Methods: []string{"GET"}, Headers: map[string]string{"X-A": "1"}, Route: testRoute("a")}})
	one := []byte("1")
	request := &Request{Host: []byte("[::1]:80"), Path: []byte("/"), Method: []byte("GET"), Header: func(string) []byte { return one }}
	f("match with header", func() { table.Match(request) })

	s, split := testSticky(t), benchSplit(t)
	user, value, dst := []byte("user-1"), cookieOf(testSticky(t), 7, testNow), make([]byte, 0, 256)
	f("pick", func() { split.Pick(s.BucketOf(user)) })
	f("anonymous", func() { s.Anonymous(user, user, 1) })
	f("check", func() { s.CheckCookie(value, testNow) })
	f("append", func() { dst = s.AppendCookie(dst[:0], 7, testNow, true) })

	flag, visitor := flagToEvaluate(t)
	f("flag", func() { dst = flag.AppendPiece(dst[:0], flag.Evaluate(visitor, "production", testNow)) })
}
