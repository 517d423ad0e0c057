// Command relay copies bytes between a client's connection and one of its own to
// a version, and understands none of them. It is the floor for any proxy that
// serves connections with goroutines: what it costs is reads, writes, parking
// and waking.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	blue := flag.String("blue", "", "address of the version that gets 90 % of the connections")
	green := flag.String("green", "", "address of the version that gets 10 % of the connections")
	flag.Parse()
	fmt.Fprintln(os.Stderr, serve(*listen, *blue, *green))
	os.Exit(1)
}

// serve returns when it cannot accept any more.
func serve(listen, blue, green string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		address := blue
		if rand.Uint32N(10) == 0 {
			address = green
		}
		go relay(c, address)
	}
}

// relay ends when either side does.
func relay(client net.Conn, address string) {
	defer client.Close()
	version, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer version.Close()
	go func() {
		pump(client, version)
		// The other direction still waits in a read.
		client.Close()
		version.Close()
	}()
	pump(version, client)
}

// pump reads and writes itself: io.Copy would splice through a pipe, which costs
// small messages two system calls more.
func pump(to, from net.Conn) {
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
