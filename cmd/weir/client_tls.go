package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// clientFiles are PEM files of the side that calls the control API. Empty: the
// system's authorities, no certificate of one's own.
type clientFiles struct{ ca, cert, key string }

func (f clientFiles) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, usageError{fmt.Errorf("cannot read --ca: %w", err)}
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usagef("cannot use --ca %q: no certificate in PEM in it", f.ca)
		}
	}
	if (f.cert == "") != (f.key == "") {
		return nil, usagef("--cert and --key belong together")
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, usageError{fmt.Errorf("cannot use --cert %q with --key %q: %w", f.cert, f.key, err)}
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
