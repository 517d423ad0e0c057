// Package call makes the HTTP calls of the control plane to addresses that a
// document names: hooks, notifications, smoke checks, metrics.
//
// Threat: whoever may apply documents chooses where these calls go, and what
// answers may be hostile or broken. So nothing but http and https is spoken, a
// redirect is an answer and not an order to call elsewhere, every call has a
// deadline, no more of an answer is read than was asked for, and no error shows
// the address, which may hold a secret. Loopback and private addresses are
// allowed: that is where the hooks of an edge live.
package call

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// MaxAnswer is how many bytes of an answer are read where a Request names no
// other number.
const MaxAnswer = 64 << 10

// Timeout bounds a call whose context has no earlier deadline.
const Timeout = 30 * time.Second

// Request is one call.
type Request struct {
	Method string // empty: GET
	URL    string // http or https
	Host   string // of the Host header; empty: that of URL
	Header http.Header
	Body   []byte

	// MaxAnswer is how many bytes of the answer's body are read. 0: MaxAnswer.
	MaxAnswer int64
}

// Answer is what came back, whatever its status.
type Answer struct {
	Status    int
	Header    http.Header
	Body      []byte // at most MaxAnswer bytes
	Truncated bool   // there was more of it
	Took      time.Duration
}

// Client makes calls. It is safe for concurrent use. Close it when it is not
// used any more.
type Client struct{ http *http.Client }

// NewClient returns a Client that has connected to nothing. Proxy, which may be
// nil, gives the HTTP proxy of a request, as http.ProxyFromEnvironment does.
func NewClient(proxy func(*http.Request) (*url.URL, error)) *Client {
	return bounded(&http.Transport{Proxy: proxy, ForceAttemptHTTP2: true})
}

// NewLinked returns a Client whose connections dial makes, the handshake of TLS
// for https included, and which speaks HTTP/2 alone if h2 says so.
func NewLinked(dial func(ctx context.Context, address string) (net.Conn, error), h2 bool) *Client {
	connect := func(ctx context.Context, _, address string) (net.Conn, error) { return dial(ctx, address) }
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetHTTP2(h2)
	protocols.SetUnencryptedHTTP2(h2)
	return bounded(&http.Transport{DialContext: connect, DialTLSContext: connect, Protocols: protocols})
}

func bounded(t *http.Transport) *Client {
	t.MaxResponseHeaderBytes = 64 << 10
	t.MaxIdleConnsPerHost = 2
	t.IdleConnTimeout = 30 * time.Second
	t.TLSHandshakeTimeout = 10 * time.Second
	return &Client{&http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close ends the connections that wait for another call.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Do makes a call and reads its answer. An error means that there was none; it
// names neither the address nor anything that was sent.
func (c *Client) Do(ctx context.Context, r Request) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return Answer{}, fmt.Errorf("cannot make a request: %w", bare(err))
	}
	for name, values := range r.Header {
		req.Header[name] = values
	}
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "weir")
	}
	req.Host = r.Host
	resp, err := c.http.Do(req)
	if err != nil {
		return Answer{}, fmt.Errorf("no answer: %w", bare(err))
	}
	defer resp.Body.Close()
	most := r.MaxAnswer
	if most <= 0 {
		most = MaxAnswer
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return Answer{}, fmt.Errorf("no whole answer: %w", bare(err))
	}
	a := Answer{Status: resp.StatusCode, Header: resp.Header, Body: body, Took: time.Since(began)}
	if int64(len(body)) > most {
		a.Body, a.Truncated = body[:most], true
	}
	return a, nil
}

// bare is err without the address that was called.
func bare(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
