package replay

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// Header is what a file says before its rows.
type Header struct {
	Notes     []string        // comments for people; one line each
	Limits    []time.Duration // rising: the columns over_<limit>
	Quantiles []int           // rising, in tenths of a percent: the columns over_q<percent>
	// Client adds the columns of client errors, which count once a bucket too.
	Client bool
	// Unique adds a column beside each other one of what counted once a bucket.
	Unique bool
	Node   bool   // adds the column node
	Marks  []Mark // in any order
}

// Writer writes the rows of a file. Rows come with times that do not fall; one
// without requests is left out. An error stays until Flush returns it.
type Writer struct {
	out    *bufio.Writer
	header Header
	line   []byte
}

// NewWriter writes all that comes before the rows.
func NewWriter(out io.Writer, h Header) *Writer {
	w := &Writer{out: bufio.NewWriter(out), header: h}
	columns := []string{"t", "version"}
	add := func(name string, unique bool) {
		columns = append(columns, name)
		if unique {
			columns = append(columns, name+uniqueAfter)
		}
	}
	if h.Node {
		columns = append(columns, "node")
	}
	columns = append(columns, "requests")
	add("errors", h.Unique)
	if h.Client {
		add("client_errors", true)
	}
	for _, limit := range h.Limits {
		add(overPrefix+limitText(limit), h.Unique)
	}
	for _, tenths := range h.Quantiles {
		add(slowPrefix+quantileText(tenths), h.Unique)
	}
	fmt.Fprintf(w.out, "%s\n%s\n", firstLine, strings.Join(columns, ","))
	for _, note := range h.Notes {
		fmt.Fprintf(w.out, "# %s\n", strings.ReplaceAll(note, "\n", " "))
	}
	for _, mark := range h.Marks {
		fmt.Fprintf(w.out, "%s\n", mark)
	}
	return w
}

// Row writes one row. Over and Slow are indexed as in the header.
func (w *Writer) Row(r *Row) {
	if r.Requests == 0 {
		return
	}
	w.line = appendSeconds(w.line[:0], r.T)
	w.line = append(append(w.line, ','), r.Version...)
	if w.header.Node {
		w.line = append(append(w.line, ','), r.Node...)
	}
	w.count(r.Requests)
	w.bad(r.Errors, w.header.Unique)
	if w.header.Client {
		w.bad(r.ClientErrors, true)
	}
	for i := range w.header.Limits {
		w.bad(r.Over[i], w.header.Unique)
	}
	for i := range w.header.Quantiles {
		w.bad(r.Slow[i], w.header.Unique)
	}
	w.line = append(w.line, '\n')
	_, _ = w.out.Write(w.line) // Flush says what went wrong
}

func (w *Writer) count(n uint64) { w.line = strconv.AppendUint(append(w.line, ','), n, 10) }

func (w *Writer) bad(b Bad, unique bool) {
	w.count(b.All)
	if unique {
		w.count(b.Unique)
	}
}

// Flush writes what is left, and returns the first error of all.
func (w *Writer) Flush() error {
	if err := w.out.Flush(); err != nil {
		return fmt.Errorf("cannot write the counts: %w", err)
	}
	return nil
}

// limitText writes a limit as a column names it: 200ms, 1.5s, 2m.
func limitText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
