package configs

// Service is what a route leads to. It owns versions, one split and policies.
//
// Stable and Weights are what a new service starts with: once the service
// exists, state/<service> owns both and later applies leave them alone.
type Service struct {
	// Name identifies the service: lower-case letters, digits and dashes, at most 63.
	Name string `json:"name" yaml:"name"`

	// Application is what the service is a part of, or runs another environment of:
	// its releases are told together. Empty: the service's own name.
	Application string `json:"application,omitempty" yaml:"application,omitempty"`

	// Environment is where it runs: `production`, `staging` or any other name.
	// Flags and releases go by it. Empty: production.
	Environment string `json:"environment,omitempty" yaml:"environment,omitempty"`

	// Routes lead requests here. At least one.
	Routes []Route `json:"routes" yaml:"routes"`

	// Versions are the deployed builds by name. At least one.
	Versions map[string]Version `json:"versions" yaml:"versions"`

	// Stable names the version that users of a new service are on.
	Stable string `json:"stable" yaml:"stable"`

	// Weights are the shares that a new service starts with; they add up to
	// 100 %. Empty: all on stable. Weight off stable opens a manual rollout.
	Weights map[string]Weight `json:"weights,omitempty" yaml:"weights,omitempty"`

	// Sticky keeps a client on one version. Nil: every request draws anew.
	Sticky *Sticky `json:"sticky,omitempty" yaml:"sticky,omitempty"`

	// Health configures active probes. Nil: no probes, every endpoint counts as up.
	Health *Health `json:"health,omitempty" yaml:"health,omitempty"`

	// Ejection takes endpoints that fail requests in a row out for a while, each
	// node by what it sees. Nil: the defaults of its fields, which are on.
	Ejection *Ejection `json:"ejection,omitempty" yaml:"ejection,omitempty"`

	// PanicPercent says when so many of stable's endpoints are down or ejected
	// that they cannot be spared: with fewer up than this percentage, requests go
	// to all of them. With no endpoint up anywhere, those of the version are tried
	// all the same. 0: the default, 50 (Envoy); -1: never.
	PanicPercent int `json:"panic_percent,omitempty" yaml:"panic_percent,omitempty"`

	// SlowStart is how long an endpoint that comes up, or is added to others,
	// takes until it gets as much as they do; its share rises evenly from 10 %.
	// 0: at once.
	SlowStart Duration `json:"slow_start,omitempty" yaml:"slow_start,omitempty"`

	// Resolve says how names in endpoints become addresses. Nil: the defaults of
	// its fields.
	Resolve *Resolve `json:"resolve,omitempty" yaml:"resolve,omitempty"`

	// Circuit bounds what endpoints are given at one time. Beyond it weir answers
	// 503, which is an error of the version. Nil: the defaults of its fields.
	Circuit *Circuit `json:"circuit,omitempty" yaml:"circuit,omitempty"`

	// Timeout is the longest wait from dispatch to the final response head.
	// 0: the default, 15s (Envoy's route timeout).
	Timeout Duration `json:"timeout,omitempty" yaml:"timeout,omitempty"`

	// IdleTimeout is the longest silence of a body once its head has passed.
	// 0: the default, 5m (Envoy's stream idle timeout).
	IdleTimeout Duration `json:"idle_timeout,omitempty" yaml:"idle_timeout,omitempty"`

	// ConnectTimeout bounds a connect to an endpoint. 0: the default, 5s.
	ConnectTimeout Duration `json:"connect_timeout,omitempty" yaml:"connect_timeout,omitempty"`

	// MaxBody is the largest request body in bytes. 0: no limit.
	MaxBody int64 `json:"max_body,omitempty" yaml:"max_body,omitempty"`

	// ErrorStatus lists statuses below 500 that count as errors. Every 5xx does.
	// Empty: no others.
	ErrorStatus []int `json:"error_status,omitempty" yaml:"error_status,omitempty"`

	// Host is the Host that endpoints see: `client` (default, what the client
	// sent), `endpoint` (the endpoint's address), or any other text, literally.
	Host string `json:"host,omitempty" yaml:"host,omitempty"`

	// Protocol is what endpoints speak: `http1` (default), `https` (HTTP/1.1 over
	// TLS), `h2c` (HTTP/2 without TLS, which gRPC servers speak) or `h2` (HTTP/2
	// over TLS). Probes use it, too.
	Protocol string `json:"protocol,omitempty" yaml:"protocol,omitempty"`

	// TLS is for protocols https and h2. Nil: endpoints' certificates are verified
	// by the system's authorities, and endpoints are shown none.
	TLS *EndpointTLS `json:"tls,omitempty" yaml:"tls,omitempty"`

	// Errors are the bodies of weir's own answers for this service, by status,
	// `502`, or class, `5xx`; those of the node come after them. Answers of
	// endpoints pass as they are. At most 64 KiB each and 256 KiB in all.
	Errors map[string]ErrorPage `json:"errors,omitempty" yaml:"errors,omitempty"`

	// Resources says where endpoints show their memory and CPU. Nil: at /metrics,
	// as Prometheus' client libraries do.
	Resources *Resources `json:"resources,omitempty" yaml:"resources,omitempty"`

	// Guard judges weights that are moved by hand. Nil: the default guard.
	Guard *Guard `json:"guard,omitempty" yaml:"guard,omitempty"`

	// Retry says when a request is tried again on its version. Nil: only what
	// reached no endpoint is, at most twice.
	Retry *Retry `json:"retry,omitempty" yaml:"retry,omitempty"`

	// Advise says which advice of `weir check --advise` is not wanted.
	Advise *Advise `json:"advise,omitempty" yaml:"advise,omitempty"`

	// Shield asks stable what a candidate failed at, by an error or without an
	// answer, if the request is idempotent and the client has seen nothing of it.
	// The failure counts against the candidate all the same; what stable does is
	// no evidence. At most 20 % of stable's requests, and 3 a second, more than
	// its own. False: users see the candidate's failures.
	Shield bool `json:"shield,omitempty" yaml:"shield,omitempty"`

	// Fallback asks the other live version for what one does not know. Nil: no.
	Fallback *Fallback `json:"fallback,omitempty" yaml:"fallback,omitempty"`
}

