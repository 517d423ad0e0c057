package proxy

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// corpusCase is one hostile request, or one hostile answer. The fields are
// those of the corpus; testdata/README.md tells what they mean.
type corpusCase struct {
	ID, Class, Want, Rule, Severity, Note string

	Raw         string  `json:"raw_base64"`
	Status      []int   `json:"status"`
	MaxUpstream int     `json:"max_upstream"`
	MaxAnswers  *int    `json:"max_answers"`
	MustClose   bool    `json:"must_close"`
	Body        *string `json:"upstream_body_base64"`
	Incomplete  bool    `json:"incomplete"`
	CanaryOK    bool    `json:"canary_ok"`

	// Of answers alone.
	Method string  `json:"method"` // of the request; empty: GET
	Ends   bool    `json:"ends"`   // the endpoint closes behind it
	Gets   *string `json:"body_base64"`
	Reuse  bool    `json:"reuse"` // the connection may be used again
}

func loadCorpus(t *testing.T, file string) (cases []corpusCase) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &cases); err != nil || len(cases) == 0 {
		t.Fatalf("%d cases: %v", len(cases), err)
	}
	return cases
}

func unbase64(s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// check returns what is wrong with the forwarder's handling of a case.
func (f *forwarder) check(c *corpusCase, split int) (wrong []string) {
	failf := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	raw := unbase64(c.Raw)
	f.upstream.take()
	if split > len(raw) {
		split = len(raw)
	}
	r, err := f.try(raw, split, c.MustClose)
	if err != nil {
		return []string{err.Error()}
	}
	f.settle()
	seen, bad := f.upstream.take()
	for _, what := range bad {
		failf("malformed at the upstream: %s", what)
	}
	complete := 0
	for _, m := range seen {
		if m.complete {
			complete++
		}
		if strings.Contains(m.start[1], "/__canary/") && !c.CanaryOK {
			failf("split: the upstream saw %s", m.start[1])
		}
		for _, v := range m.values("Upgrade") {
			if strings.Contains(strings.ToLower(v), "h2c") {
				failf("h2c went upstream")
			}
		}
	}
	if complete > len(r.status) && !c.Incomplete {
		failf("%d requests upstream, %d answers", complete, len(r.status))
	}
	if c.MaxAnswers != nil && len(r.status) > *c.MaxAnswers {
		failf("%d answers", len(r.status))
	}
	if r.wrong != "" {
		failf("the client got %s", r.wrong)
	}
	if c.Want == "reject" && f.upstream.early && split < len(raw) && r.closed && complete == 0 && len(r.status) == 1 && r.status[0] == 200 {
		// The upstream answered before the second part came, and all ended there.
		r.status[0] = 400
	}
	wrong = append(wrong, c.verdict(&r, seen, complete)...)
	wrong = append(wrong, f.checkLog(len(r.status))...)
	return append(wrong, f.checkVictims(c.ID)...)
}

// verdict holds what the client got to what the case wants.
func (c *corpusCase) verdict(r *result, seen []message, complete int) (wrong []string) {
	failf := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	first := 0
	if len(r.status) > 0 {
		first = r.status[0]
	}
	if first == 0 && !r.closed {
		failf("hang")
	}
	switch {
	case c.Want == "reject" && (complete > 0 || first >= 200 && first < 400):
		failf("accepted with %d, %d upstream", first, complete)
	case c.Want == "reject" && first != 0 && !slices.Contains(c.Status, first):
		failf("status %d", first)
	case c.Want == "forward" && first != 200:
		failf("refused with %d", first)
	}
	if c.Want != "reject" && complete > c.MaxUpstream {
		failf("%d requests upstream", complete)
	}
	if c.Body != nil && c.Want != "reject" && first == 200 && len(seen) > 0 && seen[0].complete {
		if want := unbase64(*c.Body); !bytes.Equal(want, seen[0].body) {
			failf("body of %d bytes, want %d", len(seen[0].body), len(want))
		}
	}
	if c.MustClose && !r.closed {
		failf("not closed")
	}
	return wrong
}

// checkLog wants one JSON object per answer.
func (f *forwarder) checkLog(answers int) (wrong []string) {
	if f.log == nil {
		return nil
	}
	var lines []string
	for range 2500 { // lines are written by another goroutine
		f.log.mu.Lock()
		lines = strings.SplitAfter(f.log.b.String(), "\n")
		f.log.mu.Unlock()
		if lines = lines[:len(lines)-1]; len(lines) >= answers {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	for _, line := range lines {
		if err := json.Unmarshal([]byte(line), new(map[string]any)); err != nil {
			wrong = append(wrong, fmt.Sprintf("log line %q: %v", line, err))
		}
	}
	if len(lines) < answers {
		wrong = append(wrong, fmt.Sprintf("%d log lines, %d answers", len(lines), answers))
	}
	return wrong
}

// checkVictims wants two others to get their own answers.
func (f *forwarder) checkVictims(id string) (wrong []string) {
	for k := range 2 {
		target := fmt.Sprintf("/victim/%s/%d", id, k)
		r, err := f.try([]byte("GET "+target+" HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n"), 0, true)
		if err != nil || len(r.answers) != 1 || string(r.answers[0].body) != "ok "+target {
			wrong = append(wrong, fmt.Sprintf("victim %d got %+v (%v)", k, r, err))
		}
	}
	if f.log != nil {
		f.settle()
		f.log.mu.Lock()
		f.log.b.Reset()
		f.log.mu.Unlock()
	}
	return wrong
}

// trial is one case with the place where it is split; past its end: nowhere.
type trial struct {
	c     *corpusCase
	split int
}

// trials are all cases whole, and the small ones split at each offset: at a few
// of them unless WEIR_CORPUS is full.
func trials(cases []corpusCase) (all []trial) {
	const small, whole = 300, 1 << 30
	for i := range cases {
		c := &cases[i]
		all = append(all, trial{c, whole})
		n := len(unbase64(c.Raw))
		if n < 2 || n >= small {
			continue
		}
		if os.Getenv("WEIR_CORPUS") == "full" {
			for at := 1; at < n; at++ {
				all = append(all, trial{c, at})
			}
			continue
		}
		h := fnv.New32()
		_, _ = io.WriteString(h, c.ID)
		all = append(all, trial{c, 1 + int(h.Sum32()%uint32(n-1))})
	}
	return all
}

// failing runs the trials, several at a time, and returns what went wrong.
func failing(all []trial, forwarders []*forwarder) (wrong []string) {
	next := make(chan trial)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, f := range forwarders {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for tr := range next {
				if w := f.check(tr.c, tr.split); len(w) > 0 {
					mu.Lock()
					wrong = append(wrong, fmt.Sprintf("%s split at %d: %s", tr.c.ID, tr.split, strings.Join(w, "; ")))
					mu.Unlock()
				}
			}
		}()
	}
	for _, tr := range all {
		next <- tr
	}
	close(next)
	wg.Wait()
	return wrong
}

func TestCorpus_HostileRequestsAreReadInOneWayOrRefused(t *testing.T) {
	all := trials(loadCorpus(t, "testdata/h1.json"))
	for _, early := range []bool{false, true} {
		t.Run(fmt.Sprintf("early %v", early), func(t *testing.T) {
			var forwarders []*forwarder
			for range 16 {
				forwarders = append(forwarders, newForwarder(t, early))
			}
			for _, w := range failing(all, forwarders) {
				t.Error(w)
			}
			t.Logf("%d trials", len(all))
		})
	}
}

// TestCorpus_FindsABrokenForwarder is the positive control: a forwarder that
// believes Content-Length alone, and passes bytes as they came.
func TestCorpus_FindsABrokenForwarder(t *testing.T) {
	var cases []trial
	for _, tr := range trials(loadCorpus(t, "testdata/h1.json")) {
		if tr.c.Class == "cl-te" && tr.split > 300 {
			cases = append(cases, tr)
		}
	}
	r := new(recorderUpstream)
	u := newUpstream(t, r.serve)
	front := newUpstream(t, func(c *upConn) { brokenForward(c, u.ln.Addr().String()) })
	f := &forwarder{addr: front.ln.Addr().String(), upstream: r, settle: func() { time.Sleep(5 * time.Millisecond) }}
	wrong := failing(cases, []*forwarder{f})
	found := strings.Join(wrong, "\n")
	if n := strings.Count(found, "malformed at the upstream"); n < len(cases)/2 {
		t.Errorf("a broken forwarder fails in %d of %d cases:\n%s", n, len(cases), found)
	}
}

// brokenForward passes a head and Content-Length bytes on, and what comes back.
func brokenForward(c *upConn, upstream string) {
	_ = c.SetDeadline(time.Now().Add(50 * time.Millisecond))
	head := c.head()
	nc, err := net.Dial("tcp", upstream)
	if head == "" || err != nil {
		return
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(50 * time.Millisecond))
	length := 0
	for _, line := range strings.Split(head, "\r\n") {
		_, _ = fmt.Sscanf(line, "Content-Length: %d", &length)
	}
	body := make([]byte, min(max(length, 0), 1<<20))
	n, _ := io.ReadFull(c.br, body)
	_, _ = io.WriteString(nc, head+string(body[:n]))
	_, _ = io.Copy(c.Conn, nc)
}

// The corpus may lie beside the checkout too. Then both are the same.
func TestCorpus_IsTheSharedOne(t *testing.T) {
	shared, err := os.ReadFile("../../shared/corpus/h1.json")
	if err != nil {
		return
	}
	own, err := os.ReadFile("testdata/h1.json")
	if err != nil || !bytes.Equal(shared, own) {
		t.Errorf("testdata/h1.json differs from the shared one (%v)", err)
	}
}
