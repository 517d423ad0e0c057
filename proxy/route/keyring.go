package route

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/dchest/siphash"
)

// MaxKeys bounds a Keyring, and with it the search for a cookie's key.
const MaxKeys = 16

// Keyring holds the keys that sign sticky cookies and the salt of the hashed
// ones. Immutable; the methods that change something return another Keyring.
//
// Rotation takes three steps, so that no node meets a cookie whose key it does
// not know: WithKey, then, when every node has it, Signing, and Pruned once the
// cookies of the old key are out of date.
type Keyring struct {
	signing      int // index into keys
	keys         []key
	salt0, salt1 uint64
}

// key is one signing key. A retired one verifies what was issued before.
type key struct {
	id      string
	k0, k1  uint64
	added   int64 // unix seconds; 0: with the keyring, or by an older release
	retired int64 // unix seconds when it signed last; 0: it may sign
}

// KeyInfo is what may be known of a key.
type KeyInfo struct {
	ID      string
	Signs   bool
	Added   int64 // unix seconds; 0: not known
	Retired int64 // unix seconds when it signed last; 0: it signs or is yet to
}

// LastCookie is when the last cookie was issued that a retired key verifies, in
// unix seconds.
func (k KeyInfo) LastCookie() int64 { return k.Retired + clockSkew }

// Waits reports whether the key verifies and has not begun to sign.
func (k KeyInfo) Waits() bool { return !k.Signs && k.Retired == 0 }

// storedKeyring is the JSON of a Keyring.
type storedKeyring struct {
	Signing string      `json:"signing"`
	Keys    []storedKey `json:"keys"`
	Salt    []byte      `json:"salt"`
}

type storedKey struct {
	ID      string `json:"id"`
	Secret  []byte `json:"secret"`
	Added   int64  `json:"added,omitempty"`
	Retired int64  `json:"retired,omitempty"`
}

const (
	secretLength = 16 // bytes: a SipHash key
	maxKeyID     = 8
)

// NewKeyring returns a Keyring with one key and a salt, both read from random
// (crypto/rand.Reader outside tests).
func NewKeyring(random io.Reader) (*Keyring, error) {
	salt, err := draw(random)
	if err != nil {
		return nil, err
	}
	empty := &Keyring{}
	empty.salt0, empty.salt1 = words(salt[:])
	keys, _, err := empty.WithKey(random, 0)
	return keys, err
}

// ParseKeyring reads what Marshal wrote. It refuses a keyring without a key to
// sign with, and keys that are short, all zero or named twice.
func ParseKeyring(data []byte) (*Keyring, error) {
	var stored storedKeyring
	if err := json.Unmarshal(data, &stored); err != nil {
		return nil, fmt.Errorf("cannot read keyring: %w", err)
	}
	r := &Keyring{signing: -1}
	if err := checkSecret(stored.Salt); err != nil {
		return nil, fmt.Errorf("cannot read keyring: salt: %w", err)
	}
	r.salt0, r.salt1 = words(stored.Salt)
	if len(stored.Keys) > MaxKeys {
		return nil, fmt.Errorf("cannot read keyring: %d keys, at most %d", len(stored.Keys), MaxKeys)
	}
	for i, k := range stored.Keys {
		if !validKeyID(k.ID) || r.index(k.ID) >= 0 {
			return nil, fmt.Errorf("cannot read keyring: key id %q is invalid or there twice", k.ID)
		}
		if err := checkSecret(k.Secret); err != nil {
			return nil, fmt.Errorf("cannot read keyring: key %q: %w", k.ID, err)
		}
		if k.Added < 0 || k.Retired < 0 || k.ID == stored.Signing && k.Retired != 0 {
			return nil, fmt.Errorf("cannot read keyring: key %q: added at %d, retired at %d", k.ID, k.Added, k.Retired)
		}
		if k.ID == stored.Signing {
			r.signing = i
		}
		k0, k1 := words(k.Secret)
		r.keys = append(r.keys, key{id: k.ID, k0: k0, k1: k1, added: k.Added, retired: k.Retired})
	}
	if r.signing < 0 {
		return nil, fmt.Errorf("cannot read keyring: no signing key %q", stored.Signing)
	}
	return r, nil
}

