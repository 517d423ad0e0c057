package api

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
)

// identity is who stands behind a request. The zero identity is nobody.
type identity struct {
	name string // the actor of every change
	role Role

	environment string // of a client; empty: it names none
}

// credential is one way to prove to be somebody: a secret or a certificate.
type credential struct {
	identity
	hash        [sha256.Size]byte // of the secret
	clear       bool              // the secret itself stands in the file
	certificate string            // a name in a client certificate; empty: a secret
}

// tokensFile is the form of the file.
type tokensFile struct {
	Tokens []tokenEntry `yaml:"tokens"`
}

type tokenEntry struct {
	Name        string `yaml:"name"`
	Role        string `yaml:"role"`
	Token       string `yaml:"token"`
	SHA256      string `yaml:"token_sha256"`
	Certificate string `yaml:"certificate"`
	Environment string `yaml:"environment"`
}

// minToken is the shortest token taken: 16 characters are out of reach of
// guessing over a network.
const minToken = 16

// NewToken makes a secret of 256 random bits and the line of the tokens file
// that lets it in. The file holds its SHA-256 alone. A slow hash would add
// nothing: it protects what people think up, and nobody guesses 256 bits. The
// error says what is wrong with the name.
func NewToken(name string, role Role) (secret, line string, err error) {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	secret = "weir_" + hex.EncodeToString(raw)
	e := tokenEntry{Name: name, Role: role.String(), SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(secret)))}
	if _, err := e.credential(); err != nil {
		return "", "", err
	}
	return secret, fmt.Sprintf("  - {name: %q, role: %s, token_sha256: %s}", e.Name, e.Role, e.SHA256), nil
}

func parseTokens(data []byte) ([]credential, error) {
	var file tokensFile
	if err := yaml.UnmarshalWithOptions(data, &file, yaml.Strict()); err != nil {
		// Without the source, which holds the tokens.
		return nil, errors.New(yaml.FormatError(err, false, false))
	}
	if len(file.Tokens) == 0 {
		return nil, errors.New("it holds no tokens; write `tokens:` and below it what `weir token new` prints")
	}
	var list []credential
	var problems []error
	names := make(map[string]bool)
	proofs := make(map[string]bool)
	for i, e := range file.Tokens {
		entry, err := e.credential()
		proof := string(entry.hash[:]) + entry.certificate
		switch {
		case err != nil:
		case names[entry.name]:
			err = fmt.Errorf("the name %q is used twice", entry.name)
		case proofs[proof]:
			err = fmt.Errorf("%q has the same token or certificate as another entry", entry.name)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("tokens[%d]: %w", i, err))
			continue
		}
		names[entry.name], proofs[proof] = true, true
		list = append(list, entry)
	}
	return list, errors.Join(problems...)
}

func (e tokenEntry) credential() (credential, error) {
	role, ok := ParseRole(e.Role)
	set := 0
	for _, proof := range []string{e.Token, e.SHA256, e.Certificate} {
		if proof != "" {
			set++
		}
	}
	switch {
	case e.Name == "":
		return credential{}, errors.New("name is missing; it is the actor that the history shows")
	case localActor(e.Name) != e.Name:
		return credential{}, fmt.Errorf("name %q is not printable ASCII of at most %d characters", e.Name, maxActor)
	case !ok:
		return credential{}, fmt.Errorf("role %q is unknown; write client, viewer, operator or admin", e.Role)
	case e.Environment != "" && role != Client:
		return credential{}, fmt.Errorf("only clients have an environment, and %q is a %s", e.Name, role)
	case role == Client && e.Certificate != "":
		return credential{}, fmt.Errorf("client %q needs a token: flags are not asked for with a certificate", e.Name)
	case set != 1:
		return credential{}, errors.New("exactly one of token_sha256, token and certificate must be set")
	case e.Token != "" && len(e.Token) < minToken:
		return credential{}, fmt.Errorf("the token is shorter than %d characters; make one with `weir token new`", minToken)
	}
	c := credential{identity: identity{name: e.Name, role: role, environment: e.Environment}, clear: e.Token != "", certificate: e.Certificate}
	switch {
	case e.SHA256 != "":
		hash, err := hex.DecodeString(strings.ToLower(e.SHA256))
		if err != nil || len(hash) != sha256.Size {
			return credential{}, errors.New("token_sha256 is not 64 hex digits; `weir token new` prints it, and so does `printf %s TOKEN | sha256sum`")
		}
		c.hash = [sha256.Size]byte(hash)
	case e.Token != "":
		c.hash = sha256.Sum256([]byte(e.Token))
	}
	return c, nil
}
