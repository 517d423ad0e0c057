package main

import "strings"

// key is one press: the character, or one of the names below.
type key string

// Keys that are no characters.
const (
	keyInterrupt key = "interrupt"
	keyEscape    key = "escape"
	keyEnter     key = "enter"
	keyBackspace key = "backspace"
	keyUp        key = "up"
	keyDown      key = "down"
	keyPageUp    key = "page up"
	keyPageDown  key = "page down"
)

// keysOf reads what a terminal sends for presses. An escape sequence comes in
// one piece; one that is not known is nothing.
func keysOf(text string) []key {
	sequences := []struct {
		text string
		key  key
	}{
		{"\x1b[A", keyUp}, {"\x1bOA", keyUp}, {"\x1b[B", keyDown}, {"\x1bOB", keyDown},
		{"\x1b[5~", keyPageUp}, {"\x1b[6~", keyPageDown},
	}
	var keys []key
next:
	for text != "" {
		for _, s := range sequences {
			if rest, ok := strings.CutPrefix(text, s.text); ok {
				keys, text = append(keys, s.key), rest
				continue next
			}
		}
		c := text[0]
		switch {
		case c == '\x1b' && len(text) > 1:
			return keys
		case c == '\x1b':
			keys = append(keys, keyEscape)
		case c == 3 || c == 4: // Ctrl-C, Ctrl-D
			keys = append(keys, keyInterrupt)
		case c == '\r' || c == '\n':
			keys = append(keys, keyEnter)
		case c == 8 || c == 127:
			keys = append(keys, keyBackspace)
		default:
			keys = append(keys, key(text[:1]))
		}
		text = text[1:]
	}
	return keys
}
