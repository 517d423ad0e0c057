package access

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// writer keeps what it gets, and blocks or fails when told so.
type writer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	fail error
}

func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return 0, w.fail
	}
	return w.b.Write(p)
}

func (w *writer) failWith(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail = err
}

// start runs a log. The function that it returns ends it.
func start(t testing.TB, o Options, queue ...*pages) (*Log, func()) {
	t.Helper()
	if o.Every == 0 {
		o.Every = time.Millisecond
	}
	l, err := New(o, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if len(queue) > 0 {
		l.queue = queue[0] // a small one
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = l.Run(ctx) })
	return l, func() {
		stop()
		running.Wait()
	}
}

func entry() *Entry {
	return &Entry{
		Time: time.Date(2026, 3, 9, 7, 5, 1, 42_000, time.UTC), Duration: 1500 * time.Microsecond, Upstream: time.Second,
		Client: []byte("10.0.0.1"), Method: []byte("GET"), Host: []byte("shop.test"), Path: []byte("/a b"), Query: []byte("?secret=1"),
		Protocol: "HTTP/1.1", UserAgent: []byte(`curl "8"`), RequestID: []byte("id"), Trace: [16]byte{15: 1}, Status: 200, Bytes: 7,
		Service: "shop", Version: "blue", Lane: "split", Endpoint: "10.0.0.9:80",
	}
}

func lineOf(f Format, query bool, e *Entry) []byte {
	return appendEntry(nil, f, query, newStamp(f, e.Time), e)
}

func TestLog_FormatsAreThoseThatTheirReadersKnow(t *testing.T) {
	for want, f := range map[string]struct {
		format Format
		query  bool
	}{
		`{"time":"2026-03-09T07:05:01.000042Z","client":"10.0.0.1","method":"GET","host":"shop.test","path":"/a b","protocol":"HTTP/1.1",` +
			`"status":200,"bytes":7,"duration":0.001500,"upstream":1.000000,"service":"shop","version":"blue","lane":"split","endpoint":"10.0.0.9:80",` +
			`"request_id":"id","trace_id":"00000000000000000000000000000001","user_agent":"curl \"8\""}`: {JSON, false},
		`10.0.0.1 - - [09/Mar/2026:07:05:01 +0000] "GET /a b HTTP/1.1" 200 7`:                               {Common, false},
		`10.0.0.1 - - [09/Mar/2026:07:05:01 +0000] "GET /a b?secret=1 HTTP/1.1" 200 7 "-" "curl \x228\x22"`: {Combined, true},
	} {
		if got := string(lineOf(f.format, f.query, entry())); got != want+"\n" {
			t.Errorf("got  %swant %s", got, want)
		}
	}
}

// FuzzEntry holds that no client can begin a line, end a field or write to a
// terminal, and that JSON gives back what was valid.
func FuzzEntry(f *testing.F) {
	f.Add([]byte("a\"\\\n\r\x00\x7f\u0085\u2028\xffé"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e := entry()
		e.Method, e.Host, e.Path, e.Query, e.UserAgent, e.Referer, e.RequestID = b, b, b, b, b, b, b
		for _, format := range []Format{JSON, Common, Combined} {
			line := lineOf(format, true, e)
			body, ended := bytes.CutSuffix(line, []byte("\n"))
			bad := func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 }
			if !ended || bytes.ContainsFunc(body, bad) {
				t.Fatalf("%q holds a control character", line)
			}
			if format != JSON {
				if quotes := bytes.Count(body, []byte(`"`)); quotes != 2 && format == Common || format == Combined && quotes != 6 {
					t.Fatalf("%q has %d quotes", line, quotes)
				}
				continue
			}
			var got struct{ Path string }
			if err := json.Unmarshal(line, &got); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if want := strings.ToValidUTF8(string(b), ""); strings.ReplaceAll(got.Path, "\ufffd", "") != strings.ReplaceAll(want, "\ufffd", "") {
				t.Fatalf("%q became %q", want, got.Path)
			}
		}
	})
}

func TestLog_EveryLineIsWrittenWholeOrCounted(t *testing.T) {
	out := &writer{}
	l, stop := start(t, Options{Output: out, Format: Common}, newPages(1<<10, 8))
	const writers, each = 8, 2000
	var writing sync.WaitGroup
	for i := range writers {
		writing.Go(func() {
			e := entry()
			for j := range each {
				e.Path = fmt.Appendf(e.Path[:0], "/%d/%d", i, j)
				l.Write(e)
			}
		})
	}
	writing.Wait()
	stop()
	lines := strings.Split(strings.TrimSuffix(out.b.String(), "\n"), "\n")
	last := make([]int, writers)
	for i := range last {
		last[i] = -1
	}
	for _, line := range lines {
		var w, n int
		if _, err := fmt.Sscanf(line, `10.0.0.1 - - [09/Mar/2026:07:05:01 +0000] "GET /%d/%d HTTP/1.1" 200 7`, &w, &n); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if n <= last[w] {
			t.Fatalf("line %d of writer %d came after line %d", n, w, last[w])
		}
		last[w] = n
	}
	if got := uint64(len(lines)) + l.Dropped(); got != writers*each {
		t.Errorf("%d lines and %d dropped are %d of %d", len(lines), l.Dropped(), got, writers*each)
	}
}

