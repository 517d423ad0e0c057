package route

// Request is what a Table matches by. The bytes are only read, during Match.
type Request struct {
	// Host is the Host that the request was sent to, in any case, with or
	// without a port or a final dot.
	Host []byte

	// Path is the raw path without query, as the client sent it.
	Path []byte

	// Method is compared as it stands.
	Method []byte

	// Header returns the value of the named header, nil if it is absent. It is
	// called only for routes with header conditions. Nil: no headers.
	Header func(name string) []byte
}

// Rule leads requests to a Route. All that is set must match.
type Rule struct {
	// Host is an exact name or address, or `*.example.com` for one or more
	// labels before the suffix, without a port. Empty: any host.
	Host string

	// Path is a prefix on segment borders: `/search` and `/search/` both match
	// `/search` and everything below. Empty and `/`: any path.
	Path string

	// Methods are the methods that match. Empty: any.
	Methods []string

	// Headers must be present with exactly these values.
	Headers map[string]string

	Route *Route

	prepared *entry // what Prepare made of all above but Route; nil: it was not asked
}

// Prepare makes what tables need of the rules, so that no table has to make it
// again. Of a rule that is prepared nothing but the Route may be changed.
func Prepare(rules []Rule) {
	for i := range rules {
		// What is wrong with a rule is said by the table that it is meant for.
		rules[i].prepared, _ = newEntry(rules[i])
	}
}
