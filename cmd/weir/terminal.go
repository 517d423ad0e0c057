package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// terminal is what a person looks at. Where the output is no terminal, or one
// that cannot move its cursor, it is not live and knows no width. It is used by
// one goroutine.
type terminal struct {
	out    io.Writer
	file   *os.File // nil: not live
	colour bool
	open   bool // a picture is on the alternate screen
}

func newTerminal(out io.Writer) *terminal {
	t := &terminal{out: out}
	if isTerminal(out) && os.Getenv("TERM") != "dumb" {
		t.file = out.(*os.File)
		t.colour = os.Getenv("NO_COLOR") == "" // https://no-color.org
	}
	return t
}

func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// widthOf is how many columns a writer's reader sees; 0: any number.
func widthOf(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

func (t *terminal) live() bool { return t.file != nil }

// size is looked up for each picture: a window may change.
func (t *terminal) size() (width, height int) {
	if t.file != nil {
		if w, h, err := term.GetSize(int(t.file.Fd())); err == nil && w > 0 && h > 0 {
			return w, h
		}
	}
	return 100, 30
}

// Sequences of xterm, which every terminal in use knows. The alternate screen
// leaves what was on the terminal before as it was; without automatic wrapping a
// character of double width cannot shift the lines below.
const (
	openScreen  = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
	closeScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	home        = "\x1b[H"
	eraseLine   = "\x1b[K"
	eraseBelow  = "\x1b[J"
)

// draw replaces the picture. What does not fit is left out at the end.
func (t *terminal) draw(picture []line, width, height int) {
	var b strings.Builder
	if !t.open {
		t.open = true
		b.WriteString(openScreen)
	}
	b.WriteString(home)
	for i, l := range picture[:min(len(picture), height)] {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(l.render(width, t.colour) + eraseLine)
	}
	b.WriteString(eraseBelow)
	_, _ = io.WriteString(t.out, b.String()) // a terminal that went away ends the command by its signal
}

// close gives the terminal back as it was. It may be called again.
func (t *terminal) close() {
	if t.open {
		t.open = false
		_, _ = io.WriteString(t.out, closeScreen)
	}
}

// print writes lines that stay.
func (t *terminal) print(lines []line) {
	width := widthOf(t.out)
	for _, l := range lines {
		fmt.Fprintln(t.out, l.render(width, t.colour))
	}
}
