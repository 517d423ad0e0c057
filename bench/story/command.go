package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// said is what a command printed.
type said struct {
	s    *story
	line string
	text string
}

// weir runs a command as a person types it, which must succeed. Words in single
// quotes are one.
func (s *story) weir(format string, args ...any) said {
	return s.run(fmt.Sprintf(format, args...), 0)
}

// refused runs a command that must end with code 1.
func (s *story) refused(format string, args ...any) said {
	return s.run(fmt.Sprintf(format, args...), 1)
}

func (s *story) run(line string, want int) said {
	if s.err != nil {
		return said{s: s}
	}
	s.say("$ weir %s", line)
	code, out, problem, err := s.nodes[0].CLI(words(line)...)
	s.check(err)
	text := out + problem
	for printed := range strings.Lines(text) {
		s.out.Printf("           %s\n", strings.TrimRight(printed, "\n"))
	}
	if err == nil && code != want {
		s.check(fmt.Errorf("weir %s ends with code %d, not %d:\n%s", line, code, want, text))
	}
	return said{s, line, text}
}

// says holds what was printed against what must be in it, in any order.
func (o said) says(parts ...string) {
	for _, part := range parts {
		if !o.has(part) {
			o.s.check(fmt.Errorf("weir %s does not say %q:\n%s", o.line, part, o.text))
		}
	}
}

// has reports whether something was printed.
func (o said) has(part string) bool { return strings.Contains(o.text, part) }

// words splits a line as a shell would that knows single quotes alone.
func words(line string) []string {
	var all []string
	open, quoted := false, false // a word, and quotes within it
	for _, r := range line {
		switch {
		case r == ' ' && !quoted:
			open = false
			continue
		case !open:
			all, open = append(all, ""), true
		}
		if r == '\'' {
			quoted = !quoted
			continue
		}
		all[len(all)-1] += string(r)
	}
	return all
}

// file writes a document beside the commands, and shows it.
func (s *story) file(name, text string) {
	if s.err != nil {
		return
	}
	s.say("%s", name)
	for line := range strings.Lines(text) {
		s.out.Printf("           | %s", line)
	}
	s.check(os.WriteFile(filepath.Join(s.lab.Dir, name), []byte(text), 0o600))
}
