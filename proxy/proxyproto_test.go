package proxy

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pires/go-proxyproto"
)

func TestProxyHeader_TellsTheClientAndLeavesTheRest(t *testing.T) {
	f := func(header, client, local string) {
		t.Helper()
		for _, r := range []io.Reader{strings.NewReader(header + "GET / HTTP/1.1\r\n"), iotest.OneByteReader(strings.NewReader(header + "GET / HTTP/1.1\r\n"))} {
			gotClient, gotLocal, err := readProxyHeader(r)
			rest, _ := io.ReadAll(r)
			if err != nil || addressText(gotClient) != client || addressText(gotLocal) != local || string(rest) != "GET / HTTP/1.1\r\n" {
				t.Errorf("%q: got %v, %v, %v, rest %q; want %s, %s", header, gotClient, gotLocal, err, rest, client, local)
			}
		}
	}
	v2 := func(h *proxyproto.Header) string {
		t.Helper()
		h.Version = 2
		raw, err := h.Format()
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}

	f("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", "192.0.2.1:56324", "198.51.100.2:443")
	f("PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n", "[2001:db8::1]:56324", "[2001:db8::2]:443")
	f("PROXY UNKNOWN\r\n", "", "")
	f("PROXY UNKNOWN ffff:f:f:f:f:f:f:f ffff:f:f:f:f:f:f:f 65535 65535\r\n", "", "")
	f(v2(&proxyproto.Header{
		Command: proxyproto.PROXY, TransportProtocol: proxyproto.TCPv4,
		SourceAddr:      &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1234},
		DestinationAddr: &net.TCPAddr{IP: net.IPv4(198, 51, 100, 2), Port: 443},
	}), "192.0.2.1:1234", "198.51.100.2:443")
	f(v2(&proxyproto.Header{
		Command: proxyproto.PROXY, TransportProtocol: proxyproto.TCPv6,
		SourceAddr:      &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 1234},
		DestinationAddr: &net.TCPAddr{IP: net.ParseIP("2001:db8::2"), Port: 443},
	}), "[2001:db8::1]:1234", "[2001:db8::2]:443")
	f(v2(&proxyproto.Header{Command: proxyproto.LOCAL, TransportProtocol: proxyproto.UNSPEC}), "", "")
}

func TestProxyHeader_AnythingElseIsRefused(t *testing.T) {
	f := func(start string) {
		t.Helper()
		if client, _, err := readProxyHeader(strings.NewReader(start)); err == nil {
			t.Errorf("%q: accepted as %v", start, client)
		}
	}

	f("")
	f("GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
	f("PROXY TCP4 192.0.2.1")
	f("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n")
	f("PROXY TCP4 300.0.2.1 198.51.100.2 56324 443\r\n")
	f("PROXY TCP4 192.0.2.1 198.51.100.2 56324 99999\r\n")
	f("PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n")
	f(string(proxyproto.SIGV2) + "\x21\x11\xff\xff" + strings.Repeat("x", 70000))
	f(string(proxyproto.SIGV2) + "\x21\x11\x00\x0c" + "short")
	f(string(proxyproto.SIGV2) + "\x31\x11\x00\x0c" + "123456789012")
}

// FuzzProxyHeader: whatever comes first, no more than a header is read, and
// nothing breaks.
func FuzzProxyHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nGET"))
	f.Add(append(bytes.Clone(proxyproto.SIGV2), "\x21\x11\x00\x0c123456789012GET"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		client, local, err := readProxyHeader(r)
		if err != nil {
			return
		}
		if read := len(b) - r.Len(); read > proxyFixed+proxyMax || b[0] == 'P' && b[read-1] != '\n' {
			t.Errorf("read %d bytes of %q", read, b)
		}
		if client != nil && client.IP == nil || local != nil && local.IP == nil {
			t.Errorf("an address without an IP: %v %v", client, local)
		}
	})
}

func addressText(a *net.TCPAddr) string {
	if a == nil {
		return ""
	}
	return a.String()
}