// Advise holds what is not to be advised.
type Advise struct {
	// Ignore lists codes, such as `no-freeze`, as the advice itself names them.
	// Empty: all advice is given.
	Ignore []string `json:"ignore,omitempty" yaml:"ignore,omitempty"`
}

// Route says which requests belong to a service. All that is set must match.
type Route struct {
	// Host is an exact name or `*.example.com`. Empty: any host.
	Host string `json:"host,omitempty" yaml:"host,omitempty"`

	// Path is a prefix on segment borders; `/search/` also matches `/search`.
	// Default `/`.
	Path string `json:"path,omitempty" yaml:"path,omitempty"`

	// Methods limits the route. Empty: any method.
	Methods []string `json:"methods,omitempty" yaml:"methods,omitempty"`

	// Headers must be present with exactly these values. Empty: none is looked at.
	Headers map[string]string `json:"headers,omitempty" yaml:"headers,omitempty"`

	// StripPrefix is cut from the path before it goes upstream. Empty: nothing.
	StripPrefix string `json:"strip_prefix,omitempty" yaml:"strip_prefix,omitempty"`

	// Redirect sends requests that came without TLS to the same place with it:
	// `https`, or `https:8443` for another port than 443. GET and HEAD get 301,
	// others 308. What a trusted proxy took by TLS is not redirected. Empty:
	// requests are served as they come.
	Redirect string `json:"redirect,omitempty" yaml:"redirect,omitempty"`

	// RequestHeaders change what endpoints get, after the route was chosen.
	RequestHeaders *HeaderEdits `json:"request_headers,omitempty" yaml:"request_headers,omitempty"`

	// ResponseHeaders change what clients get. What is set and added also goes
	// with weir's own answers on this route, but for fields about their content.
	ResponseHeaders *HeaderEdits `json:"response_headers,omitempty" yaml:"response_headers,omitempty"`
}

// Version is one deployed build of a service.
type Version struct {
	// Endpoints are its addresses, `host:port`. At least one; no address may
	// stand in two versions of one service. A name is resolved again and again,
	// and each of its addresses is an endpoint.
	Endpoints []string `json:"endpoints" yaml:"endpoints"`

	// Revision is opaque (an image digest, say) and tells builds apart when a
	// name is used again: another one on a candidate starts its rollout anew.
	// Empty: builds of a name are taken for the same.
	Revision string `json:"revision,omitempty" yaml:"revision,omitempty"`
}

