package configs

import (
	"cmp"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ReadNode reads a node file: exactly one document of kind Node, with defaults
// filled in and its paths resolved against the file's folder.
func ReadNode(file string) (*Node, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cannot read node file: %w", err)
	}
	document, err := DecodeOne(file, KindNode, data)
	if err != nil {
		return nil, err
	}
	document.Node.SetDefaults()
	document.Node.ResolvePaths(filepath.Dir(file))
	if err := document.ReadPages(filepath.Dir(file)); err != nil {
		return nil, fmt.Errorf("cannot use node file %q: %w", file, err)
	}
	return document.Node, nil
}

// ResolvePaths makes every relative path of n start at folder. Empty paths stay
// empty.
func (n *Node) ResolvePaths(folder string) {
	resolve := func(path *string) {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(folder, *path)
		}
	}
	for i := range n.Apply {
		resolve(&n.Apply[i])
	}
	n.Secrets = cmp.Or(n.Secrets, ".")
	resolve(&n.Secrets)
	resolve(&n.Control.Tokens)
	if n.Flags != nil {
		resolve(&n.Flags.Tokens)
		if n.Flags.TLS != nil {
			resolve(&n.Flags.TLS.Cert)
			resolve(&n.Flags.TLS.Key)
		}
	}
	resolve(&n.Log.AccessFile)
	resolve(&n.State.Cache)
	if n.State.Embedded != nil {
		resolve(&n.State.Embedded.Dir)
	}
	if n.State.Etcd != nil && n.State.Etcd.TLS != nil {
		resolve(&n.State.Etcd.TLS.CA)
		resolve(&n.State.Etcd.TLS.Cert)
		resolve(&n.State.Etcd.TLS.Key)
	}
	if n.Control.TLS != nil {
		resolve(&n.Control.TLS.Cert)
		resolve(&n.Control.TLS.Key)
		resolve(&n.Control.TLS.ClientCA)
	}
	for _, listen := range n.Listen {
		if listen.TLS == nil {
			continue
		}
		for i := range listen.TLS.Certificates {
			resolve(&listen.TLS.Certificates[i].Cert)
			resolve(&listen.TLS.Certificates[i].Key)
		}
		resolve(&listen.TLS.ClientCA)
	}
}

// TrustedPrefixes are the networks of TrustedProxies; a single address is a
// network of its own. What Validate would refuse is left out.
func (n *Node) TrustedPrefixes() []netip.Prefix {
	var prefixes []netip.Prefix
	for _, network := range n.TrustedProxies {
		if prefix, err := netip.ParsePrefix(network); err == nil {
			prefixes = append(prefixes, prefix.Masked())
		} else if address, err := netip.ParseAddr(network); err == nil {
			prefixes = append(prefixes, netip.PrefixFrom(address, address.BitLen()))
		}
	}
	return prefixes
}

// Validate returns all problems of n. Paths are canonical and without places:
// Document.Locate adds them. It does not change n, and takes zero for a default.
// It opens no file.
func (n *Node) Validate() Problems {
	r := &report{}
	if n.Name != "" && !isVersionName(n.Name) {
		r.add("name", versionHint, "%q is not a name of a node", n.Name)
	}
	n.checkAddresses(r)
	n.checkState(r)
	for i, file := range n.Apply {
		if file == "" {
			r.add(item("apply", i), "write the name of a file", "the name of the file is empty")
		}
	}
	for i, network := range n.TrustedProxies {
		_, err := netip.ParsePrefix(network)
		if _, bare := netip.ParseAddr(network); err != nil && bare != nil {
			r.add(item("trusted_proxies", i), "write a network such as 10.0.0.0/8, or an address", "%q is not a network", network)
		}
	}
	n.Limits.validate(r)
	r.checkPages(n.Errors)
	r.span("drain.window", n.Drain.Window, maxTimeout)
	r.span("drain.grace", n.Drain.Grace, Duration(24*time.Hour))
	r.choice("log.level", n.Log.Level, "debug", "info", "warn", "error")
	r.span("fleet.ack_timeout", n.Fleet.AckTimeout, maxTimeout)
	if b := n.Fleet.BlindAfter; b != nil && *b != 0 {
		r.span("fleet.blind_after", *b, Duration(24*time.Hour))
		if b.Std() < 10*time.Second {
			r.add("fleet.blind_after", "write at least 10s, 0 for never, or leave it out for 60s", "%s is shorter than what an etcd needs to choose a leader", b)
		}
	}
	r.choice("log.format", n.Log.Format, "console", "json")
	r.choice("log.access", n.Log.Access, "off", "json", "common", "combined")
	if off := n.Log.Access == "" || n.Log.Access == "off"; off && (n.Log.AccessFile != "" || n.Log.AccessQuery) {
		r.add("log.access", "write access: json, common or combined", "the access log is off, but it is said how it is written")
	}
	n.checkIdentity(r)
	return r.problems
}

