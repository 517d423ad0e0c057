package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
)

// inherited are the listening sockets that this process was started with:
// systemd's (LISTEN_FDS), or those of the process that it takes over from.
type inherited struct {
	sockets []socket // that nobody has taken
	elder   *peer    // the process that is taken over from; nil: none
}

// socket is a listening socket that was open before this process.
type socket struct {
	name string // what it is for and its address as the node file has it; empty: its own address tells
	ln   net.Listener
	kept bool // systemd has it too
}

// Names of the sockets of an heir: `clients 127.0.0.1:80`, in the order of its
// file descriptors, which begin after the one of the conversation. No address
// has a semicolon.
const (
	handoverEnv = "WEIR_HANDOVER"
	handoverFD  = 3
	keptMark    = " kept"
)

// openInherited takes what this process was started with. The environment is
// cleared of it, so that no other process takes it for its own.
func openInherited() (*inherited, error) {
	names, heir := os.LookupEnv(handoverEnv)
	if heir {
		_ = os.Unsetenv(handoverEnv) // it was there
		return openHandover(strings.Split(names, ";"))
	}
	in := &inherited{}
	for _, file := range activation.Files(true) {
		if err := in.add(file, "", true); err != nil {
			return nil, fmt.Errorf("cannot use socket %q of systemd: %w", file.Name(), err)
		}
	}
	return in, nil
}

func openHandover(names []string) (*inherited, error) {
	file := os.NewFile(handoverFD, "handover")
	conn, err := net.FileConn(file)
	_ = file.Close()
	if err != nil {
		return nil, fmt.Errorf("cannot talk to the process that is taken over from: %w", err)
	}
	in := &inherited{elder: newPeer(conn)}
	for i, name := range names {
		fd := handoverFD + 1 + i
		name, kept := strings.CutSuffix(name, keptMark)
		if err := in.add(os.NewFile(uintptr(fd), name), name, kept); err != nil {
			return nil, fmt.Errorf("cannot take over %s (file descriptor %s): %w", name, strconv.Itoa(fd), err)
		}
	}
	return in, nil
}

func (in *inherited) add(file *os.File, name string, kept bool) error {
	ln, err := net.FileListener(file)
	_ = file.Close() // FileListener has its own
	if err != nil {
		return err
	}
	in.sockets = append(in.sockets, socket{name: name, ln: ln, kept: kept})
	return nil
}

// take returns the socket for an address of the node file, if there is one:
// what says so by its name, or systemd's that listens there.
func (in *inherited) take(name, address string) (s socket, ok bool) {
	for i, s := range in.sockets {
		if s.name == name || s.name == "" && listensOn(s.ln.Addr(), address) {
			in.sockets = append(in.sockets[:i:i], in.sockets[i+1:]...)
			return s, true
		}
	}
	return socket{}, false
}

// listensOn reports whether a listening socket is what the node file means by
// an address. An empty host means any address, of either family.
func listensOn(a net.Addr, address string) bool {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return false
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil || port != strconv.Itoa(tcp.Port) {
		return false
	}
	if host == "" {
		return tcp.IP.IsUnspecified()
	}
	want, err := net.ResolveIPAddr("ip", host)
	return err == nil && want.IP.Equal(tcp.IP)
}

// done closes what nobody took. Of systemd's sockets none may be left: whoever
// connects to it would wait for ever.
func (in *inherited) done() error {
	var problems []error
	for _, s := range in.sockets {
		if s.name == "" {
			problems = append(problems, fmt.Errorf("systemd passed a socket that listens on %s, which is no address of the node file", s.ln.Addr()))
		}
		_ = s.ln.Close()
	}
	in.sockets = nil
	return errors.Join(problems...)
}

// peer is the other process of a handover. They talk in turns, a line each.
type peer struct {
	conn  net.Conn
	lines *bufio.Scanner
}

// message is one line.
type message struct {
	Say   string   `json:"say"`
	Taken []string `json:"taken,omitempty"` // names of the sockets, with ready
}

// What is said. The heir is prepared when all but the state is open, and the
// elder then lets go of that; the heir is ready when it accepts clients.
const (
	sayPrepared = "prepared"
	sayGo       = "go"
	sayReady    = "ready"
)

// How long the other may take for its next word. Opening the state is bounded
// by half a minute.
const (
	preparing = 30 * time.Second
	becoming  = 90 * time.Second
)

func newPeer(conn net.Conn) *peer {
	return &peer{conn: conn, lines: bufio.NewScanner(conn)}
}

func (p *peer) say(m message) error {
	line, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("cannot say %q: %w", m.Say, err)
	}
	_ = p.conn.SetWriteDeadline(time.Now().Add(preparing))
	if _, err := p.conn.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("cannot tell the other process %q: %w", m.Say, err)
	}
	return nil
}

// expect waits for one word.
func (p *peer) expect(say string, patience time.Duration) (message, error) {
	_ = p.conn.SetReadDeadline(time.Now().Add(patience))
	var m message
	if !p.lines.Scan() {
		err := p.lines.Err()
		if err == nil {
			err = errors.New("it ended")
		}
		return m, fmt.Errorf("cannot hear %q of the other process: %w", say, err)
	}
	if err := json.Unmarshal(p.lines.Bytes(), &m); err != nil || m.Say != say {
		return m, fmt.Errorf("cannot understand the other process: it said %.80q where %q was due", p.lines.Text(), say)
	}
	return m, nil
}
