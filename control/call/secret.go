package call

import (
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
	dir := s.Dir
	if dir == "" {
		dir = "."
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", fmt.Errorf("cannot open the folder of secrets: %w", err)
	}
	defer root.Close()
	file, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return "", fmt.Errorf("cannot read secret %q: %w", name, err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("cannot read secret %q: %w", name, err)
	}
	secret := strings.TrimSpace(string(data))
	switch {
	case secret == "":
		return "", fmt.Errorf("cannot use secret %q: the file is empty", name)
	case len(data) > maxSecret:
		return "", fmt.Errorf("cannot use secret %q: the file is longer than %d bytes", name, maxSecret)
	case strings.ContainsFunc(secret, func(c rune) bool { return c < ' ' || c > '~' }):
		return "", fmt.Errorf("cannot use secret %q: it is not one line of printable ASCII", name)
	}
	return secret, nil
}