// Marshal returns r as JSON. It holds secrets: store it readable by nobody else.
func (r *Keyring) Marshal() ([]byte, error) {
	stored := storedKeyring{Signing: r.SigningID(), Salt: bytesOf(r.salt0, r.salt1)}
	for _, k := range r.keys {
		stored.Keys = append(stored.Keys, storedKey{ID: k.id, Secret: bytesOf(k.k0, k.k1), Added: k.added, Retired: k.retired})
	}
	data, err := json.Marshal(stored)
	if err != nil {
		return nil, fmt.Errorf("cannot write keyring: %w", err)
	}
	return data, nil
}

// WithKey returns r with one more key, drawn from random and added now (unix
// seconds), and the key's id. The key verifies; it signs only after Signing, or if
// it is the first.
func (r *Keyring) WithKey(random io.Reader, now int64) (*Keyring, string, error) {
	if len(r.keys) >= MaxKeys {
		return nil, "", fmt.Errorf("cannot add cookie key: there are %d already", MaxKeys)
	}
	secret, err := draw(random)
	if err != nil {
		return nil, "", err
	}
	k := key{added: now}
	k.k0, k.k1 = words(secret[:])
	// The id is public, so it comes from a hash of the key, not from the key.
	for n := uint64(0); ; n++ {
		k.id = fmt.Sprintf("%04x", uint16(siphash.Hash(k.k0, k.k1, binary.LittleEndian.AppendUint64(nil, n))))
		if r.index(k.id) < 0 {
			break
		}
	}
	next := *r
	next.keys = append(slices.Clone(r.keys), k)
	return &next, k.id, nil
}

// Signing returns r with the key id signing, and the key that signed until now
// retired at the given time in unix seconds: it verifies only cookies from
// before.
func (r *Keyring) Signing(id string, now int64) (*Keyring, error) {
	i := r.index(id)
	if i < 0 || r.keys[i].retired != 0 {
		return nil, fmt.Errorf("cannot sign with cookie key %q: it is unknown or retired", id)
	}
	next := *r
	if i == r.signing {
		return &next, nil
	}
	next.keys = slices.Clone(r.keys)
	next.keys[r.signing].retired = max(now, 1)
	next.signing = i
	return &next, nil
}

// Pruned returns r without the keys whose last cookies were signed before the
// given time in unix seconds: now less the longest max_age of any cookie.
func (r *Keyring) Pruned(before int64) *Keyring {
	next := *r
	id := r.SigningID()
	next.keys = slices.DeleteFunc(slices.Clone(r.keys), func(k key) bool {
		return k.retired != 0 && k.retired+clockSkew < before
	})
	next.signing = next.index(id)
	return &next
}

// Keys tells of all keys, the oldest first.
func (r *Keyring) Keys() []KeyInfo {
	out := make([]KeyInfo, len(r.keys))
	for i, k := range r.keys {
		out[i] = KeyInfo{ID: k.id, Signs: i == r.signing, Added: k.added, Retired: k.retired}
	}
	return out
}

// SigningID returns the id of the key that signs.
func (r *Keyring) SigningID() string { return r.keys[r.signing].id }

func (r *Keyring) index(id string) int {
	return slices.IndexFunc(r.keys, func(k key) bool { return k.id == id })
}

// find returns the key of a cookie, or nil. Ids are public.
func (r *Keyring) find(id []byte) *key {
	for i := range r.keys {
		if r.keys[i].id == string(id) {
			return &r.keys[i]
		}
	}
	return nil
}

func draw(random io.Reader) ([secretLength]byte, error) {
	var secret [secretLength]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return secret, fmt.Errorf("cannot draw cookie key: %w", err)
	}
	return secret, checkSecret(secret[:])
}

func checkSecret(secret []byte) error {
	if len(secret) != secretLength {
		return fmt.Errorf("%d bytes, want %d", len(secret), secretLength)
	}
	if k0, k1 := words(secret); k0|k1 == 0 {
		return errors.New("all zero")
	}
	return nil
}

func validKeyID(id string) bool {
	if len(id) == 0 || len(id) > maxKeyID {
		return false
	}
	for _, c := range []byte(id) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

func words(secret []byte) (k0, k1 uint64) {
	return binary.LittleEndian.Uint64(secret), binary.LittleEndian.Uint64(secret[8:])
}

func bytesOf(k0, k1 uint64) []byte {
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, k0), k1)
}
