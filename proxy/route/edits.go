package route

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Edits change the fields of a message's head. Immutable; nil changes nothing.
type Edits struct {
	dropped []string // names of fields that are taken out, in lower case

	// Lines are the fields that are put in, each ended by CRLF.
	Lines []Piece

	// Own are those of Lines that also go with answers of weir's own, which say
	// themselves what their body is.
	Own []Piece

	// Shared says that Lines let shared caches keep the answer, Decided that they
	// are all that is said of caches: what the endpoint said is replaced.
	Shared, Decided bool
}

// Piece is a text of Edits and the variable that follows it.
type Piece struct {
	Text []byte
	Then Variable
}

// Variable is what differs from request to request in the value of a field.
type Variable uint8

// Variables. In a document they are written ${client}, ${host} and so on.
const (
	NoVariable  Variable = iota
	ClientVar            // address of the client, as it is logged
	HostVar              // Host that the client asked for
	ServiceVar           // name of the service
	VersionVar           // name of the version; empty before one is chosen
	EndpointVar          // address of the endpoint; empty before one is chosen
	RequestVar           // id of the request; empty if the node makes none
)

func variable(name string) Variable {
	switch name {
	case "client":
		return ClientVar
	case "host":
		return HostVar
	case "service":
		return ServiceVar
	case "version":
		return VersionVar
	case "endpoint":
		return EndpointVar
	case "request_id":
		return RequestVar
	}
	return NoVariable
}

// NewEdits compiles edits: a field that is set replaces all of its name, one
// that is added comes beside them, one that is removed is taken out. Names and
// values must be those of a valid document. All empty: nil. It fails for a
// variable that does not exist.
func NewEdits(set, add map[string]string, remove []string) (*Edits, error) {
	if len(set) == 0 && len(add) == 0 && len(remove) == 0 {
		return nil, nil
	}
	e := &Edits{}
	for _, name := range remove {
		e.dropped = append(e.dropped, strings.ToLower(name))
	}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		e.dropped = append(e.dropped, strings.ToLower(name))
		e.Decided = e.Decided || strings.EqualFold(name, "Cache-Control")
		if err := e.line(name, set[name]); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(add)) {
		if err := e.line(name, add[name]); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *Edits) line(name, value string) error {
	var err error
	if e.Lines, err = appendLine(e.Lines, name, value); err != nil {
		return err
	}
	if !strings.HasPrefix(strings.ToLower(name), "content-") {
		e.Own, _ = appendLine(e.Own, name, value)
	}
	if strings.EqualFold(name, "Cache-Control") {
		for item := range strings.SplitSeq(strings.ToLower(value), ",") {
			word, _, _ := strings.Cut(strings.TrimSpace(item), "=")
			e.Shared = e.Shared || word == "public" || word == "s-maxage"
		}
	}
	return nil
}

// appendLine appends `name: value` and CRLF. Texts that meet become one piece.
func appendLine(pieces []Piece, name, value string) ([]Piece, error) {
	text := func(s string) {
		if n := len(pieces); n > 0 && pieces[n-1].Then == NoVariable {
			pieces[n-1].Text = append(pieces[n-1].Text, s...)
		} else {
			pieces = append(pieces, Piece{Text: []byte(s)})
		}
	}
	text(name + ": ")
	for {
		before, rest, found := strings.Cut(value, "${")
		text(before)
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		v := variable(name)
		if !closed || v == NoVariable {
			return nil, fmt.Errorf("cannot write ${%s in a header: there is no such variable", rest)
		}
		pieces[len(pieces)-1].Then = v
		value = after
	}
	text("\r\n")
	return pieces, nil
}

// Drops reports whether fields of that name are taken out.
func (e *Edits) Drops(name []byte) bool {
	for _, dropped := range e.dropped {
		if len(dropped) == len(name) && equalLower(name, dropped) {
			return true
		}
	}
	return false
}

// equalLower compares ASCII of equal length without case. lower must be in
// lower case.
func equalLower(b []byte, lower string) bool {
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
