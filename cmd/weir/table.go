package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// columnGap is between two columns.
const columnGap = 2

// leastCut is how much of a cell stays when its column gives way.
const leastCut = 12

// table aligns rows of cells under a head. On a terminal it fits its width: the
// columns that yield are cut, and left out where that is not enough.
type table struct {
	w      io.Writer
	width  int // 0: as wide as it gets
	rows   [][]piece
	yields []int // columns, the least important first
	whole  []int // those of them that are left out rather than cut
}

func newTable(w io.Writer, head ...string) *table {
	t := &table{w: w, width: widthOf(w)}
	if p, ok := w.(page); ok {
		t.width = p.width
	}
	if len(head) > 0 {
		t.row(head...)
	}
	return t
}

// yield names columns that may be cut or left out by their heads, the least
// important first. Ids are never among them.
func (t *table) yield(heads ...string) *table {
	for _, head := range heads {
		t.yields = append(t.yields, t.column(head))
	}
	return t
}

// yieldWhole names columns that give way after those before and are never cut.
func (t *table) yieldWhole(heads ...string) *table {
	for _, head := range heads {
		t.whole = append(t.whole, t.column(head))
	}
	return t.yield(heads...)
}

func (t *table) column(head string) int {
	i := slices.IndexFunc(t.rows[0], func(p piece) bool { return strings.TrimSpace(p.text) == head })
	if i < 0 {
		panic(fmt.Sprintf("BUG: no column %q", head))
	}
	return i
}

// row adds a line.
func (t *table) row(cells ...string) {
	row := make([]piece, len(cells))
	for i, cell := range cells {
		row[i].text = printable(cell)
	}
	t.rows = append(t.rows, row)
}

// put adds a line of cells with ink.
func (t *table) put(cells ...piece) {
	for i := range cells {
		cells[i].text = printable(cells[i].text)
	}
	t.rows = append(t.rows, cells)
}

// end writes the table.
func (t *table) end() error {
	for _, l := range t.lines() {
		if _, err := io.WriteString(t.w, l.render(0, false)+"\n"); err != nil {
			return fmt.Errorf("cannot write the table: %w", err)
		}
	}
	return nil
}

// lines is the table as lines of a picture.
func (t *table) lines() []line {
	widths := t.widths()
	t.fit(widths)
	lines := make([]line, 0, len(t.rows))
	for _, row := range t.rows {
		var l line
		for i, cell := range row {
			if widths[i] == 0 {
				continue
			}
			cell.text = shorten(cell.text, widths[i])
			l = append(l, cell)
			if i < len(row)-1 {
				l = append(l, piece{text: strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell.text)+columnGap)})
			}
		}
		lines = append(lines, l)
	}
	return lines
}

// widths are those of the columns, without the gaps.
func (t *table) widths() []int {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell.text))
		}
	}
	return widths
}

// fit takes from columns that yield what the page has no room for. A width of 0
// leaves the column out.
func (t *table) fit(widths []int) {
	if t.width <= 0 {
		return
	}
	over := -t.width - columnGap
	for _, w := range widths {
		if w > 0 {
			over += w + columnGap
		}
	}
	for _, i := range t.yields {
		if slices.Contains(t.whole, i) {
			continue
		}
		if cut := min(over, widths[i]-max(leastCut, utf8.RuneCountInString(t.rows[0][i].text))); cut > 0 {
			widths[i] -= cut
			over -= cut
		}
	}
	for _, i := range t.yields {
		if over > 0 && widths[i] > 0 {
			over -= widths[i] + columnGap
			widths[i] = 0
		}
	}
}
