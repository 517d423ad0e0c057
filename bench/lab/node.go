package lab

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// NodeOptions are what differs between the nodes of proofs.
type NodeOptions struct {
	Name   string        // also of its folder and log, with a number if there is one already
	Etcd   *Etcd         // nil: embedded, unless Etcds are given
	Etcds  []string      // URLs of an external etcd
	Prefix string        // in Etcd; empty: the default
	Tokens string        // content of the tokens file; empty: none
	Token  string        // that API and CLI use
	Window time.Duration // of the drain; 0: 1s
	H2C    bool          // clients may begin with HTTP/2's preface

	Listeners string // more entries of listen, in the node file's form
	More      string // further keys of the node file

	Strangers bool // clients are no trusted proxies, so the limits of a client hold for them

	// Clients is the content of the tokens file of applications that ask for
	// flags. Empty: nobody may.
	Clients string
}

// Node is a weir in a process of its own.
type Node struct {
	*Process
	API     *API
	Clients string // address for clients
	Control string // URL of the control API
	Flags   string // address for applications that ask for flags; empty: none
	File    string // the node file

	lab   *Lab
	name  string
	token string
}

// Node writes a node file and starts weir with it.
func (l *Lab) Node(o NodeOptions) (*Node, error) {
	clients, err := l.Address()
	if err != nil {
		return nil, err
	}
	control, err := l.Address()
	if err != nil {
		return nil, err
	}
	name := l.unique(o.Name)
	dir := filepath.Join(l.Dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	n := &Node{
		Clients: clients, Control: "http://" + control, File: filepath.Join(dir, "node.yaml"),
		lab: l, name: name, token: o.Token,
	}
	n.API = NewAPI(n.Control, o.Token)
	if o.Tokens != "" {
		if err := os.WriteFile(filepath.Join(dir, "tokens.yaml"), []byte(o.Tokens), 0o600); err != nil {
			return nil, err
		}
	}
	file := o.file(clients, control)
	if o.Clients != "" {
		if n.Flags, err = l.Address(); err != nil {
			return nil, err
		}
		file += fmt.Sprintf("flags: {address: %q, tokens: clients.yaml}\n", n.Flags)
		if err := os.WriteFile(filepath.Join(dir, "clients.yaml"), []byte(o.Clients), 0o600); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(n.File, []byte(file), 0o600); err != nil {
		return nil, err
	}
	return n, n.Start()
}

// Run starts weir with a node file that is there. clients is an address of it, and
// control the URL of its control API.
func (l *Lab) Run(name, file, clients, control, token string) (*Node, error) {
	n := &Node{Clients: clients, Control: control, File: file, API: NewAPI(control, token), lab: l, name: name, token: token}
	return n, n.Start()
}

// file is the node file. Clients are believed who they say they are, so that
// one machine can be many of them.
func (o NodeOptions) file(clients, control string) string {
	state := "  embedded: {dir: data}\n"
	if o.Etcd != nil {
		o.Etcds = []string{o.Etcd.URL}
	}
	if len(o.Etcds) > 0 {
		state = fmt.Sprintf("  etcd: {endpoints: [%s], prefix: %q}\n", strings.Join(o.Etcds, ", "), cmp.Or(o.Prefix, "/weir/default"))
	}
	tokens := ""
	if o.Tokens != "" {
		tokens = "  tokens: tokens.yaml\n"
	}
	trusted := "127.0.0.0/8"
	if o.Strangers {
		trusted = ""
	}
	return fmt.Sprintf(`kind: Node
name: %s
listen:
  - {address: "%s", h2c: %t}
%scontrol:
  address: %s
%sstate:
%strusted_proxies: [%s]
drain: {window: %s, grace: 5s}
log: {level: info, format: json}
%s`, o.Name, clients, o.H2C, o.Listeners, control, tokens, state, trusted, cmp.Or(o.Window, time.Second), o.More)
}

// Start starts weir again after its end, with the same file and folder, and
// waits until it serves.
func (n *Node) Start() (err error) {
	n.Process, err = n.lab.start(n.name, n.lab.weir, "serve", "-c", n.File)
	if err != nil {
		return err
	}
	return n.awaitReady(30*time.Second, func() bool {
		a, err := n.API.Call(http.MethodGet, "/readyz", nil)
		return err == nil && a.Status == http.StatusOK
	})
}

// CLI runs a command of the binary against this node and returns its exit code
// and what it printed.
func (n *Node) CLI(args ...string) (code int, out, errOut string, err error) {
	return n.CLIWith("", args...)
}

// CLIWith is CLI with a standard input.
func (n *Node) CLIWith(input string, args ...string) (code int, out, errOut string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.lab.weir, args...)
	cmd.Dir = n.lab.Dir
	cmd.Env = append(os.Environ(), "WEIR_CONTROL="+n.Control, "WEIR_TOKEN="+n.token)
	cmd.Stdin = strings.NewReader(input)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() >= 0 {
		err = nil
	}
	if err != nil {
		return 0, "", "", fmt.Errorf("cannot run weir %s: %w", strings.Join(args, " "), err)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String(), nil
}
