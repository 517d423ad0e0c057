package upstream

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// TLSFiles says what a TLS is made of. TLSFiles are compared by value.
type TLSFiles struct {
	// CA is a PEM file of the authorities that may have signed an endpoint's
	// certificate. Empty: the system's.
	CA string
	// Cert and Key are PEM files of the certificate chain that endpoints are
	// shown when they ask for one. Empty: none is shown.
	Cert, Key string
	// Insecure takes any certificate. Whoever is in between can then read and
	// change everything.
	Insecure bool
}

// lookEvery is how old what is known of the files may be when a connection is
// opened.
const lookEvery = 2 * time.Second

// TLS is a client's side of TLS 1.2 and 1.3, made of files that may change while
// it is in use: they are looked at when a connection is opened, at most every 2
// seconds. Open connections keep what they were opened with. New files that do
// not fit leave the old ones in use. Safe for concurrent use.
type TLS struct {
	files   TLSFiles
	current atomic.Pointer[tls.Config]
	due     atomic.Int64 // nanoseconds since the epoch, when the files are looked at again

	err atomic.Pointer[error]

	mu  sync.Mutex // held while the files are read
	sum [sha256.Size]byte
}

// NewTLS returns the TLS of the files. It reads nothing yet.
func NewTLS(files TLSFiles) *TLS { return &TLS{files: files} }

// Config is what a connection to the named server that speaks one of protocols
// is opened with. The caller owns it. An error means that the files could never
// be used.
func (t *TLS) Config(name string, protocols ...string) (*tls.Config, error) {
	base, err := t.base(time.Now())
	if err != nil {
		return nil, err
	}
	config := base.Clone() // shares the cache of sessions
	config.ServerName, config.NextProtos = name, protocols
	return config, nil
}

// Err is why the files as they are now cannot be used; nil: they can, or were
// not looked at yet.
func (t *TLS) Err() error {
	if err := t.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (t *TLS) base(now time.Time) (*tls.Config, error) {
	config := t.current.Load()
	if config != nil && now.UnixNano() < t.due.Load() {
		return config, nil
	}
	if config == nil {
		t.mu.Lock()
	} else if !t.mu.TryLock() {
		return config, nil // somebody else looks already
	}
	defer t.mu.Unlock()
	if now.UnixNano() >= t.due.Load() {
		t.due.Store(now.Add(lookEvery).UnixNano())
		err := t.load()
		t.err.Store(&err)
	}
	if config = t.current.Load(); config == nil {
		return nil, t.Err()
	}
	return config, nil
}

// load reads the files, and uses them if they are new and fit. It is called with
// the lock held.
func (t *TLS) load() error {
	var contents [3][]byte
	for i, name := range []string{t.files.CA, t.files.Cert, t.files.Key} {
		if name == "" {
			continue
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("cannot read TLS file: %w", err)
		}
		contents[i] = content
	}
	// Contents are compared, not dates: files may be swapped behind a link.
	sum := sha256.Sum256(bytes.Join(contents[:], []byte{0}))
	if t.current.Load() != nil && sum == t.sum {
		return nil
	}
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: t.files.Insecure,
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
	}
	if t.files.CA != "" {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(contents[0]) {
			return fmt.Errorf("cannot use authorities %q: no certificate in PEM in it", t.files.CA)
		}
	}
	if t.files.Cert != "" {
		pair, err := tls.X509KeyPair(contents[1], contents[2])
		if err != nil {
			return fmt.Errorf("cannot use certificate %q with key %q: %w", t.files.Cert, t.files.Key, err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	t.sum = sum
	t.current.Store(config)
	return nil
}
