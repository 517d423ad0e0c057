package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// This file reads HTTP/1.1 as strictly as the standards allow, and shares no
// code with the proxy that it judges.

// message is one request or answer.
type message struct {
	start    [3]string // the parts of the first line
	fields   [][2]string
	body     []byte
	complete bool
}

func (m *message) values(name string) (all []string) {
	for _, f := range m.fields {
		if strings.EqualFold(f[0], name) {
			all = append(all, f[1])
		}
	}
	return all
}

// malformed is what is wrong with a message. Everything else that ends the
// reading is an end of the connection.
type malformed struct{ what string }

func (m malformed) Error() string { return m.what }

func badf(format string, args ...any) error { return malformed{fmt.Sprintf(format, args...)} }

func strictLine(br *bufio.Reader) (string, error) {
	line, err := br.ReadString('\n')
	if err != nil {
		return "", err
	}
	text, ok := strings.CutSuffix(line, "\r\n")
	if !ok || strings.ContainsAny(text, "\r\n") {
		return "", badf("line end of %.60q", line)
	}
	for _, c := range []byte(text) {
		if c < 0x20 && c != '\t' || c == 0x7f {
			return "", badf("control character in %.60q", text)
		}
	}
	return text, nil
}

const tokenCharacters = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

func strictToken(s string) bool {
	return s != "" && strings.Trim(s, tokenCharacters) == ""
}

func strictFields(br *bufio.Reader) (fields [][2]string, err error) {
	for {
		line, err := strictLine(br)
		if err != nil || line == "" {
			return fields, err
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !strictToken(name) {
			return nil, badf("field line %.60q", line)
		}
		fields = append(fields, [2]string{name, strings.Trim(value, " \t")})
	}
}

// strictRequest reads one request. io.EOF says that there is none.
func strictRequest(br *bufio.Reader, headRead func(m *message)) (*message, error) {
	if _, err := br.Peek(1); err != nil {
		return nil, io.EOF
	}
	m := new(message)
	line, err := strictLine(br)
	if err != nil {
		return m, err
	}
	parts := strings.Split(line, " ")
	if len(parts) != 3 || !strictToken(parts[0]) || parts[1] == "" || parts[2] != "HTTP/1.1" {
		return m, badf("request line %.80q", line)
	}
	m.start = [3]string(parts)
	if m.fields, err = strictFields(br); err != nil {
		return m, err
	}
	if n := len(m.values("Host")); n != 1 {
		return m, badf("%d Host fields", n)
	}
	headRead(m)
	return m, m.readBody(br, 0)
}

// strictAnswer reads one answer to a request of the method.
func strictAnswer(br *bufio.Reader, method string) (*message, error) {
	m := new(message)
	line, err := strictLine(br)
	if err != nil {
		return m, err
	}
	parts := strings.SplitN(line, " ", 3)
	if len(parts) != 3 || parts[0] != "HTTP/1.1" || len(parts[1]) != 3 || strings.Trim(parts[1], "0123456789") != "" {
		return m, badf("status line %.80q", line)
	}
	m.start = [3]string(parts)
	if m.fields, err = strictFields(br); err != nil {
		return m, err
	}
	if method == "HEAD" || parts[1][0] == '1' || parts[1] == "204" || parts[1] == "304" {
		m.complete = true
		return m, nil
	}
	return m, m.readBody(br, -1)
}

// readBody reads a body of the length that the fields declare, or else of the
// given one; -1: up to the end.
func (m *message) readBody(br *bufio.Reader, otherwise int64) error {
	lengths, codings := m.values("Content-Length"), m.values("Transfer-Encoding")
	if len(lengths) > 1 || len(codings) > 1 || len(lengths) > 0 && len(codings) > 0 {
		return badf("framing by lengths %q and codings %q", lengths, codings)
	}
	length := otherwise
	if len(lengths) == 1 {
		n, err := strconv.ParseInt(lengths[0], 10, 64)
		if err != nil || n < 0 || strconv.FormatInt(n, 10) != lengths[0] {
			return badf("length %q", lengths[0])
		}
		length = n
	}
	if len(codings) == 1 {
		if codings[0] != "chunked" {
			return badf("coding %q", codings[0])
		}
		return m.readChunks(br)
	}
	if length < 0 {
		length = 1 << 40
	}
	b, err := io.ReadAll(io.LimitReader(br, length))
	m.body = b
	if err == nil && length < 1<<40 && int64(len(b)) < length {
		err = io.ErrUnexpectedEOF
	}
	m.complete = err == nil
	return err
}

func (m *message) readChunks(br *bufio.Reader) error {
	for {
		line, err := strictLine(br)
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(line, 16, 62)
		if err != nil || n < 0 || strings.ContainsAny(line, "+-_") {
			return badf("chunk size %.40q", line)
		}
		if n == 0 {
			if _, err := strictFields(br); err != nil {
				return err
			}
			m.complete = true
			return nil
		}
		var b bytes.Buffer
		_, err = io.CopyN(&b, br, n)
		m.body = append(m.body, b.Bytes()...)
		if err != nil {
			return err
		}
		if end, err := strictLine(br); err != nil {
			return err
		} else if end != "" {
			return badf("%.20q behind a chunk", end)
		}
	}
}