func (n *Node) checkAddresses(r *report) {
	if len(n.Listen) == 0 {
		r.add("listen", "write listen: [{address: 127.0.0.1:8080}]", "there is no address for clients")
	}
	taken := map[string]string{}
	listen := func(path, address string) {
		r.address(path, address, true)
		if other, ok := taken[address]; ok && !strings.HasSuffix(address, ":0") {
			r.add(path, "give each its own port", "the address %q is taken by %s already", address, other)
		}
		taken[address] = path
	}
	for i, l := range n.Listen {
		path := item("listen", i)
		listen(field(path, "address"), l.Address)
		if l.ProxyProtocol && len(n.TrustedProxies) == 0 {
			r.add(field(path, "proxy_protocol"), "name the load balancers' networks in trusted_proxies", "nobody is trusted to send the PROXY protocol")
		}
		if l.H2C && l.TLS != nil {
			r.add(field(path, "h2c"), "leave it out", "clients of a listener with TLS choose HTTP/2 by ALPN")
		}
		if l.TLS == nil {
			continue
		}
		if len(l.TLS.Certificates) == 0 {
			r.add(field(path, "tls.certificates"), "write [{cert: edge.crt, key: edge.key}]", "there is no certificate")
		}
		for j := range l.TLS.Certificates {
			l.TLS.Certificates[j].check(r, item(field(path, "tls.certificates"), j))
		}
	}
	if n.Control.Address != "" {
		listen("control.address", n.Control.Address)
		if n.Control.Tokens == "" && !isLoopback(n.Control.Address) {
			r.add("control.address", "set control.tokens to a file of tokens, or listen on 127.0.0.1",
				"the control API at %q is reachable from other machines and asks for no token", n.Control.Address)
		}
	}
	if u, err := url.Parse(n.Control.PublicURL); n.Control.PublicURL != "" &&
		(err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !isFieldValue(n.Control.PublicURL)) {
		r.add("control.public_url", "write a URL such as https://weir.example.com", "%q is not an address that a browser opens", n.Control.PublicURL)
	}
	if n.Control.TLS != nil {
		(&Certificate{Cert: n.Control.TLS.Cert, Key: n.Control.TLS.Key}).check(r, "control.tls")
		if n.Control.TLS.ClientCA != "" && n.Control.Tokens == "" {
			r.add("control.tls.client_ca", "set control.tokens to a file that says `certificate: NAME` and a role for each client",
				"nothing says what the clients' certificates allow")
		}
	}
	n.Control.checkClusters(r)
	if n.Status != nil {
		listen("status.address", n.Status.Address)
	}
	if n.Flags != nil {
		listen("flags.address", n.Flags.Address)
		n.Flags.check(r)
	}
}

// maxClusters bounds those that may forward to one hub.
const maxClusters = 100

func (c *Control) checkClusters(r *report) {
	if len(c.Clusters) > maxClusters {
		r.add("control.clusters", fmt.Sprintf("keep at most %d", maxClusters), "there are %d clusters", len(c.Clusters))
	}
	seen := map[string]bool{}
	for i, one := range c.Clusters {
		path := item("control.clusters", i)
		r.name(field(path, "name"), one.Name)
		if seen[one.Name] {
			r.add(field(path, "name"), "write each once", "cluster %q stands here twice", one.Name)
		}
		seen[one.Name] = true
		r.secret(field(path, "secret_file"), one.SecretFile, "the file that holds the key shared with "+one.Name)
		for theirs, ours := range one.Environments {
			r.name(field(path, "environments")+"."+theirs, ours)
		}
	}
}

