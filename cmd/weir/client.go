package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/weirproxy/weir/control/api"
)

const (
	callTimeout = 30 * time.Second

	// maxAnswer bounds what is read of an answer: 1 000 rollouts fit.
	maxAnswer = 64 << 20
)

// client calls the control API.
type client struct {
	base  string
	from  string // where the address was named
	token string
	http  *http.Client
}

func (c *cli) client() (*client, error) {
	u, err := url.Parse(c.control)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, usagef("cannot use --control %q; write an address such as %s", c.control, defaultControl)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true // a command asks once or twice, and then ends
	if transport.TLSClientConfig, err = c.files.config(); err != nil {
		return nil, err
	}
	return &client{
		base: strings.TrimSuffix(c.control, "/"), from: c.controlFrom(), token: c.token,
		http: &http.Client{Timeout: callTimeout, Transport: transport},
	}, nil
}

// controlFrom says where the address of the control API was named.
func (c *cli) controlFrom() string {
	switch env := os.Getenv("WEIR_CONTROL"); {
	case env != "" && strings.HasSuffix(c.control, env):
		return "WEIR_CONTROL names that address"
	case c.control == defaultControl:
		return "that address is the default"
	}
	return "--control names that address"
}

// steady is the client for many calls: it keeps its connection until hangUp.
func (c *client) steady(timeout time.Duration) (_ *client, hangUp func()) {
	transport := c.http.Transport.(*http.Transport).Clone()
	transport.DisableKeepAlives = false
	lasting := *c
	lasting.http = &http.Client{Timeout: timeout, Transport: transport}
	return &lasting, transport.CloseIdleConnections
}

// unreachableError is a control API that did not answer.
type unreachableError struct {
	base string
	from string
	err  error
}

func (e *unreachableError) Error() string {
	return fmt.Sprintf("cannot reach the control API at %s: %v\n  %s", e.base, e.err, e.next())
}

// next is what a person does about it.
func (e *unreachableError) next() string {
	var unknown x509.UnknownAuthorityError
	var plaintext tls.RecordHeaderError
	switch {
	case errors.As(e.err, &unknown):
		return "name the file of its authority with --ca or WEIR_CA"
	case errors.As(e.err, &plaintext):
		return "it speaks plain HTTP: write http:// in place of https://"
	}
	return e.from + "; is `weir serve` or `weir demo` running there? Name another address with --control or WEIR_CONTROL"
}

func (e *unreachableError) Unwrap() error { return e.err }

// refusedError is a problem that the API answered with.
type refusedError struct{ api.Problem }

func (e *refusedError) Error() string {
	var b strings.Builder
	b.WriteString(e.Detail)
	for _, p := range e.Problems {
		b.WriteString("\n  " + p)
	}
	if e.Hint != "" {
		b.WriteString("\n  hint: " + e.Hint)
	}
	if len(e.Allowed) > 0 {
		b.WriteString("\n  allowed now: " + strings.Join(e.Allowed, ", "))
	}
	return b.String()
}

// call is one request.
type call struct {
	method  string
	path    string // with its query
	bare    bool   // a refusal is taken as it is: the caller has advice of its own
	body    any    // encoded as JSON; nil: none
	ifMatch string // a revision; empty: no condition
}

// answer is a good answer: its body is JSON.
type answer struct {
	body []byte
	etag string
}

// into decodes the answer.
func (a *answer) into(v any) error {
	if err := json.Unmarshal(a.body, v); err != nil {
		return fmt.Errorf("cannot understand the control API's answer: %w; is it of the same version as this weir?", err)
	}
	return nil
}

func (c *client) get(ctx context.Context, path string, into any) (*answer, error) {
	a, err := c.do(ctx, call{method: http.MethodGet, path: path})
	if err != nil {
		return nil, err
	}
	return a, a.into(into)
}

func (c *client) do(ctx context.Context, in call) (*answer, error) {
	req, err := c.request(ctx, in)
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	a, err := c.read(resp, body)
	if refused, ok := errors.AsType[*refusedError](err); ok && !in.bare {
		c.advise(ctx, in.path, refused)
	}
	return a, err
}

// unreachable tells a call that failed from one that the person ended.
func (c *client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the URL, which is in the text already
	}
	return &unreachableError{c.base, c.from, err}
}

func (c *client) request(ctx context.Context, in call) (*http.Request, error) {
	var body io.Reader
	if in.body != nil {
		data, err := json.Marshal(in.body)
		if err != nil {
			return nil, fmt.Errorf("cannot encode the request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, in.method, c.base+in.path, body)
	if err != nil {
		return nil, fmt.Errorf("cannot make a request for %q: %w", in.path, err)
	}
	if in.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if in.ifMatch != "" {
		req.Header.Set("If-Match", `"`+strings.Trim(in.ifMatch, `"`)+`"`)
	}
	if u, err := user.Current(); err == nil {
		req.Header.Set(api.ActorHeader, u.Username)
	}
	req.Header.Set("User-Agent", "weir/"+version())
	return req, nil
}

func (c *client) read(resp *http.Response, body []byte) (*answer, error) {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case mediaType == "application/problem+json":
		e := &refusedError{}
		if err := json.Unmarshal(body, &e.Problem); err != nil {
			return nil, fmt.Errorf("cannot understand the control API's problem: %w", err)
		}
		return nil, e
	case resp.StatusCode == http.StatusBadRequest && bytes.Contains(body, []byte("HTTPS server")): // net/http's words
		return nil, &unreachableError{c.base, c.from, errors.New("it speaks TLS: write https:// in place of http://")}
	case resp.StatusCode/100 != 2 || mediaType != "application/json":
		return nil, &unreachableError{c.base, c.from, fmt.Errorf("it answered %s with %q, which is not weir's control API", resp.Status, mediaType)}
	}
	return &answer{body: body, etag: strings.Trim(resp.Header.Get("ETag"), `"`)}, nil
}
