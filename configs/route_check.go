package configs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func (s *Service) checkRoutes(r *report) {
	if len(s.Routes) == 0 {
		r.add("routes", "write routes: [{path: /}]", "no request leads to the service")
	}
	if len(s.Routes) > maxRoutes {
		r.add("routes", fmt.Sprintf("keep at most %d", maxRoutes), "there are %d routes", len(s.Routes))
		return
	}
	for i := range s.Routes {
		s.Routes[i].check(r, item("routes", i))
	}
	for i := range s.Routes {
		for j := range i {
			if s.Routes[i].ties(&s.Routes[j]) {
				r.add(item("routes", i), "remove one, or give it another host, path, methods or headers",
					"some requests match this route and routes[%d] equally well", j)
				break
			}
		}
	}
}

func (t *Route) check(r *report, path string) {
	if t.Host != "" {
		bare := strings.TrimPrefix(t.Host, "*.")
		switch {
		case isHost(bare) && (bare == t.Host || strings.Contains(bare, ".") && !isDigits(strings.ReplaceAll(bare, ".", ""))):
		case strings.HasPrefix(t.Host, "[") && isHostPort(t.Host) && strings.HasSuffix(t.Host, "]"):
		case isHostPort(t.Host):
			r.add(field(path, "host"), "write "+t.Host[:strings.LastIndexByte(t.Host, ':')], "the host %q has a port", t.Host)
		case strings.Contains(t.Host, "*"):
			r.add(field(path, "host"), "write a wildcard as *.example.com, or leave host out for any", "%q is not a host", t.Host)
		default:
			r.add(field(path, "host"), "write a name such as shop.example.com", "%q is not a host", t.Host)
		}
	}
	if t.Path != "" {
		if hint, wrong := cleanPath(t.Path, false); wrong != "" {
			r.add(field(path, "path"), hint, "%q %s", t.Path, wrong)
		}
	}
	r.methods(field(path, "methods"), t.Methods)
	names := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(t.Headers)) {
		at := field(field(path, "headers"), name)
		if !isToken(name) {
			r.add(at, "write a name such as X-Api-Version", "%q is not the name of a header", name)
		}
		if !isFieldValue(t.Headers[name]) {
			r.add(at, "write printable text without spaces around it", "%q is not the value of a header", t.Headers[name])
		}
		if names[strings.ToLower(name)] {
			r.add(at, "keep one of them", "the header %q stands here twice", name)
		}
		names[strings.ToLower(name)] = true
	}
	if t.StripPrefix != "" {
		t.checkStrip(r, field(path, "strip_prefix"))
	}
	t.checkRedirect(r, field(path, "redirect"))
	t.RequestHeaders.check(r, field(path, "request_headers"), ofRequest)
	t.ResponseHeaders.check(r, field(path, "response_headers"), ofResponse)
}

func (t *Route) checkStrip(r *report, path string) {
	if hint, wrong := cleanPath(t.StripPrefix, false); wrong != "" {
		r.add(path, hint, "%q %s", t.StripPrefix, wrong)
		return
	}
	strip := strings.TrimSuffix(t.StripPrefix, "/")
	if rest, ok := strings.CutPrefix(t.Path, strip); !ok || rest != "" && rest[0] != '/' {
		r.add(path, fmt.Sprintf("write a part of the path %q, or path: %s/", cmp.Or(t.Path, "/"), strip),
			"%q does not begin every path that the route matches", t.StripPrefix)
	}
}

func (r *report) methods(path string, methods []string) {
	seen := map[string]bool{}
	for i, method := range methods {
		upper := strings.ToUpper(method)
		switch {
		case !isToken(method):
			r.add(item(path, i), "write a method such as GET", "%q is not a method", method)
		case method != upper:
			r.add(item(path, i), "write "+upper, "the method %q is not in capitals", method)
		case method == "CONNECT" || method == "TRACE":
			r.add(item(path, i), "remove it", "weir answers no %s", method)
		case seen[method]:
			r.add(item(path, i), "remove one", "the method %s stands here twice", method)
		}
		seen[method] = true
	}
}

// ties reports whether some request matches both routes and neither is more
// specific: same host and path, methods in both or in none, as many headers, and
// no condition of one that excludes the other.
func (t *Route) ties(o *Route) bool {
	if !strings.EqualFold(t.Host, o.Host) || t.prefix() != o.prefix() ||
		(len(t.Methods) > 0) != (len(o.Methods) > 0) || len(t.Headers) != len(o.Headers) {
		return false
	}
	if len(t.Methods) > 0 && !slices.ContainsFunc(t.Methods, func(m string) bool { return slices.Contains(o.Methods, m) }) {
		return false
	}
	for name, value := range t.Headers {
		for other, otherValue := range o.Headers {
			if strings.EqualFold(name, other) && value != otherValue {
				return false
			}
		}
	}
	return true
}

// prefix is the path without the slash at its end, which matches the same.
func (t *Route) prefix() string { return strings.TrimSuffix(t.Path, "/") }
