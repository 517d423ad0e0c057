// Command h2spec runs the conformance suite h2spec against weir's data plane
// and against a bare net/http server, which frames HTTP/2 for both, and fails if
// weir fails anything that the bare server passes.
package main

import (
	"context"
	"encoding/xml"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/proxy"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

func main() {
	binary := flag.String("h2spec", "h2spec", "the h2spec binary")
	flag.Parse()
	if err := run(*binary); err != nil {
		fmt.Fprintf(os.Stderr, "h2spec: %v\n", err)
		os.Exit(1)
	}
}

func run(binary string) error {
	origin, err := listen()
	if err != nil {
		return err
	}
	// HTTP/1.1 for weir to forward to, and HTTP/2 to be compared with.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	bare := &http.Server{Protocols: protocols, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "hello")
	})}
	go func() { _ = bare.Serve(origin) }()
	defer bare.Close()

	weir, close, err := serve(origin.Addr().String())
	if err != nil {
		return err
	}
	defer close()
	theirs, _, err := spec(binary, origin.Addr())
	if err != nil {
		return err
	}
	ours, total, err := spec(binary, weir)
	if err != nil {
		return err
	}
	beyond := 0
	for _, test := range slices.Sorted(maps.Keys(ours)) {
		mark := "as net/http does"
		if !theirs[test] {
			mark = "WEIR ALONE"
			beyond++
		}
		fmt.Printf("fails (%s): %s\n", mark, test)
	}
	fmt.Printf("%d tests: weir fails %d, net/http %d, weir alone %d\n", total, len(ours), len(theirs), beyond)
	if total < 100 {
		return fmt.Errorf("only %d tests were run", total)
	}
	if beyond > 0 {
		return fmt.Errorf("weir fails %d tests that net/http passes", beyond)
	}
	return nil
}

// serve runs the data plane in front of one endpoint.
func serve(endpoint string) (addr net.Addr, close func(), err error) {
	registry := upstream.NewRegistry(upstream.Options{})
	service := &route.Service{Name: "spec", Timeout: 5 * time.Second, IdleTimeout: 5 * time.Second, Split: route.NewSplit(nil, 1)}
	service.ErrorStatus, _ = route.ErrorStatuses()
	service.Versions = []*route.Version{{
		Name: "a", Recorder: stats.NewRecorder(2),
		Pool: upstream.NewPool([]*upstream.Endpoint{registry.Endpoint("spec", "a", endpoint)}, upstream.Policy{}),
	}}
	table, err := route.NewTable(1, []route.Rule{{Path: "/", Route: &route.Route{Service: service}}})
	if err != nil {
		return nil, nil, err
	}
	var tables atomic.Pointer[route.Table]
	tables.Store(table)
	handler := proxy.NewHandler(&tables, proxy.Options{}, zap.NewNop())
	server := proxy.NewServer(handler, proxy.Options{}, zap.NewNop())
	ln, err := listen()
	if err != nil {
		return nil, nil, err
	}
	go func() { _ = server.ServeEntry(ln, proxy.Entry{H2C: true}) }()
	return ln.Addr(), func() { server.Close(); registry.Close() }, nil
}

func listen() (net.Listener, error) { return proxy.Listen(context.Background(), "127.0.0.1:0") }

// report is h2spec's, in JUnit's form.
type report struct {
	Suites []struct {
		Package string `xml:"package,attr"`
		Cases   []struct {
			Name    string    `xml:"classname,attr"`
			Failure *struct{} `xml:"failure"`
			Error   *struct{} `xml:"error"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// spec runs the suite against an address and returns what fails.
func spec(binary string, addr net.Addr) (failing map[string]bool, total int, err error) {
	dir, err := os.MkdirTemp("", "h2spec")
	if err != nil {
		return nil, 0, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "report.xml")
	host, port, _ := net.SplitHostPort(addr.String())
	// Its exit code only says that something failed.
	out, _ := exec.Command(binary, "-h", host, "-p", port, "-o", "2", "-j", file).CombinedOutput()
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, 0, fmt.Errorf("cannot read the report of %s: %w\n%s", binary, err, out)
	}
	var r report
	if err := xml.Unmarshal(data, &r); err != nil {
		return nil, 0, fmt.Errorf("cannot read the report of %s: %w", binary, err)
	}
	failing = map[string]bool{}
	for _, suite := range r.Suites {
		for _, c := range suite.Cases {
			total++
			if c.Failure != nil || c.Error != nil {
				failing[suite.Package+" "+c.Name] = true
			}
		}
	}
	return failing, total, nil
}
