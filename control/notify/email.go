package notify

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"net"
	"strconv"
	"strings"
	"sync"

	mail "github.com/wneessen/go-mail"

	"github.com/weirproxy/weir/configs"
)

// email sends one mail to each recipient over one connection, so that an address
// that is refused costs the others nothing. A mail that is sent again carries the
// Message-ID that it had, and all of a rollout's are one thread.
func (s *Sender) email(ctx context.Context, t *configs.EmailTarget, e *Entry, m Message) error {
	client, hangUp, err := s.mailer(ctx, t)
	if err != nil {
		return err
	}
	defer hangUp()
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return mailError("cannot reach the SMTP server", err)
	}
	var lasting, passing []error
	for _, to := range t.To {
		msg, err := mailOf(t.From, to, s.Place, e, m)
		if err != nil {
			lasting = append(lasting, err)
			continue
		}
		err = client.SendWithSMTPClient(conn, msg)
		if failed, ok := errors.AsType[*mail.SendError](err); ok && !failed.IsTemp() && failed.ErrorCode() >= 500 && !login(failed.ErrorCode()) {
			lasting = append(lasting, mailError("refused", err))
		} else if err != nil {
			passing = append(passing, mailError("not taken", err))
		}
	}
	_ = client.CloseWithSMTPClient(conn) // whatever it says to QUIT, it has the mail
	if len(passing) == 0 && len(lasting) > 0 {
		return fmt.Errorf("%w: %w", ErrRefused, errors.Join(lasting...))
	}
	return errors.Join(append(passing, lasting...)...)
}

// login reports whether an answer asks for another login (RFC 4954 §6), which an
// operator can mend.
func login(code int) bool { return code == 530 || code == 534 || code == 535 || code == 538 }

// mailer is a client whose every connection ends with ctx or hangUp, whichever
// comes first: the library looks at ctx only while it dials.
func (s *Sender) mailer(ctx context.Context, t *configs.EmailTarget) (_ *mail.Client, hangUp func(), err error) {
	host, port, err := net.SplitHostPort(t.SMTP)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	encryption := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		if encryption.RootCAs, err = s.secrets.Authorities(t.CAFile); err != nil {
			return nil, nil, err
		}
	}
	line := &phoneLine{tls: encryption, implicit: t.TLS == "implicit"}
	options := []mail.Option{
		mail.WithPort(number), mail.WithTimeout(sendTimeout), mail.WithTLSConfig(encryption),
		mail.WithDialContextFunc(line.dial), mail.WithoutNoop(),
	}
	switch t.TLS {
	case "starttls":
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	case "implicit":
		options = append(options, mail.WithSSL())
	case "off":
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSOpportunistic))
	}
	if t.Username != "" {
		password, err := s.secrets.Read(t.PasswordFile)
		if err != nil {
			return nil, nil, err
		}
		// The library never says a password in clear to a server without TLS.
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(t.Username), mail.WithPassword(password))
	}
	client, err := mail.NewClient(host, options...)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	stop := context.AfterFunc(ctx, line.hangUp)
	return client, func() { stop(); line.hangUp() }, nil
}

// phoneLine dials, and ends what it dialled.
type phoneLine struct {
	tls      *tls.Config
	implicit bool

	mu struct {
		sync.Mutex
		over bool
		conn net.Conn
	}
}

func (p *phoneLine) dial(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.mu.conn = conn
	over := p.mu.over
	p.mu.Unlock()
	if over {
		_ = conn.Close()
		return nil, context.Canceled
	}
	if p.implicit {
		return tls.Client(conn, p.tls), nil
	}
	return conn, nil
}

func (p *phoneLine) hangUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.over = true
	if p.mu.conn != nil {
		_ = p.mu.conn.Close() // it may be closed already
	}
}

// mailOf writes one mail, in plain text and in HTML.
func mailOf(from, to, place string, e *Entry, m Message) (*mail.Msg, error) {
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := msg.From(from); err != nil {
		return nil, fmt.Errorf("cannot send from %q: %w", from, err)
	}
	if err := msg.To(to); err != nil {
		return nil, fmt.Errorf("cannot send to %q: %w", to, err)
	}
	msg.Subject(m.Title)
	msg.SetDateWithValue(e.At)
	id := func(of string) string {
		sum := sha256.Sum256([]byte(place + "\x00" + of))
		return hex.EncodeToString(sum[:12]) + "@weir"
	}
	msg.SetMessageIDWithValue(id(e.ID + "\x00" + to))
	if e.Rollout != "" {
		// A reference that no mail bears still makes one thread of those that
		// bear it.
		msg.SetGenHeader(mail.HeaderReferences, "<"+id(e.Rollout)+">")
	}
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: nobody's out-of-office answers it
	msg.SetGenHeader("X-Weir-Event", e.Kind)
	msg.SetGenHeader("X-Weir-Key", e.ID)
	if m.Mood == MoodBad {
		msg.SetImportance(mail.ImportanceHigh)
	}
	msg.SetBodyString(mail.TypeTextPlain, m.plain(e))
	msg.AddAlternativeString(mail.TypeTextHTML, m.html(e))
	return msg, nil
}

// plain is the message as text.
func (m *Message) plain(e *Entry) string {
	var b strings.Builder
	b.WriteString(m.Title + "\n\n")
	for _, l := range m.Lines {
		b.WriteString(l + "\n")
	}
	if len(m.Facts) > 0 {
		b.WriteByte('\n')
	}
	for _, f := range m.Facts {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	if len(m.Links) > 0 {
		b.WriteByte('\n')
	}
	for _, l := range m.Links {
		fmt.Fprintf(&b, "%s: %s\n", l.Name, l.URL)
	}
	fmt.Fprintf(&b, "\n-- \nweir, %s\n", e.ID)
	return b.String()
}

// html is the message as HTML. Nothing in it is markup but what stands here.
func (m *Message) html(e *Entry) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<p><strong>%s</strong></p>\n<p>", html.EscapeString(m.Title))
	for _, l := range m.Lines {
		b.WriteString(html.EscapeString(l) + "<br>\n")
	}
	b.WriteString("</p>\n")
	if len(m.Facts) > 0 {
		b.WriteString("<table>\n")
		for _, f := range m.Facts {
			fmt.Fprintf(&b, "<tr><td><strong>%s</strong></td><td>%s</td></tr>\n", html.EscapeString(f.Name), html.EscapeString(f.Value))
		}
		b.WriteString("</table>\n")
	}
	if len(m.Links) > 0 {
		b.WriteString("<p>")
		for _, l := range m.Links {
			fmt.Fprintf(&b, "<a href=\"%s\">%s</a> ", html.EscapeString(l.URL), html.EscapeString(l.Name))
		}
		b.WriteString("</p>\n")
	}
	fmt.Fprintf(&b, "<p><small>weir, %s</small></p>\n", html.EscapeString(e.ID))
	return b.String()
}

func mailError(what string, err error) error { return fmt.Errorf("%s: %w", what, err) }
