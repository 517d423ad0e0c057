package proxy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// KeyPair names the PEM files of a certificate chain and its private key.
type KeyPair struct{ Cert, Key string }

// TLSFiles are the files that a TLS is made of.
type TLSFiles struct {
	// KeyPairs are tried in their order; the first that fits the name and the
	// abilities of the client is shown, the very first if none does. At least one.
	KeyPairs []KeyPair
	// ClientCA is a PEM file of authorities. Clients must show a certificate
	// that one of them signed. Empty: clients are not asked for one.
	ClientCA string
	// ClientOptional lets clients in that show no certificate. One that is shown
	// must be good all the same. It means nothing without ClientCA.
	ClientOptional bool
	// Protocols are offered by ALPN, the preferred one first. Empty: h2 and http/1.1.
	Protocols []string
}

// TLS is a server's side of TLS, made of files that may change while it is in
// use: connections that are open keep what they were opened with. Safe for
// concurrent use.
//
// It speaks TLS 1.2 with forward secrecy and authenticated ciphers only, and
// TLS 1.3. Sessions resume by tickets whose keys change every 24 hours and are
// forgotten after 7 days (crypto/tls). OCSP responses are not stapled.
type TLS struct {
	files  TLSFiles
	config *tls.Config

	current atomic.Pointer[tls.Config]
	seen    [sha256.Size]byte // of the files at the last look; for Watch alone
}

// LoadTLS reads the files. A file that is missing or does not fit is an error.
func LoadTLS(files TLSFiles) (*TLS, error) {
	if len(files.KeyPairs) == 0 {
		return nil, errors.New("cannot serve TLS without a certificate")
	}
	t := &TLS{files: files}
	contents, sum, err := t.read()
	if err != nil {
		return nil, err
	}
	config, err := t.build(contents)
	if err != nil {
		return nil, err
	}
	t.seen = sum
	t.current.Store(config)
	// The outer configuration never changes, so it keeps the ticket keys
	// through every change of the files.
	t.config = config.Clone()
	t.config.GetConfigForClient = t.configFor
	return t, nil
}

// configFor is what a client is met with.
func (t *TLS) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	config := t.current.Load()
	if hello.Context().Value(withoutH2Key{}) != nil {
		config = config.Clone()
		config.NextProtos = []string{"http/1.1"}
	}
	return config, nil
}

type withoutH2Key struct{}

// withoutH2 is the context of a handshake that offers HTTP/1.1 alone.
func withoutH2(ctx context.Context) context.Context {
	return context.WithValue(ctx, withoutH2Key{}, true)
}

// Config is what connections are opened with. The caller must not change it.
func (t *TLS) Config() *tls.Config { return t.config }

// Watch looks at the files every interval (0 means 2 s) until ctx ends, and
// uses new ones from the next connection on. New files that do not fit are
// logged, once, and the old ones stay in use.
func (t *TLS) Watch(ctx context.Context, interval time.Duration, log *zap.Logger) {
	if interval <= 0 {
		interval = 2 * time.Second
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		changed, err := t.reload()
		switch {
		case err != nil && err.Error() != last:
			log.Error("new TLS files cannot be used; the old ones stay in use", zap.Error(err))
		case changed:
			log.Info("TLS files changed; new connections use the new ones",
				zap.String("cert", t.files.KeyPairs[0].Cert), zap.Time("expires", t.current.Load().Certificates[0].Leaf.NotAfter))
		}
		if last = ""; err != nil {
			last = err.Error()
		}
	}
}

// reload reads the files again and reports whether new ones are in use now.
func (t *TLS) reload() (changed bool, err error) {
	contents, sum, err := t.read()
	if err != nil || sum == t.seen {
		return false, err
	}
	config, err := t.build(contents)
	if err != nil {
		return false, err
	}
	t.seen = sum
	t.current.Store(config)
	return true, nil
}

// read returns the contents of all files in order, and their sum. Contents are
// compared, not dates: files may be swapped behind a link or restored.
func (t *TLS) read() (contents [][]byte, sum [sha256.Size]byte, err error) {
	var names []string
	for _, p := range t.files.KeyPairs {
		names = append(names, p.Cert, p.Key)
	}
	if t.files.ClientCA != "" {
		names = append(names, t.files.ClientCA)
	}
	for _, name := range names {
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, sum, fmt.Errorf("cannot read TLS file: %w", err)
		}
		contents = append(contents, content)
	}
	return contents, sha256.Sum256(bytes.Join(contents, []byte{0})), nil
}

// build makes a configuration of contents as read returns them.
func (t *TLS) build(contents [][]byte) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12,
		CipherSuites: []uint16{ // of TLS 1.2; those of 1.3 are all good
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos: t.files.Protocols,
	}
	if len(config.NextProtos) == 0 {
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	for i, p := range t.files.KeyPairs {
		pair, err := tls.X509KeyPair(contents[2*i], contents[2*i+1])
		if err != nil {
			return nil, fmt.Errorf("cannot use certificate %q with key %q: %w", p.Cert, p.Key, err)
		}
		config.Certificates = append(config.Certificates, pair)
	}
	if t.files.ClientCA != "" {
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(contents[len(contents)-1]) {
			return nil, fmt.Errorf("cannot use client authorities %q: no certificate in PEM in it", t.files.ClientCA)
		}
		config.ClientAuth = tls.RequireAndVerifyClientCert
		if t.files.ClientOptional {
			config.ClientAuth = tls.VerifyClientCertIfGiven
		}
	}
	return config, nil
}

// Expiry says when the certificate of a file ends.
type Expiry struct {
	File string
	At   time.Time
}

// Expiries are those of the certificates in use, in the order of TLSFiles.
func (t *TLS) Expiries() []Expiry {
	var all []Expiry
	for i, c := range t.current.Load().Certificates {
		all = append(all, Expiry{File: t.files.KeyPairs[i].Cert, At: c.Leaf.NotAfter})
	}
	return all
}