// Sticky says by what a client is told apart, so that it stays on one version.
type Sticky struct {
	// By is `cookie`, `header`, `query` or `address`.
	By string `json:"by" yaml:"by"`

	// Mode is `follow` (default: the client moves when its share moves) or, with a
	// cookie alone, `pin`: during a rollout a client stays on the version that it
	// met, weights divide new clients only, and after the rollout those on the
	// version before stay there until that is kept no longer, or until the next
	// rollout begins. A roll-back or an abort moves everybody at once. Services
	// that pin and share a host need cookies of different names.
	Mode string `json:"mode,omitempty" yaml:"mode,omitempty"`

	// Cookie is for `by: cookie`. Nil: the defaults of its fields.
	Cookie *StickyCookie `json:"cookie,omitempty" yaml:"cookie,omitempty"`

	// Header is the name of a request header, which `by: header` needs. Empty: none.
	Header string `json:"header,omitempty" yaml:"header,omitempty"`

	// Query is the name of a query parameter, which `by: query` needs. Empty: none.
	Query string `json:"query,omitempty" yaml:"query,omitempty"`
}

// SameKey reports whether two services tell clients apart by the same key and
// treat it in the same way; nil is no key.
func (k *Sticky) SameKey(o *Sticky) bool {
	if k == nil || o == nil {
		return k == o
	}
	name := func(s *Sticky) string {
		if s.Cookie == nil {
			return ""
		}
		return s.Cookie.Name
	}
	return k.By == o.By && k.Mode == o.Mode && k.Header == o.Header && k.Query == o.Query && name(k) == name(o)
}

// StickyCookie shapes the cookie that carries a client's bucket.
type StickyCookie struct {
	Name   string   `json:"name,omitempty" yaml:"name,omitempty"`       // default `weir_id`
	MaxAge Duration `json:"max_age,omitempty" yaml:"max_age,omitempty"` // default 24h
	Domain string   `json:"domain,omitempty" yaml:"domain,omitempty"`   // default: the host alone
	Path   string   `json:"path,omitempty" yaml:"path,omitempty"`       // default `/`
}

// EndpointTLS says how endpoints are known by TLS. Its files are PEM files that
// every node has, by absolute names. They are read again when they change; open
// connections keep what they were opened with.
type EndpointTLS struct {
	// CA is a file of authorities, one of which must have signed the endpoints'
	// certificates. Empty: the system's.
	CA string `json:"ca,omitempty" yaml:"ca,omitempty"`

	// ServerName is whose certificate endpoints must show, and what they are
	// asked for (SNI). Empty: the name or address that stands in endpoints.
	ServerName string `json:"server_name,omitempty" yaml:"server_name,omitempty"`

	// Cert is the chain that endpoints are shown that ask for a certificate.
	// Empty: none.
	Cert string `json:"cert,omitempty" yaml:"cert,omitempty"`

	// Key is the private key of Cert. Empty: no certificate is shown.
	Key string `json:"key,omitempty" yaml:"key,omitempty"`

	// Insecure takes any certificate: whoever is on the way can read and change
	// everything. Default: false.
	Insecure bool `json:"insecure,omitempty" yaml:"insecure,omitempty"`
}

// Health configures active probes of every endpoint.
type Health struct {
	// Path is path and query of the probe. Empty: only with grpc.
	Path string `json:"path,omitempty" yaml:"path,omitempty"`

	Interval Duration `json:"interval,omitempty" yaml:"interval,omitempty"` // default 2s (HAProxy)
	Timeout  Duration `json:"timeout,omitempty" yaml:"timeout,omitempty"`   // default 1s, at most the interval
	Fall     int      `json:"fall,omitempty" yaml:"fall,omitempty"`         // failures until down, default 3 (HAProxy)
	Rise     int      `json:"rise,omitempty" yaml:"rise,omitempty"`         // successes until up, default 2 (HAProxy)
	Status   []int    `json:"status,omitempty" yaml:"status,omitempty"`     // good statuses, default any 2xx
	Host     string   `json:"host,omitempty" yaml:"host,omitempty"`         // Host header, default the address

	// GRPC asks by gRPC's health checking protocol (grpc.health.v1) instead of a
	// path; for protocols h2c and h2. False: by path.
	GRPC bool `json:"grpc,omitempty" yaml:"grpc,omitempty"`

	// Service is the gRPC service that is asked for. Empty: the server as a whole.
	Service string `json:"service,omitempty" yaml:"service,omitempty"`
}

