package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
	"github.com/weirproxy/weir/proxy/stats"
)

// pause is the time between two scrapes.
const pause = 500 * time.Millisecond

// scene is a node with many services, all led to one origin.
type scene struct {
	node *lab.Node
}

func open(l *lab.Lab, services int) (*scene, error) {
	origin, err := l.Origin("blue", 0)
	if err != nil {
		return nil, err
	}
	node, err := l.Node(lab.NodeOptions{Name: "scrape"})
	if err != nil {
		return nil, err
	}
	s := &scene{node: node}
	// Nobody listens where the versions lead that are not used.
	port := origin.Address[strings.LastIndexByte(origin.Address, ':')+1:]
	for i := range services {
		name := nameOf(i)
		err := node.API.Apply(name, lab.Document(fmt.Sprintf(`kind: Service
name: %[1]s
routes: [{host: %[1]s.example.com}]
versions: {blue: {endpoints: ["127.0.0.1:%[2]s"]}, green: {endpoints: ["127.0.0.2:%[2]s"]}, red: {endpoints: ["127.0.0.3:%[2]s"]}}
stable: blue
`, name, port)))
		if err != nil {
			return nil, err
		}
	}
	return s, s.use(services)
}

func nameOf(i int) string { return fmt.Sprintf("service-%04d", i) }

// use sends each service requests that its page tells apart: a few codes.
func (s *scene) use(services int) error {
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i := range services {
		for range 3 {
			req, err := http.NewRequest(http.MethodGet, "http://"+s.node.Clients+"/", nil)
			if err != nil {
				return err
			}
			req.Host = nameOf(i) + ".example.com"
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			_, _ = io.Copy(io.Discard, resp.Body) // the head says it all
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				return fmt.Errorf("%s answered %s", req.Host, resp.Status)
			}
		}
	}
	return nil
}

// page is one scrape.
type page struct {
	took              time.Duration
	compressed, plain int
	series            int
}

// scrape reads a page as Prometheus does.
func (s *scene) scrape() (p page, err error) {
	began := time.Now()
	answer, err := s.node.API.Call(http.MethodGet, "/metrics", nil, "Accept-Encoding", "gzip")
	if err != nil {
		return p, err
	}
	p.took, p.compressed = time.Since(began), len(answer.Body)
	if answer.Status != http.StatusOK || answer.Header.Get("Content-Encoding") != "gzip" {
		return p, fmt.Errorf("a scrape was answered %d, %v", answer.Status, answer.Header)
	}
	zip, err := gzip.NewReader(bytes.NewReader(answer.Body))
	if err != nil {
		return p, err
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		return p, err
	}
	p.plain = len(text)
	for line := range bytes.Lines(text) {
		if line[0] != '#' {
			p.series++
		}
	}
	return p, nil
}

// served is what users met in a while.
type served struct {
	shots lab.Shots
	cpu   time.Duration // of the node
	err   error
}

// serve sends traffic to one service for a while, and does meanwhile after each pause.
func (s *scene) serve(rps int, length time.Duration, meanwhile func() error) (out served) {
	before, err := s.node.CPU()
	if err != nil {
		return served{err: err}
	}
	traffic := lab.Load{Address: s.node.Clients, Host: nameOf(0) + ".example.com", Users: 1000}.Open(rps)
	for until := time.Now().Add(length); time.Now().Before(until) && out.err == nil; time.Sleep(pause) {
		if meanwhile != nil {
			out.err = meanwhile()
		}
	}
	out.shots = traffic.Stop()
	after, err := s.node.CPU()
	if out.err == nil {
		out.err = err
	}
	out.cpu = after - before
	return out
}

func (s served) latency(q float64) time.Duration {
	var took []time.Duration
	for _, shot := range s.shots {
		took = append(took, shot.Ended.Sub(shot.Began))
	}
	return lab.Quantile(took, q)
}

// cpuBeyond is how much more CPU the node used than in another while of the same length.
func (s served) cpuBeyond(other served) time.Duration { return max(s.cpu-other.cpu, 0) }

// recorderBytes is what a Recorder takes that never counted, its names and its
// place in the Registry included.
func recorderBytes(n int) int {
	return heapOf(n, func(*stats.Recorder) {})
}

// usedBytes is the same of one that counted a request on one connection.
func usedBytes(n int) int {
	return heapOf(n, func(r *stats.Recorder) {
		token := r.Begin(0, stats.Split, 0, -1)
		r.End(&token, 1, stats.Outcome{Status: http.StatusOK})
	})
}

func heapOf(n int, use func(*stats.Recorder)) int {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	g := stats.NewRegistry()
	for i := range n {
		use(g.Recorder(nameOf(i), "version-"+strconv.Itoa(i)))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(g)
	return int(after.HeapAlloc-before.HeapAlloc) / n
}
