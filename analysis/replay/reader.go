package replay

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/weirproxy/weir/analysis"
)

// Version of the form, in its first line.
const Version = 1

const (
	firstLine = "# weir counts 1"

	maxLine  = 64 << 10
	maxNames = 1000    // distinct versions, and nodes
	maxCount = 1 << 40 // what one tick of one version can have
	maxTime  = 10 * 365 * 24 * time.Hour
)

// SyntaxError is what a file says that cannot be. Lines and columns count from
// 1; columns in bytes.
type SyntaxError struct {
	Line, Column int
	Text         string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Text)
}

// Row are the counts of one version, and of one node where the file tells nodes
// apart, in the tick that ended at T.
type Row struct {
	T             time.Duration // since the trial began
	Version, Node string

	Requests     uint64
	Errors       Bad
	ClientErrors Bad

	Over [analysis.MaxLimits]Bad // indexed as Columns.Limits
	Slow [analysis.MaxLevels]Bad // indexed as Columns.Quantiles: slower than the level of that quantile
}

// Bad are bad requests. Unique are those that count once a client's bucket: all,
// where the file has no column for it.
type Bad struct{ All, Unique uint64 }

// Reader reads the rows and marks of a file one by one. Its memory does not
// depend on how long the file is.
type Reader struct {
	in      *bufio.Reader
	line    int
	columns Columns
	started bool // the line with the columns was read
	last    time.Duration
	names   map[string]string
	fields  [][]byte
	row     Row
	mark    Mark
}

// NewReader returns a reader that has read nothing yet.
func NewReader(in io.Reader) *Reader {
	return &Reader{in: bufio.NewReaderSize(in, maxLine), names: map[string]string{}}
}

// Columns are known once Next has returned a row.
func (r *Reader) Columns() *Columns { return &r.columns }

// Line is the number of the line that was read last.
func (r *Reader) Line() int { return r.line }

// Next returns the next row or the next mark; the other is nil. Both stand until
// the next call. The error is io.EOF after the last, a *SyntaxError, or what the
// reading failed with.
func (r *Reader) Next() (*Row, *Mark, error) {
	for {
		line, err := r.read()
		if err != nil {
			return nil, nil, err
		}
		switch {
		case r.line == 1:
			if err := r.first(line); err != nil {
				return nil, nil, err
			}
		case len(line) == 0:
		case line[0] == '#':
			mark, err := r.comment(line)
			if mark != nil || err != nil {
				return nil, mark, err
			}
		case !r.started:
			if err := r.head(line); err != nil {
				return nil, nil, err
			}
		default:
			if err := r.parse(line); err != nil {
				return nil, nil, err
			}
			return &r.row, nil, nil
		}
	}
}

// read returns the next line without its end.
func (r *Reader) read() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		r.line++
		return nil, r.bad(maxLine, "the line is longer than %d bytes", maxLine)
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("cannot read line %d: %w", r.line+1, err)
	case len(line) == 0:
		if !r.started {
			r.line++
			return nil, r.bad(1, "the file ends before its columns: write %q, then t,version,requests,errors", firstLine)
		}
		return nil, io.EOF
	}
	r.line++
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	return line, nil
}

func (r *Reader) bad(column int, format string, args ...any) error {
	return &SyntaxError{Line: r.line, Column: column, Text: fmt.Sprintf(format, args...)}
}

// first checks the version of the form.
func (r *Reader) first(line []byte) error {
	words := strings.Fields(strings.TrimPrefix(string(line), "\ufeff"))
	if strings.Join(words, " ") == firstLine {
		return nil
	}
	if len(words) == 4 && words[0] == "#" && words[1] == "weir" && words[2] == "counts" {
		return r.bad(1, "the file is of version %s: this weir reads version %d", shorten(words[3]), Version)
	}
	return r.bad(1, "the first line must be %q", firstLine)
}

