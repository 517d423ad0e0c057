package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// sample is what one proxy did in one slice.
type sample struct {
	requests int
	errors   int
	took     time.Duration
	cpu      time.Duration
	p50, p99 time.Duration
	resident int64
	lines    int // of the access log
}

func (s sample) rps() float64  { return float64(s.requests) / s.took.Seconds() }
func (s sample) core() float64 { return s.cpu.Seconds() / s.took.Seconds() }

// micros is the processor time of a request in microseconds.
func (s sample) micros() float64 { return s.cpu.Seconds() * 1e6 / float64(s.requests) }

// sender sends the load of a slice from the core of the load.
type sender struct {
	binary string
	args   []string
	rate   int // of an open load; 0: the load is closed
	parse  func(out []byte) (sample, error)
}

// sender prepares the load of a scenario against one proxy.
func (b *bench) sender(s *scenario, p *proxy, back []visitor) (sender, error) {
	t, w := s.target(p), b.world
	if s.load == opened {
		args := []string{
			"open", "-address", t.address, "-host", back[0].host, "-path", s.path,
			"-connections", strconv.Itoa(s.connections), "-for", b.options.slice.String(),
		}
		for _, v := range back {
			if v.cookie != "" {
				args = append(args, "-cookie", v.cookie)
			}
		}
		return sender{binary: w.path("client"), parse: parseJSON, args: args}, nil
	}
	if s.h2 {
		return sender{binary: w.path("h2load"), parse: parseH2load, args: []string{
			"-t1", "-c" + strconv.Itoa(s.connections), "-m8", "-D" + b.options.slice.String(),
			"-H:authority: " + back[0].host, s.url(t),
		}}, nil
	}
	script, err := w.write(s.name+"-"+p.name+".lua", wrkScript(s, back))
	if err != nil {
		return sender{}, err
	}
	// wrk knows whole seconds only.
	seconds := max(1, int(b.options.slice.Round(time.Second).Seconds()))
	return sender{binary: w.path("wrk"), parse: parseJSON, args: []string{
		"-t1", "-c" + strconv.Itoa(s.connections), "-d" + strconv.Itoa(seconds), "--timeout", "10s",
		"-s", script, s.url(t),
	}}, nil
}

// wrkScript prepares all requests before the load begins, and prints what it
// found as JSON after it. Visitors who look the same are one request, which wrk
// sends without asking the script each time.
func wrkScript(s *scenario, back []visitor) string {
	script := fmt.Sprintf("wrk.headers['Host'] = %q\n", back[0].host)
	if s.upload > 0 {
		script += fmt.Sprintf("wrk.method = 'POST'\nwrk.body = string.rep('x', %d)\n", s.upload)
	}
	if back[0] != back[1] {
		script += "local requests, at = {}, 0\nfunction init()\n"
		for _, v := range back {
			script += fmt.Sprintf("  wrk.headers['Host'] = %q\n", v.host)
			if v.cookie != "" {
				script += fmt.Sprintf("  wrk.headers['Cookie'] = %q\n", v.cookie)
			}
			script += "  requests[#requests+1] = wrk.format()\n"
		}
		script += "end\nfunction request()\n  at = at % #requests + 1\n  return requests[at]\nend\n"
	}
	return script + `function done(summary, latency)
  local e = summary.errors
  io.write(string.format('{"requests":%d,"errors":%d,"p50_us":%f,"p99_us":%f}\n', summary.requests,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99)))
end
`
}

// send runs the load to its end. Time and memory of the proxy are not in the
// sample.
func (s sender) send(ctx context.Context) (sample, error) {
	args := s.args
	if s.rate > 0 {
		args = append(args[:len(args):len(args)], "-rate", strconv.Itoa(s.rate))
	}
	cmd := pinned(ctx, loadCore, s.binary, args...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return sample{}, fmt.Errorf("cannot load: %w\n%s%s", err, out, complaint.Bytes())
	}
	return s.parse(out)
}

// parseJSON reads what the script of wrk, and our client, report.
func parseJSON(out []byte) (sample, error) {
	var found struct {
		Requests int     `json:"requests"`
		Errors   int     `json:"errors"`
		P50      float64 `json:"p50_us"`
		P99      float64 `json:"p99_us"`
	}
	at := bytes.LastIndexByte(out, '{')
	if at < 0 {
		return sample{}, fmt.Errorf("the load reported nothing but %q", out)
	}
	if err := json.Unmarshal(out[at:], &found); err != nil {
		return sample{}, fmt.Errorf("cannot read what the load reported: %w", err)
	}
	micro := float64(time.Microsecond)
	return sample{
		requests: found.Requests, errors: found.Errors,
		p50: time.Duration(found.P50 * micro), p99: time.Duration(found.P99 * micro),
	}, nil
}

// parseH2load reads the counts. Of the times, h2load tells no percentiles.
func parseH2load(out []byte) (sample, error) {
	for line := range bytes.Lines(out) {
		var total, started, done, succeeded, failed int
		if n, _ := fmt.Sscanf(string(line), "requests: %d total, %d started, %d done, %d succeeded, %d failed", &total, &started, &done, &succeeded, &failed); n == 5 {
			return sample{requests: done, errors: done - succeeded}, nil
		}
	}
	return sample{}, fmt.Errorf("h2load reported no requests but\n%s", out)
}
