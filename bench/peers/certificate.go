package main

import "github.com/weirproxy/weir/bench/lab"

// certify writes the certificate that all peers show: cert.pem, key.pem, and
// both.pem for HAProxy.
func (w *world) certify() error {
	cert, key, err := lab.SelfSigned(plainHost, stickyHost)
	if err != nil {
		return err
	}
	for name, text := range map[string]string{"cert.pem": string(cert), "key.pem": string(key), "both.pem": string(cert) + string(key)} {
		if _, err := w.write(name, text); err != nil {
			return err
		}
	}
	return nil
}
