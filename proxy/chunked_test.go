package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net/http/httputil"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// decode feeds the parts one after another and returns the body.
func decode(parts ...[]byte) (body []byte, c chunkReader, rest int) {
	for _, p := range parts {
		for len(p) > 0 && !c.done() && !c.broken() {
			data, n := c.next(p)
			body, p = append(body, data...), p[n:]
		}
		rest += len(p)
	}
	return body, c, rest
}

func TestChunkReader_ReadsWhatIsChunked(t *testing.T) {
	f := func(in, want string, rest int) {
		t.Helper()
		body, c, left := decode([]byte(in))
		if string(body) != want || !c.done() || left != rest {
			t.Errorf("%q: got %q, done %v, %d left, want %q and %d left", in, body, c.done(), left, want, rest)
		}
	}
	f("0\r\n\r\n", "", 0)
	f("5\r\nhello\r\n0\r\n\r\n", "hello", 0)
	f("A\r\n0123456789\r\n00\r\n\r\nnext", "0123456789", 4)
	f("3;a=b;c=\"d;e\"\r\nabc\r\n0;x\r\nX-Sum: 1\r\n\r\n", "abc", 0)
}

func TestChunkReader_RefusesTheRest(t *testing.T) {
	f := func(in string) {
		t.Helper()
		if _, c, _ := decode([]byte(in)); !c.broken() {
			t.Errorf("%.40q is taken", in)
		}
	}
	f("\r\n")
	f(" 3\r\nabc\r\n")
	f("0x3\r\nabc\r\n")
	f("-1\r\n")
	f("3\nabc\r\n")
	f("3\r\nabcd\r\n")
	f("3\r\nabc0\r\n")
	f("3;\n\r\nabc\r\n")
	f("3;\x00\r\n")
	f("1000000000000000\r\n")
	f("0\r\nX: y\n\n")
	f("0\r\n folded\r\n\r\n")
	f("1;" + strings.Repeat("x", maxChunkLine+1))
}

func TestChunkReader_ReadsWhatIsWrittenHoweverItArrives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var coded, want []byte
		for _, piece := range rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 1, 300)).Draw(t, "pieces") {
			coded = appendChunkSize(coded, len(piece))
			coded = append(append(coded, piece...), crlf...)
			want = append(want, piece...)
		}
		coded = append(coded, lastChunk...)
		var parts [][]byte
		for rest := coded; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "part")
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		if got, c, _ := decode(parts...); !bytes.Equal(got, want) || !c.done() {
			t.Fatalf("got %q, done %v, want %q", got, c.done(), want)
		}
	})
}

func FuzzChunkReader(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\n\r\n"), 3)
	f.Add([]byte("3;a=b\r\nabc\r\n0\r\nX: y\r\n\r\n"), 1)
	f.Fuzz(func(t *testing.T, in []byte, at int) {
		whole, c, _ := decode(in)
		at = min(max(at, 0), len(in))
		split, d, _ := decode(in[:at], in[at:])
		if !bytes.Equal(whole, split) || c.state != d.state {
			t.Fatalf("%q split at %d reads differently", in, at)
		}
		if !c.done() {
			return
		}
		// What is taken here, a more lenient reader takes for the same.
		if got, err := io.ReadAll(httputil.NewChunkedReader(bufio.NewReader(bytes.NewReader(in)))); err == nil && !bytes.Equal(got, whole) {
			t.Fatalf("%q: got %q, net/http has %q", in, whole, got)
		}
	})
}

func TestAppendChunkSize_IsHexadecimal(t *testing.T) {
	for n, want := range map[int]string{0: "0\r\n", 1: "1\r\n", 16: "10\r\n", 0xabcdef: "abcdef\r\n", 0x10000: "10000\r\n"} {
		if got := string(appendChunkSize(nil, n)); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}
