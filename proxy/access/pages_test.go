package access

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// drained is what the writer would write now.
func drained(p *pages) string {
	var out []byte
	for p.cut(); len(p.closed) > 0; {
		full := <-p.closed
		out = append(out, full.lines()...)
		p.done(full)
	}
	return string(out)
}

func TestPages_LineLongerThanAPageGoesOnItsOwn(t *testing.T) {
	p := newPages(8, 4)
	long := strings.Repeat("x", 99) + "\n"
	if !p.put([]byte("one\n")) || !p.put([]byte(long)) {
		t.Fatal("there was room")
	}
	if got := drained(p); len(got) != len(long)+4 || !strings.Contains(got, long) || !strings.Contains(got, "one\n") {
		t.Errorf("got %q", got)
	}
}

func TestPages_FullQueueTakesLinesAgainOnceOneIsWritten(t *testing.T) {
	p := newPages(8, 4)
	taken := 0
	for p.put([]byte("one\n")) {
		taken++
	}
	if taken != 4*2 {
		t.Errorf("four pages of two lines took %d", taken)
	}
	if p.put(bytes.Repeat([]byte("x"), 99)) {
		t.Error("a long line found room where there is none")
	}
	p.done(<-p.closed)
	if !p.put([]byte("two\n")) {
		t.Fatal("a page was given back and not opened")
	}
	if got := drained(p); got != strings.Repeat("one\n", 6)+"two\n" {
		t.Errorf("got %q", got)
	}
	for range 100 { // and for ever
		if !p.put([]byte("six\n")) || drained(p) != "six\n" {
			t.Fatal("a line was lost")
		}
	}
	if n := p.count.Load(); n > 4 {
		t.Errorf("there are %d pages, more than may be", n)
	}
}

// Tiny pages are closed, cut and given back all the time, under writers that
// come late to them.
func TestPages_EveryLineThatWasTakenIsThereOnce(t *testing.T) {
	const writers, each = 8, 5000
	p := newPages(64, 6)
	taken := make([][]bool, writers)
	var writing sync.WaitGroup
	for w := range writers {
		taken[w] = make([]bool, each)
		writing.Go(func() {
			for i := range each {
				taken[w][i] = p.put(fmt.Appendf(nil, "%d %d\n", w, i))
			}
		})
	}
	over := make(chan struct{})
	go func() { writing.Wait(); close(over) }()
	var out strings.Builder
	for running := true; running; {
		select {
		case <-over:
			running = false
		case full := <-p.closed:
			out.Write(full.lines())
			p.done(full)
		default:
			p.cut()
		}
	}
	out.WriteString(drained(p))
	for line := range strings.Lines(out.String()) {
		var w, i int
		if _, err := fmt.Sscanf(line, "%d %d\n", &w, &i); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if !taken[w][i] {
			t.Fatalf("%q was not taken, or is there twice", line)
		}
		taken[w][i] = false
	}
	for w := range taken {
		for i, missing := range taken[w] {
			if missing {
				t.Fatalf("line %d of writer %d was taken and is not there", i, w)
			}
		}
	}
}
