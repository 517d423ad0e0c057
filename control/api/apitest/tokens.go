package apitest

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
)

// Tokens of the file that WriteTokens writes.
const (
	Viewer   = "viewer-0123456789abcdef"
	Operator = "operator-0123456789abcdef"
	Admin    = "admin-0123456789abcdef"
)

// WriteTokens writes a tokens file with one token of each role, of vera, olaf
// and ada, and returns its path.
func WriteTokens(dir string) (string, error) {
	sum := sha256.Sum256([]byte(Admin))
	path := filepath.Join(dir, "tokens.yaml")
	text := "tokens:\n" +
		"  - {name: vera, role: viewer, token: " + Viewer + "}\n" +
		"  - {name: olaf, role: operator, token: " + Operator + "}\n" +
		"  - {name: ada, role: admin, token_sha256: " + hex.EncodeToString(sum[:]) + "}\n"
	return path, os.WriteFile(path, []byte(text), 0o600)
}
