package configs

import "time"

// Node configures one weir process. It is local to the machine and needs a
// restart to change.
type Node struct {
	// Name identifies the node in its fleet: letters, digits, dots, dashes and
	// underscores. Default: the host's name.
	Name string `json:"name,omitempty" yaml:"name,omitempty"`

	// Listen are the addresses that clients connect to. At least one.
	Listen []Listen `json:"listen" yaml:"listen"`

	// Control is the control API. Left out: on 127.0.0.1:9797 without tokens.
	Control Control `json:"control,omitzero" yaml:"control,omitempty"`

	// Status serves /metrics, /healthz and /readyz alone, without a token.
	Status *Status `json:"status,omitempty" yaml:"status,omitempty"`

	// Flags serves feature flags to applications. Nil: nobody but endpoints of
	// routed requests hears of flags.
	Flags *FlagListener `json:"flags,omitempty" yaml:"flags,omitempty"`

	// State says where the state lives. Default: embedded in ./weir-data.
	State State `json:"state,omitzero" yaml:"state,omitempty"`

	// Apply lists documents, relative to the node file, that are created at
	// start when they are absent. They never change what exists. Empty: none.
	Apply []string `json:"apply,omitempty" yaml:"apply,omitempty"`

	// Secrets is the folder below which the files lie that notifiers and hooks
	// name for their secrets. Documents cannot name files outside of it. Default:
	// the folder of the node file.
	Secrets string `json:"secrets,omitempty" yaml:"secrets,omitempty"`

	// TrustedProxies are networks or single addresses whose X-Forwarded-* fields are believed.
	// Empty: nobody's.
	TrustedProxies []string `json:"trusted_proxies,omitempty" yaml:"trusted_proxies,omitempty"`

	// Limits bound what clients may take of the node.
	Limits Limits `json:"limits,omitzero" yaml:"limits,omitempty"`

	// Errors are the bodies of weir's own answers by status, `404`, or class,
	// `5xx`, where the service has none. Default: a line of text.
	Errors map[string]ErrorPage `json:"errors,omitempty" yaml:"errors,omitempty"`

	// RequestID gives every request an id. Nil: none.
	RequestID *RequestID `json:"request_id,omitempty" yaml:"request_id,omitempty"`

	// Trace takes part in distributed traces. Nil: it does not.
	Trace *Trace `json:"trace,omitempty" yaml:"trace,omitempty"`

	// Fleet says how nodes that share a state wait for each other.
	Fleet Fleet `json:"fleet,omitzero" yaml:"fleet,omitempty"`

	Drain Drain `json:"drain,omitzero" yaml:"drain,omitempty"`
	Log   Log   `json:"log,omitzero" yaml:"log,omitempty"`
}

// Listen is one address that clients connect to.
type Listen struct {
	// Address is host:port; host 0.0.0.0 or [::] is every address of the machine.
	Address string `json:"address" yaml:"address"`

	// TLS makes the listener speak TLS alone. Nil: plaintext.
	TLS *ListenTLS `json:"tls,omitempty" yaml:"tls,omitempty"`

	// ProxyProtocol says that connections from TrustedProxies begin with a
	// header of the PROXY protocol, version 1 or 2, which names the client. One
	// without it is closed. Nobody else's header is believed. False: no header is
	// looked for.
	ProxyProtocol bool `json:"proxy_protocol,omitempty" yaml:"proxy_protocol,omitempty"`

	// H2C takes HTTP/2 without TLS from clients that begin with its preface
	// (RFC 9113 section 3.3), beside HTTP/1.1. With TLS clients choose by ALPN. False: HTTP/1.1
	// alone.
	H2C bool `json:"h2c,omitempty" yaml:"h2c,omitempty"`
}

// ListenTLS makes a listener speak TLS 1.2 and 1.3. The files are read again
// when they change; open connections keep what they began with.
type ListenTLS struct {
	// Certificates are tried in order; the first that fits the name that the
	// client asks for is shown, the very first if none does. At least one.
	Certificates []Certificate `json:"certificates" yaml:"certificates"`

	// ClientCA is a PEM file of authorities, one of which must have signed the
	// certificate that every client then has to show. Empty: none is asked for.
	ClientCA string `json:"client_ca,omitempty" yaml:"client_ca,omitempty"`
}

// Certificate names two PEM files, relative to the node file.
type Certificate struct {
	Cert string `json:"cert" yaml:"cert"` // the chain, the server's own first
	Key  string `json:"key" yaml:"key"`   // the private key of the first in the chain
}

