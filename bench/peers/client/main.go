// Command client is the load that wrk cannot be: requests at a fixed rate,
// whether or not those before are answered, and connections that stay idle.
//
//	client open -address 127.0.0.1:8080 -host shop.test -rate 20000
//	client hold -address 127.0.0.1:8080 -host shop.test -connections 10000
//
// It prints one line of JSON.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"time"
)

// options are of both commands.
type options struct {
	address     string
	host        string
	path        string
	connections int
	rate        int
	duration    time.Duration
	tls         bool
	cookies     []string // of the connections in turn; empty: none
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("which load? write open or hold")
	}
	var o options
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.StringVar(&o.address, "address", "", "of the proxy")
	flags.StringVar(&o.host, "host", "", "Host of the requests")
	flags.StringVar(&o.path, "path", "/small", "path of the requests")
	flags.IntVar(&o.connections, "connections", 64, "keep-alive connections")
	flags.IntVar(&o.rate, "rate", 20000, "requests a second over all connections (open)")
	flags.DurationVar(&o.duration, "for", 2*time.Second, "how long (open)")
	flags.BoolVar(&o.tls, "tls", false, "HTTP/1.1 over TLS, whatever the certificate (hold)")
	flags.Func("cookie", "Cookie of the requests of a connection; again for further ones", func(c string) error {
		o.cookies = append(o.cookies, c)
		return nil
	})
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "open":
		return open(o)
	case "hold":
		return hold(o)
	}
	return fmt.Errorf("there is no load %q; write open or hold", args[0])
}

// request is that of the i-th connection.
func (o options) request(i int) []byte {
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n", o.path, o.host)
	if len(o.cookies) > 0 {
		request = fmt.Appendf(request, "Cookie: %s\r\n", o.cookies[i%len(o.cookies)])
	}
	return append(request, "\r\n"...)
}

// dial connects from the i-th thousand of source addresses, since one address
// has no more than 28 000 ports.
func dial(address string, i int) (net.Conn, error) {
	from := &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i/1000))}
	d := net.Dialer{LocalAddr: from, Timeout: 10 * time.Second}
	return d.Dial("tcp", address)
}

// dialAs is dial for the connections of a load that may be encrypted.
func (o options) dialAs(i int) (net.Conn, error) {
	c, err := dial(o.address, i)
	if err != nil || !o.tls {
		return c, err
	}
	return tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}), nil
}

func report(v any) error { return json.NewEncoder(os.Stdout).Encode(v) }
