package configs

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const maxName = 63

// isName reports whether s can name a service, a notifier or a freeze:
// lower-case letters, digits and dashes, a letter or digit at both ends.
func isName(s string) bool {
	return isVersionName(s) && strings.ToLower(s) == s && !strings.ContainsAny(s, "._")
}

// isVersionName reports whether s can name a version or a node: letters, digits,
// dots, dashes and underscores, a letter or digit at both ends.
func isVersionName(s string) bool {
	if s == "" || len(s) > maxName {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case (c == '.' || c == '-' || c == '_') && i > 0 && i < len(s)-1:
		default:
			return false
		}
	}
	return true
}

const (
	nameHint    = "write 1 to 63 lower-case letters, digits and dashes, such as shop"
	versionHint = "write 1 to 63 letters, digits, dots, dashes and underscores, such as v1.5.0"
)

func (r *report) name(path, name string) {
	switch {
	case name == "":
		r.add(path, nameHint, "the name is missing")
	case !isName(name):
		r.add(path, nameHint, "%q is not a name", name)
	}
}

// address checks `host:port`. An address to listen on may leave the host out,
// and may ask for a free port with 0.
func (r *report) address(path, address string, listen bool) {
	if address == "" {
		r.add(path, "write host:port", "the address is missing")
		return
	}
	if strings.Contains(address, "://") {
		hint := "write host:port"
		if u, err := url.Parse(address); err == nil && u.Port() != "" {
			hint = "write " + u.Host
		}
		r.add(path, hint, "%q is a URL, not an address", address)
		return
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		switch {
		case isIPv6(address):
			r.add(path, "write ["+address+"]:80", "%q is an IPv6 address without brackets and port", address)
		case isHost(strings.Trim(address, "[]")):
			r.add(path, "write "+address+":80", "%q has no port", address)
		default:
			r.add(path, "write host:port, such as 127.0.0.1:80 or [::1]:80", "%q is not an address", address)
		}
		return
	}
	number, err := strconv.Atoi(port)
	lowest := 1
	if listen {
		lowest = 0
	}
	if err != nil || !isDigits(port) || number < lowest || number > 65535 {
		r.add(path, "write a port from 1 to 65535", "%q has no valid port", address)
	}
	if !(listen && host == "") && !isHost(host) && !isIPv6(host) {
		r.add(path, "write host:port, such as 127.0.0.1:80 or [::1]:80", "%q has no valid host", address)
	}
}

func isIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6()
}

// isHost reports whether s is an IPv4 address or a DNS name.
func isHost(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isVersionName(label) {
			return false
		}
	}
	// What looks like an IPv4 address must be one.
	if isDigits(strings.ReplaceAll(s, ".", "")) {
		_, err := netip.ParseAddr(s)
		return err == nil
	}
	return true
}

// isLoopback reports whether only this machine reaches an address.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// isToken reports whether s is a token of RFC 9110 §5.6.2: the form of methods
// and field names.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isFieldValue reports whether s can be the value of a header field.
func isFieldValue(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return strings.TrimSpace(s) == s
}

// cleanPath says what is wrong with a path that requests are compared with, or
// that a probe asks for.
func cleanPath(path string, query bool) (hint, wrong string) {
	bare := path
	if query {
		bare, _, _ = strings.Cut(path, "?")
	}
	switch {
	case !strings.HasPrefix(path, "/"):
		return "write /" + strings.TrimLeft(path, "/"), "does not begin with /"
	case strings.ContainsAny(bare, "?#"):
		return "write the path alone", "has a query or a fragment"
	case strings.IndexFunc(path, func(r rune) bool { return r <= ' ' || r >= 0x7f }) >= 0:
		return "write such bytes percent-encoded", "has a space or another byte that no request line carries"
	case strings.Contains(bare, "//") || strings.Contains(bare+"/", "/./") || strings.Contains(bare+"/", "/../"):
		return "write the path without empty, . and .. segments", "is not in its shortest form"
	}
	return "", ""
}
