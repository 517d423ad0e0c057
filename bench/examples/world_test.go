//go:build e2e

package examples

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// configsDir is where the operators' files lie.
const configsDir = "../../configs"

// labOf is set once by TestMain, before any test.
var labOf *lab.Lab

func TestMain(m *testing.M) {
	l, err := lab.New(os.Getenv("WEIR_BIN"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	labOf = l
	code := m.Run()
	if code != 0 {
		fmt.Fprintf(os.Stderr, "the logs are in %s\n", l.Dir)
	}
	if err := l.Close(code != 0); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// holds fails the test unless text holds every part.
func holds(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in:\n%s", part, text)
		}
	}
}

// origin starts a version that ends with the test.
func origin(t *testing.T, name string) *lab.Origin {
	t.Helper()
	o, err := labOf.Origin(name, 0)
	check(t, err)
	t.Cleanup(func() { o.Kill() })
	return o
}

// read is a file below configs/.
func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(configsDir, name))
	check(t, err)
	return string(data)
}
