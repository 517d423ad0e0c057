package replay

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// readAll reads a whole file.
func readAll(text string) (rows []Row, marks []Mark, columns Columns, err error) {
	r := NewReader(strings.NewReader(text))
	for {
		row, mark, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return rows, marks, *r.Columns(), nil
		case err != nil:
			return nil, nil, Columns{}, err
		case mark != nil:
			marks = append(marks, *mark)
		default:
			rows = append(rows, *row)
		}
	}
}

func TestReader_SaysWhereAFileIsWrong(t *testing.T) {
	f := func(text string, line, column int, want string) {
		t.Helper()
		_, _, _, err := readAll(text)
		var e *SyntaxError
		if !errors.As(err, &e) {
			t.Errorf("%q: %v", text, err)
			return
		}
		if e.Line != line || e.Column != column || !strings.Contains(e.Text, want) {
			t.Errorf("%q: line %d, column %d: %s; want line %d, column %d and %q", text, e.Line, e.Column, e.Text, line, column, want)
		}
	}
	const head = "# weir counts 1\nt,version,requests,errors,over_200ms\n"
	f("", 1, 1, "ends before its columns")
	f("t,version,requests,errors\n", 1, 1, `must be "# weir counts 1"`)
	f("# weir counts 2\n", 1, 1, "version 2: this weir reads version 1")
	f("# weir counts 1", 2, 1, "ends before its columns")
	f("# weir counts 1\nt,version,requests\n", 2, 1, `no column "errors"`)
	f("# weir counts 1\nt,version,requests,errors,status\n", 2, 27, `no column "status"`)
	f("# weir counts 1\nt,version,requests,errors,over_fast\n", 2, 27, `no column "over_fast"`)
	f("# weir counts 1\nt,version,requests,errors,over_-1s\n", 2, 27, `no column "over_-1s"`)
	f("# weir counts 1\nt,version,t,requests,errors\n", 2, 11, `"t" is there twice`)
	f("# weir counts 1\nt,version,requests,errors,over_1s,over_1000ms\n", 2, 35, "is there twice")
	f("# weir counts 1\nt,version,requests,errors,over_1s_unique\n", 2, 27, `no "over_1s" beside it`)
	f("# weir counts 1\nt,version,requests,errors"+strings.Repeat(",over_1ms,over_2ms,over_3ms", 1)+",over_4ms,over_5ms,over_6ms,over_7ms,over_8ms,over_9ms\n", 2, 1, "9 latency limits")
	f("# weir counts 1\nt,version,requests,errors,over_q101\n", 2, 27, `no column "over_q101"`)
	f("# weir counts 1\nt,version,requests,errors,node_unique\n", 2, 27, `no column "node_unique"`)
	f("# weir counts 1\nt,version,requests,errors,client_errors\n1,blue,10,4,7\n", 3, 13, "7 of 6 requests that are no errors cannot be")
	f(head+"1,blue,10,0\n", 3, 12, `"over_200ms" is missing`)
	f(head+"1,blue,10,0,0,0\n", 3, 15, "more than the 5 fields")
	f(head+"1,blue,,0,0\n", 3, 8, "requests: the field is empty")
	f(head+"1,,10,0,0\n", 3, 3, "version: the field is empty")
	f(head+"1,\"blue\",10,0,0\n", 3, 3, "without quotes")
	f(head+"1,blue,ten,0,0\n", 3, 8, `requests: "ten" is no count`)
	f(head+"1,blue,-1,0,0\n", 3, 8, `"-1" is no count`)
	f(head+"1,blue,1.5,0,0\n", 3, 8, `"1.5" is no count`)
	f(head+"1,blue,99999999999999,0,0\n", 3, 8, "more than a tick can have")
	f(head+"1,blue,10,11,0\n", 3, 11, "errors: 11 of 10 requests cannot be")
	f(head+"1,blue,10,1,11\n", 3, 13, "over_200ms: 11 of 10 requests cannot be")
	f("# weir counts 1\nt,version,requests,errors,errors_unique\n1,blue,10,1,2\n", 3, 13, "errors_unique: 2 of 1 errors cannot be")
	f(head+"1,blue,10,0,0\n\n3,blue,10,0,0\n2,blue,10,0,0\n", 6, 1, "2 comes after 3: time must not fall")
	f(head+"-1,blue,10,0,0\n", 3, 1, "is no time")
	f(head+"NaN,blue,10,0,0\n", 3, 1, "is no time")
	f(head+"1e3,blue,10,0,0\n", 3, 1, "is no time")
	f(head+".5,blue,10,0,0\n", 3, 1, "is no time")
	f(head+"1.,blue,10,0,0\n", 3, 1, "is no time")
	f(head+"1.0000000001,blue,10,0,0\n", 3, 1, "finer than a nanosecond")
	f(head+"99999999999999999999,blue,10,0,0\n", 3, 1, "later than a trial can last")
	f(head+"# stage one 3\n", 3, 1, "write # stage <n> <t>")
	f(head+"# stage 1\n", 3, 1, "write # stage <n> <t>")
	f(head+"# health green\n", 3, 1, "write # health <version> failing <t>")
	f(head+"# health green sick 3\n", 3, 1, "write # health <version> failing <t>")
	f(head+"# baseline 1%\n", 3, 1, "write # baseline <rate>")
	f(head+"# baseline NaN\n", 3, 1, "write # baseline <rate>")
	f(head+"# nodes 0\n", 3, 1, "write # nodes <n>")
	f(head+"1,"+strings.Repeat("x", maxLine)+",10,0,0\n", 3, maxLine, "longer than")
}