// Ejection takes an endpoint out for the requests that it failed: no connection,
// no or a broken answer, or 502, 503 or 504. At least one may be out, never the
// last that is up. A probe that goes well does not bring it back: it says
// nothing of the requests.
type Ejection struct {
	// Failures is how many requests in a row must fail. 0: the default, 5
	// (Envoy); -1: no endpoint is ever ejected.
	Failures int `json:"failures,omitempty" yaml:"failures,omitempty"`

	// Time is how long the first ejection lasts; the n-th in close succession
	// lasts n times as long. 0: the default, 30s (Envoy).
	Time Duration `json:"time,omitempty" yaml:"time,omitempty"`

	// MaxTime is how long any ejection lasts at most. 0: the default, 300s
	// (Envoy), or Time if that is longer.
	MaxTime Duration `json:"max_time,omitempty" yaml:"max_time,omitempty"`

	// MaxPercent of a version's endpoints may be out at one time, but one always
	// may. 0: the default, 10 (Envoy).
	MaxPercent int `json:"max_percent,omitempty" yaml:"max_percent,omitempty"`
}

// Resolve says how names become addresses, on each node. Addresses that stay keep
// their connections and health; requests in flight at those that go end in
// peace. While a name cannot be resolved its last addresses stay.
type Resolve struct {
	// Interval is the time between two look-ups of a name. Whatever the TTL of
	// its records says. 0: the default, 5s (Envoy's dns_refresh_rate).
	Interval Duration `json:"interval,omitempty" yaml:"interval,omitempty"`

	// Family is which addresses of a name are used: `auto` (default: IPv4, or IPv6
	// if there is none), `ipv4`, `ipv6` or `all`.
	Family string `json:"family,omitempty" yaml:"family,omitempty"`
}

// Circuit bounds what endpoints are given at one time, on each node. A request
// that would go beyond is sent to another endpoint of its version or, if all are
// full, answered with 503 at once.
type Circuit struct {
	// Connections is the largest number of connections to one endpoint that
	// speaks HTTP/1.1. A request waits at most 50 ms for one to come free.
	// 0: the default, 1024 (Envoy).
	Connections int `json:"connections,omitempty" yaml:"connections,omitempty"`

	// Pending is how many requests may wait for a connection to one endpoint.
	// 0: the default, 1024 (Envoy); -1: none.
	Pending int `json:"pending,omitempty" yaml:"pending,omitempty"`

	// Uploads is the largest number of requests at one endpoint whose bodies are
	// still coming: those longer than 64 KiB, and those of unknown length that
	// pause. Each holds a connection however slowly it comes. Beyond it the slowest
	// of those that sent less than 16 KiB/s over 5 s or more is answered with 408;
	// if there is none, the request is the one that finds the endpoint full. It
	// bounds HTTP/1.1 alone. 0: the default, 512, and at most half of connections;
	// -1: no limit.
	Uploads int `json:"uploads,omitempty" yaml:"uploads,omitempty"`

	// Requests is the largest number of requests in flight at one endpoint,
	// whatever it speaks. 0: no limit but that of its connections.
	Requests int `json:"requests,omitempty" yaml:"requests,omitempty"`

	// VersionRequests is the largest number of requests in flight at all
	// endpoints of a version together. 0: no limit.
	VersionRequests int `json:"version_requests,omitempty" yaml:"version_requests,omitempty"`
}

// Guard is the judge of weights that are moved by hand.
type Guard struct {
	Triggers []Trigger `json:"triggers,omitempty" yaml:"triggers,omitempty"` // empty: the default guard
	Metrics  []Metric  `json:"metrics,omitempty" yaml:"metrics,omitempty"`   // that the triggers may name
	Bake     Duration  `json:"bake,omitempty" yaml:"bake,omitempty"`         // at 100 % until the version becomes stable, 0: the default, 10m

	// UnreadyFor is how long a candidate may be without healthy endpoints. 0: the default, 5s.
	UnreadyFor Duration `json:"unready_for,omitempty" yaml:"unready_for,omitempty"`
}
