package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// clients use the site all the time. Each has users of its own, knows what it wrote
// last, and holds every answer against it, whichever version answers.
type clients struct {
	base  string
	rows  int
	count int

	mu    sync.Mutex
	spans []span // the last one is going on
	bad   []string
}

// span is what clients met during one part of the proof.
type span struct {
	name          string
	requests      int
	errors, stale int
	took          []time.Duration
}

// begin starts another span.
func (c *clients) begin(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = append(c.spans, span{name: name})
}

func (c *clients) note(took time.Duration, failed, stale string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.spans[len(c.spans)-1]
	s.requests++
	s.took = append(s.took, took)
	switch {
	case failed != "":
		s.errors++
	case stale != "":
		s.stale++
	default:
		return
	}
	if len(c.bad) < 10 {
		c.bad = append(c.bad, s.name+": "+failed+stale)
	}
}

// run uses the site until ctx ends.
func (c *clients) run(ctx context.Context) {
	var running sync.WaitGroup
	for i := range c.count {
		running.Go(func() { c.one(ctx, i) })
	}
	running.Wait()
}

func (c *clients) one(ctx context.Context, number int) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	random := rand.New(rand.NewPCG(1, uint64(number)))
	wrote := map[int]string{}
	for n := 0; ctx.Err() == nil; n++ {
		id := (random.IntN(c.rows/c.count))*c.count + number // one that was there before
		if n%4 == 0 {
			id += c.rows * (1 + random.IntN(2)) // or a new one
		}
		want, known := wrote[id], true
		if want == "" {
			want, known = seeded(id), id < c.rows
		}
		begun := time.Now()
		if !known || n%3 == 0 {
			want = fmt.Sprintf("%d-%d@example.com", number, n)
			_, failed := c.ask(client, http.MethodPut, id, want)
			if failed == "" {
				wrote[id] = want
			}
			c.note(time.Since(begun), failed, "")
		} else {
			got, failed := c.ask(client, http.MethodGet, id, "")
			stale := ""
			if failed == "" && got != want {
				stale = fmt.Sprintf("user %d has %q, and %q was written last", id, got, want)
			}
			c.note(time.Since(begun), failed, stale)
		}
		time.Sleep(8 * time.Millisecond)
	}
}

// ask sends one request. What went wrong with it comes back as a text.
func (c *clients) ask(client *http.Client, method string, id int, body string) (answer, failed string) {
	req, err := http.NewRequest(method, fmt.Sprintf("%s/users/%d", c.base, id), strings.NewReader(body))
	if err != nil {
		return "", err.Error()
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err.Error()
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return "", err.Error()
	case resp.StatusCode != http.StatusOK:
		return "", resp.Status + ": " + string(data)
	}
	return string(data), ""
}

// seeded is the email of a user that was there before.
func seeded(id int) string { return fmt.Sprintf("seed-%d@example.com", id) }

// percentile of what requests took; 1 is the slowest.
func (s *span) percentile(p float64) time.Duration {
	if len(s.took) == 0 {
		return 0
	}
	slices.Sort(s.took)
	return s.took[min(len(s.took)-1, int(p*float64(len(s.took))))]
}