// blocked is an output that takes nothing until it is let go.
type blocked struct {
	begun chan struct{}
	free  chan struct{}
	once  sync.Once
}

func (b *blocked) Write(p []byte) (int, error) {
	b.once.Do(func() { close(b.begun) })
	<-b.free
	return len(p), nil
}

func TestLog_OutputThatBlocksHoldsNobodyUp(t *testing.T) {
	out := &blocked{begun: make(chan struct{}), free: make(chan struct{})}
	line := len(lineOf(JSON, false, entry()))
	l, stop := start(t, Options{Output: out}, newPages(4*line, 4))
	l.Write(entry())
	<-out.begun
	for range 1000 {
		l.Write(entry())
	}
	// One page of four is being written.
	if l.Dropped() != 1000-3*4 {
		t.Errorf("%d dropped, want %d", l.Dropped(), 1000-3*4)
	}
	close(out.free)
	stop()
}

func TestLog_FailedWritesAreCountedAndOver(t *testing.T) {
	out := &writer{fail: errors.New("no space left on device")}
	l, stop := start(t, Options{Output: out})
	l.Write(entry())
	wait(t, "the loss is counted", func() bool { return l.Dropped() == 1 })
	out.failWith(nil)
	l.Write(entry())
	stop()
	if n := strings.Count(out.b.String(), "\n"); n != 1 || l.Dropped() != 1 {
		t.Errorf("%d lines, %d dropped", n, l.Dropped())
	}
}

func TestLog_ReopenGoesOnInANewFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	l, stop := start(t, Options{File: file, Format: Common})
	size := func(name string) func() bool {
		return func() bool {
			i, err := os.Stat(name)
			return err == nil && i.Size() > 0
		}
	}
	l.Write(entry())
	wait(t, "the first line is there", size(file))
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	l.Reopen()
	wait(t, "the file is there again", func() bool { _, err := os.Stat(file); return err == nil })
	l.Write(entry())
	stop()
	for _, name := range []string{file, file + ".1"} {
		if data, err := os.ReadFile(name); err != nil || bytes.Count(data, []byte("\n")) != 1 {
			t.Errorf("%s holds %q (%v)", name, data, err)
		}
	}
}

func TestLog_WriteAllocatesNothing(t *testing.T) {
	// Nobody writes the lines, so that only Write is counted.
	l, err := New(Options{}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	e := entry()
	if got := testing.AllocsPerRun(1000, func() { l.Write(e) }); got > 0 {
		t.Errorf("%g allocations a line", got)
	}
}

func BenchmarkLog_Write(b *testing.B) {
	for name, format := range map[string]Format{"json": JSON, "combined": Combined} {
		b.Run(name, func(b *testing.B) {
			l, stop := start(b, Options{Output: &discard{}, Format: format, Every: 100 * time.Millisecond})
			defer stop()
			e := entry()
			b.ReportAllocs()
			for b.Loop() {
				l.Write(e)
			}
			b.ReportMetric(float64(l.Dropped())/float64(b.N), "dropped/op")
		})
	}
}

// BenchmarkEntry is the part of Write that differs between the formats: nothing
// is dropped here.
func BenchmarkEntry(b *testing.B) {
	for name, format := range map[string]Format{"json": JSON, "combined": Combined} {
		b.Run(name, func(b *testing.B) {
			e, line := entry(), make([]byte, 0, 1<<10)
			at := newStamp(format, e.Time)
			b.ReportAllocs()
			for b.Loop() {
				line = appendEntry(line[:0], format, false, at, e)
			}
		})
	}
}

type discard struct{}

func (*discard) Write(p []byte) (int, error) { return len(p), nil }

func wait(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 10 s until %s", what)
		}
	}
}

// The order of members is part of what people's tools expect.
func TestLog_MembersWithoutValueAreLeftOut(t *testing.T) {
	var got map[string]any
	if err := json.Unmarshal(lineOf(JSON, true, &Entry{Status: 400, Reason: "host"}), &got); err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for name := range got {
		names = append(names, name)
	}
	slices.Sort(names)
	if want := "bytes client duration host method path reason status time"; strings.Join(names, " ") != want {
		t.Errorf("got %q, want %q", names, want)
	}
}
