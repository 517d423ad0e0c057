package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
)

// Role is what a token may do. Each role may do what those before it may.
type Role int

// Roles of a token.
const (
	Nobody   Role = iota // no token is asked for
	Viewer               // reads
	Operator             // moves weights and rollouts
	Admin                // changes services
)

func (r Role) String() string {
	switch r {
	case Viewer:
		return "viewer"
	case Operator:
		return "operator"
	case Admin:
		return "admin"
	}
	return "nobody"
}

func roleOf(name string) (Role, bool) {
	for _, r := range []Role{Viewer, Operator, Admin} {
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
	list []token
	size int64
	mod  time.Time
	bad  error // why the file as it is now is not in use
	told bool  // bad was returned by find
}

type token struct {
	name string
	role Role
	hash [sha256.Size]byte
}

// tokensFile is the form of the file.
type tokensFile struct {
	Tokens []tokenEntry `yaml:"tokens"`
}

type tokenEntry struct {
	Name   string `yaml:"name"`
	Role   string `yaml:"role"`
	Token  string `yaml:"token"`
	SHA256 string `yaml:"token_sha256"`
}

// minToken is the shortest token taken: 16 characters are out of reach of
// guessing over a network.
const minToken = 16

// LoadTokens reads a tokens file:
//
//	tokens:
//	  - {name: ana, role: operator, token: …}           # or token_sha256: <hex>
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
	if err != nil {
		t.bad = fmt.Errorf("cannot read tokens %q: %w", t.path, err)
		return t.bad
	}
	t.list, t.bad = list, nil
	return nil
}

func parseTokens(data []byte) ([]token, error) {
	var file tokensFile
	if err := yaml.UnmarshalWithOptions(data, &file, yaml.Strict()); err != nil {
		// Without the source, which holds the tokens.
		return nil, errors.New(yaml.FormatError(err, false, false))
	}
	if len(file.Tokens) == 0 {
		return nil, errors.New("it holds no tokens; write `tokens: [{name: …, role: admin, token: …}]`")
	}
	var list []token
	var problems []error
	names := make(map[string]bool)
	hashes := make(map[[sha256.Size]byte]bool)
	for i, e := range file.Tokens {
		entry, err := e.token()
		switch {
		case err != nil:
		case names[entry.name]:
			err = fmt.Errorf("the name %q is used twice", entry.name)
		case hashes[entry.hash]:
			err = fmt.Errorf("%q has the same token as another entry", entry.name)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("tokens[%d]: %w", i, err))
			continue
		}
		names[entry.name], hashes[entry.hash] = true, true
		list = append(list, entry)
	}
	return list, errors.Join(problems...)
}

func (e tokenEntry) token() (token, error) {
	role, ok := roleOf(e.Role)
	switch {
	case e.Name == "":
		return token{}, errors.New("name is missing; it is the actor that the history shows")
	case !ok:
		return token{}, fmt.Errorf("role %q is unknown; write viewer, operator or admin", e.Role)
	case (e.Token == "") == (e.SHA256 == ""):
		return token{}, errors.New("exactly one of token and token_sha256 must be set")
	case e.Token != "" && len(e.Token) < minToken:
		return token{}, fmt.Errorf("the token is shorter than %d characters; make one with `openssl rand -hex 16`", minToken)
	}
	t := token{name: e.Name, role: role, hash: sha256.Sum256([]byte(e.Token))}
	if e.SHA256 != "" {
		hash, err := hex.DecodeString(strings.ToLower(e.SHA256))
		if err != nil || len(hash) != sha256.Size {
			return token{}, errors.New("token_sha256 is not 64 hex digits; make it with `printf %s TOKEN | sha256sum`")
		}
		t.hash = [sha256.Size]byte(hash)
	}
	return t, nil
}

// find returns who holds a secret. All tokens are compared, each in constant
// time, so that the time of an answer tells nothing. stale is, once for each
// bad form of the file, why the tokens before it are still in use.
func (t *Tokens) find(secret string) (name string, role Role, stale error) {
	hash := sha256.Sum256([]byte(secret))
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.reload(); err != nil && !t.told {
		stale, t.told = err, true
	}
	for i := range t.list {
		if subtle.ConstantTimeCompare(hash[:], t.list[i].hash[:]) == 1 {
			name, role = t.list[i].name, t.list[i].role
		}
	}
	return name, role, stale
}