// Control configures the control API.
type Control struct {
	// Address is host:port. Other hosts than loopback need tokens. Default:
	// 127.0.0.1:9797.
	Address string `json:"address,omitempty" yaml:"address,omitempty"`

	// PublicURL is where people reach this address with a browser, as
	// https://weir.example.com: messages of notifiers then lead to
	// <public_url>/rollouts/<id>. With https:// the cookie of who logs in is for TLS
	// alone, also where a load balancer ends it. Empty: neither.
	PublicURL string `json:"public_url,omitempty" yaml:"public_url,omitempty"`

	// Tokens is a file of tokens, relative to the node file, which `weir token
	// new` makes lines for; it is read again when it changes. Empty: none, and the
	// address must be loopback.
	Tokens string `json:"tokens,omitempty" yaml:"tokens,omitempty"`

	// TLS serves the control API over TLS alone. Nil: plaintext. The files are
	// read again when they change.
	TLS *ControlTLS `json:"tls,omitempty" yaml:"tls,omitempty"`

	// Clusters are those that may forward their deployments and releases to this
	// one: a Notifier there has a `hub`. At most 100. Empty: none may.
	Clusters []Cluster `json:"clusters,omitempty" yaml:"clusters,omitempty"`
}

// Cluster is another weir that forwards what it deploys. It can do nothing else.
type Cluster struct {
	// Name is what this node calls it: lower-case letters, digits and dashes.
	Name string `json:"name" yaml:"name"`

	// SecretFile holds the key that is shared with it, at least 16 characters, below
	// the `secrets` folder. It is read again for each call.
	SecretFile string `json:"secret_file" yaml:"secret_file"`

	// Environments says what its environments are called here. Default, and for those
	// that are not named: their own name, a dash and the cluster's, such as
	// production-eu. Empty: all are called so.
	Environments map[string]string `json:"environments,omitempty" yaml:"environments,omitempty"`
}

// ControlTLS names the PEM files of the control API, relative to the node file.
type ControlTLS struct {
	Cert string `json:"cert" yaml:"cert"` // the chain, the server's own first
	Key  string `json:"key" yaml:"key"`   // the private key of the first in the chain

	// ClientCA is a file of authorities. A client may then show a certificate
	// that one of them signed in place of a token; the tokens file says with
	// `certificate: NAME` who that is. Empty: tokens alone.
	ClientCA string `json:"client_ca,omitempty" yaml:"client_ca,omitempty"`
}

// Status is a listener without tokens for load balancers and Prometheus.
type Status struct {
	// Address is host:port. Whoever can connect reads the metrics.
	Address string `json:"address" yaml:"address"`
}

// FlagListener serves flags by OpenFeature's remote evaluation protocol (OFREP),
// which its SDKs speak, below /ofrep/v1/.
type FlagListener struct {
	// Address is host:port. Other hosts than loopback need tokens.
	Address string `json:"address" yaml:"address"`

	// Tokens is a file of tokens as for the control API, relative to the node
	// file, whose entries of role `client` applications send as their key; it is
	// read again when it changes. Empty: none, and the address must be loopback.
	Tokens string `json:"tokens,omitempty" yaml:"tokens,omitempty"`

	// TLS serves flags over TLS alone. Nil: plaintext. The files are read again
	// when they change.
	TLS *Certificate `json:"tls,omitempty" yaml:"tls,omitempty"`

	// Origins are those of pages whose scripts may ask from browsers, such as
	// https://shop.example.com; `*` is any. A key that a page sends is known to all
	// its visitors. Empty: no page may ask.
	Origins []string `json:"origins,omitempty" yaml:"origins,omitempty"`
}

// State says where the shared state lives: at most one of Embedded and Etcd.
type State struct {
	Embedded *Embedded `json:"embedded,omitempty" yaml:"embedded,omitempty"`
	Etcd     *Etcd     `json:"etcd,omitempty" yaml:"etcd,omitempty"`

	// Cache is the file that holds the last good state for a start without
	// etcd. Default weir-state.json beside the node file. The folder of the
	// same name with the ending `.d` holds the journal of cuts and what the
	// judges know. With an embedded etcd all of it lies in embedded.dir.
	Cache string `json:"cache,omitempty" yaml:"cache,omitempty"`
}

// Embedded runs etcd inside this process.
type Embedded struct {
	Dir string `json:"dir,omitempty" yaml:"dir,omitempty"` // default ./weir-data, relative to the node file
}

// Etcd is a cluster outside this process.
type Etcd struct {
	// Endpoints are client URLs, all with http:// or all with https://.
	Endpoints []string `json:"endpoints" yaml:"endpoints"`
	Prefix    string   `json:"prefix,omitempty" yaml:"prefix,omitempty"` // default /weir/default

	// TLS is for https endpoints. Nil: they are verified by the system's
	// authorities and shown no certificate.
	TLS *EtcdTLS `json:"tls,omitempty" yaml:"tls,omitempty"`
}

