// Command fasthttp is the smallest proxy that fasthttp makes: no gate, no
// routes, no metrics, no deadlines. It is the floor for a proxy which parses
// both messages in Go, and nothing that should ever face a client.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/valyala/fasthttp"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	blue := flag.String("blue", "", "address of the version that gets 90 %")
	green := flag.String("green", "", "address of the version that gets 10 %")
	flag.Parse()
	if err := serve(*listen, *blue, *green); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(listen, blue, green string) error {
	stable, candidate := client(blue), client(green)
	server := &fasthttp.Server{
		NoDefaultServerHeader: true,
		NoDefaultDate:         true,
		NoDefaultContentType:  true,
		Handler: func(ctx *fasthttp.RequestCtx) {
			c := stable
			if rand.Uint32N(10) == 0 {
				c = candidate
			}
			if err := c.Do(&ctx.Request, &ctx.Response); err != nil {
				ctx.Error(err.Error(), fasthttp.StatusBadGateway)
			}
		},
	}
	return server.ListenAndServe(listen)
}

func client(address string) *fasthttp.HostClient {
	return &fasthttp.HostClient{
		Addr:                          address,
		MaxConns:                      1024,
		ConnPoolStrategy:              fasthttp.LIFO,
		NoDefaultUserAgentHeader:      true,
		DisableHeaderNamesNormalizing: true,
		DisablePathNormalizing:        true,
	}
}
