package route

import (
	"fmt"
	"testing"
)

// benchTable is a table of n rules over n/10 hosts, and a request for the last.
func benchTable(t testing.TB, n int) (*Table, *Request) {
	var rules []Rule
	for i := range n {
		rules = append(rules, Rule{
			Host:  fmt.Sprintf("host-%d.example.com", i/10),
			Path:  fmt.Sprintf("/api/v1/things-%d/", i%10),
			Route: testRoute(fmt.Sprintf("s%d", i)),
		})
	}
	last := rules[n-1]
	return mustTable(t, rules), &Request{
		Host: []byte(last.Host), Path: []byte(last.Path + "0815/details"), Method: []byte("GET"),
	}
}

func BenchmarkTable_Match(b *testing.B) {
	for _, n := range []int{1, 100, 5000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			table, request := benchTable(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if table.Match(request) == nil {
					b.Fatal("no route")
				}
			}
		})
	}
	// The worst that a client can send to a table that it does not know.
	b.Run("hostile", func(b *testing.B) {
		table, request := benchTable(b, 5000)
		request.Path = make([]byte, 8192)
		for i := range request.Path {
			request.Path[i] = '/'
		}
		b.ReportAllocs()
		for b.Loop() {
			table.Match(request)
		}
	})
}

func benchSplit(t testing.TB) *Split {
	return NewSplit(mustRelabel(t, nil, []int{9500, 500}, "r"), 2)
}

func BenchmarkSplit_PickByKey(b *testing.B) {
	s, split := testSticky(b), benchSplit(b)
	key := []byte("user-0123456789")
	b.ReportAllocs()
	n := 0
	for i := 0; b.Loop(); i++ {
		key[0] = byte(i)
		n += split.Pick(s.BucketOf(key))
	}
}

func BenchmarkSplit_PickAnonymous(b *testing.B) {
	s, split := testSticky(b), benchSplit(b)
	address, agent := []byte("203.0.113.77"), []byte("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	b.ReportAllocs()
	for b.Loop() {
		split.Pick(s.Anonymous(address, agent, testNow/60))
	}
}

func BenchmarkSticky_CheckCookie(b *testing.B) {
	s := testSticky(b)
	value := cookieOf(s, 4242, testNow)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := s.CheckCookie(value, testNow+60); !ok {
			b.Fatal("refused")
		}
	}
}

func BenchmarkSticky_AppendCookie(b *testing.B) {
	s := testSticky(b)
	dst := make([]byte, 0, 256)
	b.ReportAllocs()
	for b.Loop() {
		dst = s.AppendCookie(dst[:0], 4242, testNow, true)
	}
}
