package call

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxSecret bounds a secret: a token or a URL, never a file of something else.
const maxSecret = 4 << 10

// maxAuthorities bounds a file of certificates; that of a whole system has 250 KB.
const maxAuthorities = 1 << 20

// Secrets reads the secrets that documents name by file. A secret is read anew
// for every use, so that it can be changed while weir runs.
//
// Threat: documents come through the API, secrets lie on a node's disk. Who may
// apply a document must not thereby read any file of the machine and have it
// sent somewhere: names are relative to one folder and cannot leave it, not by
// a link either, and what is longer than a line of printable text, a private key
// say, is no secret.
type Secrets struct {
	// Dir is the folder. Empty: the one that the process runs in.
	Dir string
}

// Read returns the secret in a file, without the space around it. The error
// never shows what the file holds.
func (s Secrets) Read(name string) (string, error) {
	data, err := s.read(name, maxSecret)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(data))
	switch {
	case secret == "":
		return "", fmt.Errorf("cannot use secret %q: the file is empty", name)
	case strings.ContainsFunc(secret, func(c rune) bool { return c < ' ' || c > '~' }):
		return "", fmt.Errorf("cannot use secret %q: it is not one line of printable ASCII", name)
	}
	return secret, nil
}

// Authorities returns the certificates in a PEM file, to check others by. Nothing
// of the file is ever sent anywhere.
func (s Secrets) Authorities(name string) (*x509.CertPool, error) {
	data, err := s.read(name, maxAuthorities)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("cannot use the authorities in %q: there is no certificate in PEM", name)
	}
	return pool, nil
}

func (s Secrets) read(name string, most int) ([]byte, error) {
	dir := s.Dir
	if dir == "" {
		dir = "."
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the folder of secrets: %w", err)
	}
	defer root.Close()
	file, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, fmt.Errorf("cannot read secret %q: %w", name, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, int64(most)+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read secret %q: %w", name, err)
	}
	if len(data) > most {
		return nil, fmt.Errorf("cannot use secret %q: the file is longer than %d bytes", name, most)
	}
	return data, nil
}