func (r *Reader) head(line []byte) error {
	names := strings.Split(string(line), ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	columns, problem := parseColumns(names)
	if problem != nil {
		return r.bad(startOf(line, problem.field), "%s", problem.text)
	}
	r.columns, r.started = columns, true
	return nil
}

// startOf is the column at which a field of a line begins.
func startOf(line []byte, field int) int {
	at := 0
	for range field {
		comma := bytes.IndexByte(line[at:], ',')
		if comma < 0 {
			break
		}
		at += comma + 1
	}
	return at + 1
}

// parse reads one row.
func (r *Reader) parse(line []byte) error {
	r.fields = r.fields[:0]
	for rest, more := line, true; more; {
		var field []byte
		field, rest, more = bytes.Cut(rest, []byte(","))
		r.fields = append(r.fields, bytes.TrimSpace(field))
		if len(r.fields) > len(r.columns.list) {
			return r.bad(startOf(line, len(r.fields)-1), "the row has more than the %d fields that the columns name", len(r.columns.list))
		}
	}
	if len(r.fields) < len(r.columns.list) {
		return r.bad(len(line)+1, "the row has %d fields: there are %d columns, and %q is missing", len(r.fields), len(r.columns.list), r.columns.list[len(r.fields)].name)
	}
	r.row = Row{}
	for i := range r.columns.list {
		if problem := r.field(&r.columns.list[i], r.fields[i]); problem != "" {
			return r.bad(startOf(line, i), "%s: %s", r.columns.list[i].name, problem)
		}
	}
	if field, problem := r.impossible(); problem != "" {
		return r.bad(startOf(line, field), "%s: %s", r.columns.list[field].name, problem)
	}
	r.last = r.row.T
	return nil
}

// field reads one field into the row. It returns what is wrong with it.
func (r *Reader) field(c *column, text []byte) string {
	if len(text) == 0 {
		return "the field is empty"
	}
	switch c.kind {
	case colT:
		t, problem := parseTime(text)
		if problem == "" && t < r.last {
			return fmt.Sprintf("%s comes after %s: time must not fall", text, seconds(r.last))
		}
		r.row.T = t
		return problem
	case colVersion:
		return r.name(text, &r.row.Version)
	case colNode:
		return r.name(text, &r.row.Node)
	}
	n, problem := parseCount(text)
	if c.kind == colRequests {
		r.row.Requests = n
		return problem
	}
	bad := r.row.bad(c)
	if isUnique(c.kind) {
		bad.Unique = n
		return problem
	}
	bad.All = n
	if !r.columns.there(c.kind+1, c.index) {
		bad.Unique = n
	}
	return problem
}

// bad are the counts that a column is about.
func (r *Row) bad(c *column) *Bad {
	switch c.kind {
	case colErrors, colErrorsUnique:
		return &r.Errors
	case colClientErrors, colClientErrorsUnique:
		return &r.ClientErrors
	case colOver, colOverUnique:
		return &r.Over[c.index]
	case colSlow, colSlowUnique:
		return &r.Slow[c.index]
	}
	panic(fmt.Sprintf("BUG: column %q counts nothing bad", c.name))
}

// name reads a version or a node. Each is kept once.
func (r *Reader) name(text []byte, into *string) string {
	known, ok := r.names[string(text)]
	if !ok {
		if len(r.names) == maxNames {
			return fmt.Sprintf("the file has more than %d versions and nodes", maxNames)
		}
		if len(text) > 253 || bytes.ContainsAny(text, "\"' \t") {
			return fmt.Sprintf("%q is no name: write it without quotes and spaces", shorten(string(text)))
		}
		known = string(text)
		r.names[known] = known
	}
	*into = known
	return ""
}

// impossible names the field whose count cannot be.
func (r *Reader) impossible() (field int, problem string) {
	for i := range r.columns.list {
		c := &r.columns.list[i]
		if c.kind < colErrors {
			continue
		}
		bad := r.row.bad(c)
		n, most, of := bad.All, r.row.Requests, "requests"
		switch {
		case isUnique(c.kind):
			n, most, of = bad.Unique, bad.All, strings.TrimSuffix(c.name, uniqueAfter)
		case c.kind == colClientErrors:
			most, of = most-min(r.row.Errors.All, most), "requests that are no errors"
		}
		if n > most {
			return i, fmt.Sprintf("%d of %d %s cannot be", n, most, of)
		}
	}
	return 0, ""
}
