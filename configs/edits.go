package configs

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// HeaderEdits change the fields of heads that pass by a route. Values may hold
// the variables ${client} (the client's address), ${host} (that it asked for),
// ${service}, ${version}, ${endpoint} and ${request_id}. Whoever may read the
// document reads the values: they are no place for secrets.
//
// Fields that frame a message, concern one connection or name the target cannot
// be changed, nor those that weir writes itself.
type HeaderEdits struct {
	// Set puts a field in place of all of its name, or adds it. Empty: none.
	Set map[string]string `json:"set,omitempty" yaml:"set,omitempty"`

	// Add puts a field beside those of its name. Empty: none.
	Add map[string]string `json:"add,omitempty" yaml:"add,omitempty"`

	// Remove takes all fields of a name out. Empty: none.
	Remove []string `json:"remove,omitempty" yaml:"remove,omitempty"`
}

// maxEdits bounds the fields that one route changes in one direction.
const maxEdits = 32

func (e *HeaderEdits) check(r *report, path string, reserved func(lower string) string) {
	if e == nil {
		return
	}
	if n := len(e.Set) + len(e.Add) + len(e.Remove); n == 0 || n > maxEdits {
		r.add(path, fmt.Sprintf("write 1 to %d of them under set, add and remove", maxEdits), "%d fields are changed", n)
	}
	seen := map[string]string{} // lower-case name -> where it stands
	name := func(at, name string) {
		lower := strings.ToLower(name)
		switch other, twice := seen[lower]; {
		case !isToken(name) || len(name) > 128:
			r.add(at, "write a name such as X-Environment", "%q is not the name of a header", name)
		case reserved(lower) != "":
			r.add(at, "remove it", "the header %s cannot be changed: %s", name, reserved(lower))
		case twice:
			r.add(at, "keep one of them", "the header %s is changed by %s already", name, other)
		default:
			seen[lower] = at
		}
	}
	values := func(path string, fields map[string]string) {
		for _, header := range slices.Sorted(maps.Keys(fields)) {
			name(field(path, header), header)
			checkEdit(r, field(path, header), fields[header])
		}
	}
	values(field(path, "set"), e.Set)
	values(field(path, "add"), e.Add)
	for i, header := range e.Remove {
		name(item(field(path, "remove"), i), header)
	}
}

// checkEdit checks a value: no byte of it may end the line (RFC 9110 section
// 5.5), and every variable must exist.
func checkEdit(r *report, at, value string) {
	if !isFieldValue(value) || len(value) > 4096 {
		r.add(at, "write at most 4096 printable characters without spaces around them", "%.80q is not the value of a header", value)
	}
	for _, part := range strings.Split(value, "${")[1:] {
		word, _, closed := strings.Cut(part, "}")
		if known := []string{"client", "host", "service", "version", "endpoint", "request_id"}; !closed || !slices.Contains(known, word) {
			r.add(at, "write "+oneOf(known)+", such as ${client}", "there is no variable ${%.40s", part)
		}
	}
}

// ofMessage tells why a field is part of how a message or a connection works.
func ofMessage(lower string) string {
	switch lower {
	case "content-length", "transfer-encoding", "trailer":
		return "it frames the message"
	case "connection", "keep-alive", "proxy-connection", "upgrade", "te", "http2-settings", "proxy-authenticate", "proxy-authorization":
		return "it concerns one connection"
	case "grpc-status", "grpc-message":
		return "it is the outcome of a call"
	}
	return ""
}

// ofRequest tells why a field of requests cannot be changed; empty: it can.
func ofRequest(lower string) string {
	switch lower {
	case "host":
		return "the service's host says what endpoints see"
	case "expect":
		return "weir answers it itself"
	case "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto":
		return "weir writes it, and trusted_proxies says who is believed"
	}
	return ofMessage(lower)
}

// ofResponse is ofRequest for answers.
func ofResponse(lower string) string {
	if lower == "x-weir-reason" {
		return "weir writes it"
	}
	return ofMessage(lower)
}

// checkRedirect checks `https` and `https:8443`.
func (t *Route) checkRedirect(r *report, path string) {
	if _, ok := t.RedirectPort(); !ok {
		r.add(path, "write https, or https:8443 for another port", "%q is nothing to redirect to", t.Redirect)
	}
}

// RedirectPort is the port that plaintext requests are redirected to, empty if
// they are not. ok is false for what Validate refuses.
func (t *Route) RedirectPort() (port string, ok bool) {
	scheme, port, given := strings.Cut(t.Redirect, ":")
	switch {
	case t.Redirect == "":
		return "", true
	case scheme != "https":
		return "", false
	case !given:
		return "443", true
	}
	return port, isDigits(port) && len(port) <= 5 && port[0] != '0' && (len(port) < 5 || port <= "65535")
}