// EtcdTLS names PEM files, relative to the node file. They are read again when
// they change; open connections keep what they were opened with.
type EtcdTLS struct {
	CA   string `json:"ca,omitempty" yaml:"ca,omitempty"`     // authorities of etcd's certificates; empty: the system's
	Cert string `json:"cert,omitempty" yaml:"cert,omitempty"` // what etcd is shown; empty: nothing
	Key  string `json:"key,omitempty" yaml:"key,omitempty"`   // private key of Cert; empty: nothing is shown
}

// Fleet bounds what a node that is slow or cut off may hold up or miss.
type Fleet struct {
	// AckTimeout is how long a rollout waits, before it gives the candidate more,
	// for nodes to apply what came before. One that takes longer is reported and
	// not waited for until it has. 0: the default, 10s.
	AckTimeout Duration `json:"ack_timeout,omitempty" yaml:"ack_timeout,omitempty"`

	// BlindAfter is how long this node may be cut off from a shared etcd before
	// it gives candidates under trial nothing, if stable is healthy, until it is
	// back: an abort made elsewhere takes effect here no later. 0: never; left
	// out: 60s. An embedded etcd is never cut off.
	BlindAfter *Duration `json:"blind_after,omitempty" yaml:"blind_after,omitempty"`
}

// Drain bounds the end of the process.
type Drain struct {
	// Window is how long new connections are still taken, each answer closing
	// its connection, after the process was told to end. 0: the default, 5s.
	Window Duration `json:"window,omitempty" yaml:"window,omitempty"`

	// Grace is how long requests in flight may take after that. 0: the default, 30s.
	Grace Duration `json:"grace,omitempty" yaml:"grace,omitempty"`
}

// RequestID tells requests apart in the access log, at endpoints and, if that is
// asked for, at clients.
type RequestID struct {
	// Header is the field that carries the id. One that a trusted proxy sends is
	// kept, anybody else's is replaced. Default X-Request-Id.
	Header string `json:"header,omitempty" yaml:"header,omitempty"`

	// Return puts the id into answers too. False: clients do not see it.
	Return bool `json:"return,omitempty" yaml:"return,omitempty"`
}

// Trace makes the node part of distributed traces (W3C Trace Context). A valid
// traceparent is passed on with its sampling flag, and one is made for requests
// that come without. Left out, the field passes like any other.
type Trace struct {
	// Sample is the share of the traces begun here that are sampled. With OTLP
	// it also bounds the spans sent for clients who are not trusted proxies and
	// say themselves that they are sampled. Default 1%; 0%: none.
	Sample *Weight `json:"sample,omitempty" yaml:"sample,omitempty"`

	// OTLP is the collector that spans of sampled requests are sent to, by OTLP
	// over HTTP: http://127.0.0.1:4318. Without a path it is /v1/traces. Spans
	// that it does not take in time are dropped and counted. Empty: no spans.
	OTLP string `json:"otlp,omitempty" yaml:"otlp,omitempty"`

	// Service is the name that spans are sent under. Default weir.
	Service string `json:"service,omitempty" yaml:"service,omitempty"`
}

// Log configures the process's own log, on standard error, and the access log.
type Log struct {
	Level  string `json:"level,omitempty" yaml:"level,omitempty"`   // debug, info (default), warn, error
	Format string `json:"format,omitempty" yaml:"format,omitempty"` // console (default on a terminal) or json

	// Access is the form of the access log: off (default), json, or Apache's
	// common or combined. Lines that cannot be written in time are dropped and
	// counted in weir_access_log_dropped_total.
	Access string `json:"access,omitempty" yaml:"access,omitempty"`

	// AccessFile is what it is appended to, relative to the node file; SIGHUP
	// opens it anew, after it was moved away. Default: standard error.
	AccessFile string `json:"access_file,omitempty" yaml:"access_file,omitempty"`

	// AccessQuery puts queries into the access log too. They often hold what
	// nobody should read. False: paths alone.
	AccessQuery bool `json:"access_query,omitempty" yaml:"access_query,omitempty"`
}

// BlindAfter is how long the node may be cut off from its state. 0: for ever.
func (n *Node) BlindAfter() time.Duration {
	switch {
	case n.State.Etcd == nil:
		return 0
	case n.Fleet.BlindAfter == nil:
		return time.Minute
	}
	return n.Fleet.BlindAfter.Std()
}
