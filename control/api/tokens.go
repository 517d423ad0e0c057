package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// Role is what a token may do. Each role may do what those before it may.
type Role int

// Roles of a token.
const (
	Nobody   Role = iota // no token is asked for
	Client               // asks for flags, and nothing else
	Viewer               // reads
	Operator             // moves weights and rollouts
	Admin                // changes services
)

func (r Role) String() string {
	switch r {
	case Client:
		return "client"
	case Viewer:
		return "viewer"
	case Operator:
		return "operator"
	case Admin:
		return "admin"
	}
	return "nobody"
}

// ParseRole returns the role of that name.
func ParseRole(name string) (Role, bool) {
	for _, r := range []Role{Client, Viewer, Operator, Admin} {
		if r.String() == name {
			return r, true
		}
	}
	return Nobody, false
}

// Tokens are the tokens of the control API, read from a file and read again
// when the file changes. A file that turned bad keeps the tokens as they were.
// Safe for concurrent use.
type Tokens struct {
	path string

	mu   sync.Mutex // guards what is below
	list []credential
	size int64
	mod  time.Time
	bad  error // why the file as it is now is not in use
	told bool  // bad was returned by find
}

// LoadTokens reads a tokens file:
//
//	tokens:
//	  - {name: ana, role: operator, token_sha256: …}    # as `weir token new` prints it
//	  - {name: ci, role: operator, certificate: ci.example.com}
//	  - {name: shop, role: client, environment: staging, token_sha256: …}
//
// Names are unique and become the actor of every change. The error lists all
// that is wrong with the file.
func LoadTokens(path string) (*Tokens, error) {
	t := &Tokens{path: path}
	if err := t.reload(); err != nil {
		return nil, err
	}
	return t, nil
}

// reload reads the file if it is another than the one in use.
func (t *Tokens) reload() error {
	info, err := os.Stat(t.path)
	if err != nil {
		return fmt.Errorf("cannot read tokens %q: %w", t.path, err)
	}
	if info.Size() == t.size && info.ModTime().Equal(t.mod) {
		return t.bad
	}
	data, err := os.ReadFile(t.path)
	if err != nil {
		return fmt.Errorf("cannot read tokens %q: %w", t.path, err)
	}
	t.size, t.mod = info.Size(), info.ModTime()
	t.told = false
	list, err := parseTokens(data)
	if err == nil && info.Mode().Perm()&0o077 != 0 && slices.ContainsFunc(list, func(c credential) bool { return c.clear }) {
		err = errors.New("it holds tokens in the clear, and others on this machine may read it; write token_sha256 in place of token, or chmod 600 it")
	}
	if err != nil {
		t.bad = fmt.Errorf("cannot read tokens %q: %w", t.path, err)
		return t.bad
	}
	t.list, t.bad = list, nil
	return nil
}

// find returns who holds a secret. All tokens are compared, each in constant
// time, so that the time of an answer tells nothing. stale is, once for each
// bad form of the file, why the entries before it are still in use.
func (t *Tokens) find(secret string) (who identity, stale error) {
	return t.holder(sha256.Sum256([]byte(secret)))
}

// holder is find by the hash of a secret.
func (t *Tokens) holder(hash [sha256.Size]byte) (who identity, stale error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	stale = t.refresh()
	for i := range t.list {
		if c := &t.list[i]; c.certificate == "" && subtle.ConstantTimeCompare(hash[:], c.hash[:]) == 1 {
			who = c.identity
		}
	}
	return who, stale
}

// findCertificate returns who shows a certificate, which the caller verified:
// the first entry that is one of its names. Common name, DNS names, mail
// addresses and URIs count, letter by letter: patterns would be one more thing
// to get wrong. stale is as with find.
func (t *Tokens) findCertificate(leaf *x509.Certificate) (who identity, stale error) {
	names := append([]string{leaf.Subject.CommonName}, leaf.DNSNames...)
	names = append(names, leaf.EmailAddresses...)
	for _, u := range leaf.URIs {
		names = append(names, u.String())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	stale = t.refresh()
	for i := range t.list {
		if c := &t.list[i]; c.certificate != "" && slices.Contains(names, c.certificate) {
			return c.identity, stale
		}
	}
	return identity{}, stale
}

func (t *Tokens) refresh() error {
	if err := t.reload(); err != nil && !t.told {
		t.told = true
		return err
	}
	return nil
}
