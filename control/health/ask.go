package health

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
)

// maxAnswer bounds what a probe reads of an answer, so that a hostile or
// broken endpoint costs no memory.
const maxAnswer = 64 << 10

// ask probes a target once and returns why it failed, or nothing.
func (p *Probe) ask(ctx context.Context, t Target) string {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout.Std())
	defer cancel()
	client := p.client()
	defer client.CloseIdleConnections()
	req, err := p.request(ctx, t)
	if err != nil {
		return err.Error()
	}
	resp, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	good := resp.StatusCode/100 == 2
	if len(p.Status) > 0 {
		good = slices.Contains(p.Status, resp.StatusCode)
	}
	switch {
	case !good:
		return fmt.Sprintf("answered %s", resp.Status)
	case p.GRPC && err != nil:
		return err.Error()
	case p.GRPC:
		return serving(resp, body)
	}
	return ""
}

// client makes one connection, for one request: a probe tests the connect, too.
func (p *Probe) client() *http.Client {
	dial := func(ctx context.Context, _, address string) (net.Conn, error) { return p.Link.Dial(ctx, address) }
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!p.Link.H2)
	protocols.SetHTTP2(p.Link.H2 && p.Link.TLS != nil)
	protocols.SetUnencryptedHTTP2(p.Link.H2 && p.Link.TLS == nil)
	return &http.Client{
		Transport: &http.Transport{
			Protocols: protocols, DialContext: dial, DialTLSContext: dial,
			DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxAnswer,
		},
		// A redirect is an answer, not an order to look elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (p *Probe) request(ctx context.Context, t Target) (*http.Request, error) {
	scheme := "http://"
	if p.Link.TLS != nil {
		scheme = "https://"
	}
	var req *http.Request
	var err error
	if p.GRPC {
		req, err = p.call(ctx, scheme+t.Address)
	} else {
		req, err = http.NewRequestWithContext(ctx, http.MethodGet, scheme+t.Address+p.Path, nil)
	}
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "weir-health")
	req.Host = cmp.Or(p.Host, p.Name, t.Address)
	return req, nil
}

// framing is the length of what stands before a message in gRPC: whether it is
// compressed, and its length.
const framing = 5

// call asks by gRPC's health checking protocol, version 1.
func (p *Probe) call(ctx context.Context, base string) (*http.Request, error) {
	message, err := proto.Marshal(&healthpb.HealthCheckRequest{Service: p.Service})
	if err != nil {
		return nil, fmt.Errorf("cannot encode the probe of service %q: %w", p.Service, err)
	}
	body := append(make([]byte, framing), message...)
	binary.BigEndian.PutUint32(body[1:], uint32(len(message)))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/grpc.health.v1.Health/Check", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	return req, nil
}

// serving says why an answer to call is not good, or nothing.
func serving(resp *http.Response, body []byte) string {
	status := resp.Trailer.Get("Grpc-Status")
	if status == "" {
		status = resp.Header.Get("Grpc-Status") // an answer of trailers alone
	}
	if status != "0" {
		return fmt.Sprintf("answered with gRPC status %q", status)
	}
	var answer healthpb.HealthCheckResponse
	if len(body) < framing || body[0] != 0 || proto.Unmarshal(body[framing:], &answer) != nil {
		return "its answer is none of grpc.health.v1"
	}
	if answer.Status != healthpb.HealthCheckResponse_SERVING {
		return "it says " + answer.Status.String()
	}
	return ""
}
