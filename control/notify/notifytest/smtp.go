// Package notifytest holds servers that stand in for those of notification
// channels in tests.
package notifytest

import (
	"bufio"
	"cmp"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// SMTP takes mail on loopback, as much of RFC 5321 as a client needs.
type SMTP struct {
	Address string
	hang    <-chan struct{} // nil: it answers; else it says nothing until this is closed

	secure         *tls.Config // nil: it knows no STARTTLS
	user, password string      // who may log in; no user: nobody has to

	mu struct {
		sync.Mutex
		said   []string            // the commands of all clients
		refuse map[string]string   // what RCPT gets, by address
		greet  string              // empty: 220
		offer  string              // mechanisms of AUTH; empty: PLAIN and LOGIN
		mails  map[string][]string // by recipient
	}
}

// NewSMTP starts a server that ends with the test. If hang is not nil, connections
// that come before it is closed hear nothing, and are closed with it.
func NewSMTP(t *testing.T, hang <-chan struct{}) *SMTP {
	t.Helper()
	return start(t, &SMTP{hang: hang})
}

// NewSecureSMTP starts a server that takes mail after STARTTLS and a login alone.
func NewSecureSMTP(t *testing.T, certificate tls.Certificate, user, password string) *SMTP {
	t.Helper()
	return start(t, &SMTP{
		secure: &tls.Config{Certificates: []tls.Certificate{certificate}},
		user:   user, password: password,
	})
}

func start(t *testing.T, s *SMTP) *SMTP {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Address = l.Addr().String()
	s.mu.mails, s.mu.refuse = map[string][]string{}, map[string]string{}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	return s
}

// Refuse makes answer what RCPT gets for an address; empty: it is taken.
func (s *SMTP) Refuse(address, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.refuse[address] = answer
}

// Greet makes answer what new connections get instead of a greeting; empty: 220.
func (s *SMTP) Greet(answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.greet = answer
}

// Offer makes mechanisms what clients may log in by; empty: PLAIN and LOGIN.
func (s *SMTP) Offer(mechanisms string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.offer = mechanisms
}

// Mails are those that an address got, heads included, the oldest first.
func (s *SMTP) Mails(to string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.mu.mails[to])
}

// Heard reports whether any client said a command that begins so.
func (s *SMTP) Heard(command string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.mu.said, func(c string) bool { return strings.HasPrefix(c, command) })
}

func (s *SMTP) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }() // of the TLS on it, once there is some
	if s.hang != nil {
		select {
		case <-s.hang:
		default:
			<-s.hang
			return
		}
	}
	r := bufio.NewReader(conn)
	say := func(line string) { fmt.Fprintf(conn, "%s\r\n", line) }
	s.mu.Lock()
	greeting, offer := s.mu.greet, cmp.Or(s.mu.offer, "PLAIN LOGIN")
	s.mu.Unlock()
	if greeting != "" {
		say(greeting)
		return
	}
	say("220 smtp.test ESMTP")
	to, encrypted, known := "", false, s.user == ""
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		s.mu.Lock()
		s.mu.said = append(s.mu.said, line)
		s.mu.Unlock()
		switch verb, _, _ := strings.Cut(line, " "); verb {
		case "EHLO":
			say("250-smtp.test")
			if s.secure != nil && !encrypted {
				say("250-STARTTLS")
			} else {
				say("250-AUTH " + offer)
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go ahead")
			conn = tls.Server(conn, s.secure)
			r, encrypted = bufio.NewReader(conn), true
		case "AUTH":
			if known = s.logIn(line, r, say); known {
				say("235 welcome")
			} else {
				say("535 wrong password")
			}
		case "MAIL":
			if known {
				say("250 ok")
			} else {
				say("530 log in first")
			}
		case "RCPT":
			_, to, _ = strings.Cut(line, "<")
			to, _, _ = strings.Cut(to, ">")
			s.mu.Lock()
			answer := s.mu.refuse[to]
			s.mu.Unlock()
			if answer == "" {
				answer = "250 ok"
			}
			say(answer)
		case "DATA":
			say("354 go ahead")
			var mail strings.Builder
			for {
				line, err := r.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				mail.WriteString(line)
			}
			s.mu.Lock()
			s.mu.mails[to] = append(s.mu.mails[to], mail.String())
			s.mu.Unlock()
			say("250 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 ok")
		}
	}
}

// logIn hears a login by PLAIN (RFC 4616), or by LOGIN, which asks for name and
// password one after the other and which old servers know alone.
func (s *SMTP) logIn(line string, r *bufio.Reader, say func(string)) bool {
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	if line != "AUTH LOGIN" {
		return line == "AUTH PLAIN "+encode("\x00"+s.user+"\x00"+s.password)
	}
	right := true
	for _, ask := range []struct{ prompt, want string }{{"Username:", s.user}, {"Password:", s.password}} {
		say("334 " + encode(ask.prompt))
		answer, err := r.ReadString('\n')
		right = right && err == nil && strings.TrimSpace(answer) == encode(ask.want)
	}
	return right
}
