package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/pires/go-proxyproto"
)

// Sizes of PROXY protocol headers.
const (
	proxySignature = 12      // of version 2
	proxyFixed     = 16      // of version 2, before addresses and extensions
	proxyLine      = 107     // of version 1, at most, with CRLF
	proxyMax       = 4 << 10 // of version 2, as much as is accepted
)

// errProxyHeader is the start of a connection that is no PROXY protocol header.
var errProxyHeader = errors.New("not a header of the PROXY protocol")

// readProxyHeader reads a header of the PROXY protocol, version 1 or 2, and not
// a byte more. client and local are what it tells, nil where it tells nothing:
// the load balancer speaks for itself then, in a health check say.
func readProxyHeader(r io.Reader) (client, local *net.TCPAddr, err error) {
	raw := make([]byte, proxySignature, 128)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, nil, fmt.Errorf("cannot read the PROXY header: %w", err)
	}
	if bytes.Equal(raw, proxyproto.SIGV2) {
		raw, err = readProxyBlock(r, raw)
	} else {
		raw, err = readProxyLine(r, raw)
	}
	if err != nil {
		return nil, nil, err
	}
	header, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(raw)))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errProxyHeader, err)
	}
	if header.Command == proxyproto.LOCAL {
		return nil, nil, nil
	}
	client, local, _ = header.TCPAddrs()
	return client, local, nil
}

// readProxyBlock reads the rest of version 2, which tells its length.
func readProxyBlock(r io.Reader, raw []byte) ([]byte, error) {
	raw = raw[:proxyFixed]
	if _, err := io.ReadFull(r, raw[proxySignature:]); err != nil {
		return nil, fmt.Errorf("cannot read the PROXY header: %w", err)
	}
	n := int(binary.BigEndian.Uint16(raw[proxyFixed-2:]))
	if n > proxyMax {
		return nil, fmt.Errorf("%w: %d bytes of addresses and extensions", errProxyHeader, n)
	}
	raw = append(raw, make([]byte, n)...)
	if _, err := io.ReadFull(r, raw[proxyFixed:]); err != nil {
		return nil, fmt.Errorf("cannot read the PROXY header: %w", err)
	}
	return raw, nil
}

// readProxyLine reads the rest of version 1, byte by byte: what follows its
// line end belongs to the client.
func readProxyLine(r io.Reader, raw []byte) ([]byte, error) {
	if !bytes.HasPrefix(raw, []byte("PROXY ")) {
		return nil, errProxyHeader
	}
	for raw[len(raw)-1] != '\n' {
		if len(raw) == proxyLine {
			return nil, fmt.Errorf("%w: no line end", errProxyHeader)
		}
		raw = raw[:len(raw)+1]
		if _, err := io.ReadFull(r, raw[len(raw)-1:]); err != nil {
			return nil, fmt.Errorf("cannot read the PROXY header: %w", err)
		}
	}
	return raw, nil
}