func TestReader_ReadsWhatEditorsMakeOfAFile(t *testing.T) {
	rows, marks, columns, err := readAll("\ufeff# weir  counts 1\r\n# taken by ana\r\n# stage 0 0\r\nversion, t ,errors,requests,node,over_1500ms\r\n\r\nblue,0.5,1, 10 ,n1,2")
	if err != nil {
		t.Fatal(err)
	}
	want := Row{T: 500 * time.Millisecond, Version: "blue", Node: "n1", Requests: 10, Errors: Bad{1, 1}}
	want.Over[0] = Bad{2, 2}
	if len(rows) != 1 || rows[0] != want || len(marks) != 1 || marks[0] != (Mark{Kind: MarkStage}) {
		t.Fatalf("%+v %+v", rows, marks)
	}
	if len(columns.Limits) != 1 || columns.Limits[0] != 1500*time.Millisecond || !columns.there(colNode, 0) || columns.there(colErrorsUnique, 0) {
		t.Fatalf("%+v", columns)
	}
}

// A file that was written is read back as it was.
func TestWriter_WritesWhatTheReaderReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Header{
			Unique: rapid.Bool().Draw(t, "unique"), Node: rapid.Bool().Draw(t, "node"),
			Notes:  []string{"a note\nof two lines"},
			Client: rapid.Bool().Draw(t, "client errors"), Quantiles: []int{500, 999}[:rapid.IntRange(0, 2).Draw(t, "quantiles")],
			Limits: []time.Duration{200 * time.Millisecond, 1500 * time.Millisecond, 2 * time.Minute}[:rapid.IntRange(0, 3).Draw(t, "limits")],
			Marks: []Mark{
				{Kind: MarkBaseline, Rate: rapid.Float64Range(0, .999).Draw(t, "rate")}, {Kind: MarkNodes, N: 3}, {Kind: MarkCandidates, N: 2},
				{Kind: MarkStage, N: 1, T: time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "stage"))},
				{Kind: MarkFailing, Version: "green", T: time.Second}, {Kind: MarkPassing, Version: "green", T: 2 * time.Second},
			},
		}
		var text strings.Builder
		w := NewWriter(&text, h)
		var want []Row
		at := time.Duration(0)
		for i := range rapid.IntRange(0, 20).Draw(t, "rows") {
			at += time.Duration(rapid.Int64Range(0, 3e9).Draw(t, "later"))
			row := Row{T: at, Version: fmt.Sprintf("v%d", i%3)}
			if h.Node {
				row.Node = "n1"
			}
			row.Requests = rapid.Uint64Range(0, 1000).Draw(t, "requests")
			bad := func(most uint64, unique bool) Bad {
				all := rapid.Uint64Range(0, most).Draw(t, "bad")
				if !unique {
					return Bad{all, all}
				}
				return Bad{all, rapid.Uint64Range(0, all).Draw(t, "unique bad")}
			}
			row.Errors = bad(row.Requests, h.Unique)
			if h.Client {
				row.ClientErrors = bad(row.Requests-row.Errors.All, true)
			}
			for k := range h.Limits {
				row.Over[k] = bad(row.Requests, h.Unique)
			}
			for k := range h.Quantiles {
				row.Slow[k] = bad(row.Requests, h.Unique)
			}
			w.Row(&row)
			if row.Requests > 0 {
				want = append(want, row)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		rows, marks, columns, err := readAll(text.String())
		if err != nil {
			t.Fatalf("%v in\n%s", err, text.String())
		}
		if fmt.Sprint(rows) != fmt.Sprint(want) || fmt.Sprint(marks) != fmt.Sprint(h.Marks) || fmt.Sprint(columns.Limits, columns.Quantiles) != fmt.Sprint(h.Limits, h.Quantiles) {
			t.Fatalf("read\n%+v\n%+v\nwant\n%+v\n%+v", rows, marks, want, h.Marks)
		}
	})
}