func (f *FlagListener) check(r *report) {
	if f.Tokens == "" && f.Address != "" && !isLoopback(f.Address) {
		r.add("flags.address", "set flags.tokens to a file of tokens, or listen on 127.0.0.1",
			"the flags at %q are readable from other machines and ask for no key", f.Address)
	}
	if f.TLS != nil {
		f.TLS.check(r, "flags.tls")
	}
	for i, origin := range f.Origins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || origin != u.Scheme+"://"+u.Host) {
			r.add(item("flags.origins", i), "write scheme and host, such as https://shop.example.com, or *", "%q is no origin", origin)
		}
	}
}

func (c *Certificate) check(r *report, path string) {
	if c.Cert == "" {
		r.add(field(path, "cert"), "write the file of the certificate chain", "the certificate is missing")
	}
	if c.Key == "" {
		r.add(field(path, "key"), "write the file of the private key", "the key is missing")
	}
}

// checkIdentity checks how requests are told apart.
func (n *Node) checkIdentity(r *report) {
	if id := n.RequestID; id != nil && id.Header != "" {
		if lower := strings.ToLower(id.Header); !isToken(id.Header) || ofRequest(lower) != "" || len(lower) > 64 || lower == "cookie" || lower == "authorization" {
			r.add("request_id.header", "write a name such as X-Request-Id", "%q cannot carry an id", id.Header)
		}
	}
	t := n.Trace
	if t == nil {
		return
	}
	if t.Sample != nil && (*t.Sample < 0 || *t.Sample > Whole) {
		r.add("trace.sample", "write a share from 0% to 100%", "%s is not a share", *t.Sample)
	}
	if u, err := url.Parse(t.OTLP); t.OTLP != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		r.add("trace.otlp", "write a URL such as http://127.0.0.1:4318", "%q is not a collector", t.OTLP)
	}
	if len(t.Service) > 128 || !isFieldValue(t.Service) {
		r.add("trace.service", "write at most 128 printable characters", "the service's name is too long or not printable")
	}
}

func (n *Node) checkState(r *report) {
	if n.State.Embedded != nil && n.State.Etcd != nil {
		r.add("state", "keep embedded for a single node, etcd for a fleet", "the state cannot be both embedded and in an outside etcd")
	}
	e := n.State.Etcd
	if e == nil {
		return
	}
	if len(e.Endpoints) == 0 {
		r.add("state.etcd.endpoints", "write endpoints: [http://127.0.0.1:2379]", "there is no endpoint of etcd")
	}
	for i, endpoint := range e.Endpoints {
		u, err := url.Parse(endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Port() == "" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" {
			r.add(item("state.etcd.endpoints", i), "write a URL such as http://127.0.0.1:2379", "%q is not an endpoint of etcd", endpoint)
		}
	}
	e.checkTLS(r)
	if e.Prefix != "" && (len(e.Prefix) < 2 || !strings.HasPrefix(e.Prefix, "/") || strings.HasSuffix(e.Prefix, "/") || !isFieldValue(e.Prefix)) {
		r.add("state.etcd.prefix", "write a prefix such as /weir/default", "%q is not a prefix of keys", e.Prefix)
	}
}

func (e *Etcd) checkTLS(r *report) {
	encrypted := 0
	for _, endpoint := range e.Endpoints {
		if strings.HasPrefix(endpoint, "https://") {
			encrypted++
		}
	}
	if encrypted > 0 && encrypted < len(e.Endpoints) {
		r.add("state.etcd.endpoints", "write https:// before all of them", "some endpoints of etcd have TLS and some have not")
	}
	if e.TLS == nil {
		return
	}
	if encrypted == 0 {
		r.add("state.etcd.tls", "write https:// before the endpoints, or leave it out", "no endpoint of etcd has TLS")
	}
	if (e.TLS.Cert == "") != (e.TLS.Key == "") {
		r.add("state.etcd.tls", "name both cert and key, or neither", "a certificate and its key go together")
	}
}
