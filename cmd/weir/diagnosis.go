package main

import (
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/diagnose"
)

// apiOptions are the control API's parts.
func (n *node) apiOptions() api.Options {
	o := api.Options{
		Control: n.controller, Metrics: n.writeMetrics, Ready: n.ready, Tokens: n.tokens, Version: version(), Log: n.log,
		Level: n.logs.level, HTTPS: byTLS(n.config.Control.PublicURL),
		Clusters: n.config.Control.Clusters, Secrets: n.config.Secrets,
	}
	if n.logs.lines != nil {
		o.Node = &diagnose.Node{
			Name: n.config.Name, Version: version(), Started: n.started, Config: n.config, Files: filesOf(n.config),
			Control: n.controller, Table: n.tables.Load, Metrics: n.writeMetrics, Log: n.logs.lines,
		}
	}
	return o
}

// filesOf are the files that a node document names, by the field.
func filesOf(c *configs.Node) map[string]string {
	files := map[string]string{
		"control.tokens": c.Control.Tokens, "secrets": c.Secrets, "state.cache": c.State.Cache, "log.access_file": c.Log.AccessFile,
	}
	if t := c.Control.TLS; t != nil {
		files["control.tls.cert"], files["control.tls.key"], files["control.tls.client_ca"] = t.Cert, t.Key, t.ClientCA
	}
	for i, l := range c.Listen {
		if l.TLS == nil {
			continue
		}
		at := fmt.Sprintf("listen[%d].tls.", i)
		files[at+"client_ca"] = l.TLS.ClientCA
		for j, pair := range l.TLS.Certificates {
			files[fmt.Sprintf("%scertificates[%d].cert", at, j)] = pair.Cert
			files[fmt.Sprintf("%scertificates[%d].key", at, j)] = pair.Key
		}
	}
	if e := c.State.Embedded; e != nil {
		files["state.embedded.dir"] = e.Dir
	}
	if e := c.State.Etcd; e != nil && e.TLS != nil {
		files["state.etcd.tls.ca"], files["state.etcd.tls.cert"], files["state.etcd.tls.key"] = e.TLS.CA, e.TLS.Cert, e.TLS.Key
	}
	for i, name := range c.Apply {
		files[fmt.Sprintf("apply[%d]", i)] = name
	}
	for field, name := range files {
		if name == "" {
			delete(files, field)
			continue
		}
		if whole, err := filepath.Abs(name); err == nil {
			files[field] = whole
		}
	}
	return files
}

// byTLS reports whether a URL is one of HTTPS.
func byTLS(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https"
}
