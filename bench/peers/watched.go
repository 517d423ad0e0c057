package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// scraped asks for the metrics of a proxy as Prometheus would, every second from
// now on, until the result is called, which returns the first failure.
func (p *proxy) scraped() (stop func() error) {
	if p.metrics == "" {
		return func() error { return nil }
	}
	end := make(chan struct{})
	var asking sync.WaitGroup
	var failure error
	asking.Go(func() {
		client := &http.Client{Timeout: 5 * time.Second}
		defer client.CloseIdleConnections()
		for wait := 500 * time.Millisecond; ; wait = time.Second {
			select {
			case <-end:
				return
			case <-time.After(wait):
				failure = errors.Join(failure, scrape(client, p.metrics))
			}
		}
	})
	return func() error {
		close(end)
		asking.Wait()
		return failure
	}
}

func scrape(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return fmt.Errorf("cannot ask for metrics: %w", err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return fmt.Errorf("cannot read metrics: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("cannot ask for metrics at %s: it answered %s", url, resp.Status)
	}
	return nil
}

// takeLines counts the lines of the access log once all are written, and
// empties it: a minute of them would fill the memory that others use.
func (p *proxy) takeLines() (lines int, err error) {
	if p.accessLog == "" {
		return 0, nil
	}
	time.Sleep(1200 * time.Millisecond) // nginx writes every second what does not fill its buffer
	file, err := os.OpenFile(p.accessLog, os.O_RDWR, 0)
	if err != nil {
		return 0, fmt.Errorf("cannot count what was logged: %w", err)
	}
	defer file.Close()
	buffer := make([]byte, 1<<20)
	for {
		n, err := file.Read(buffer)
		lines += bytes.Count(buffer[:n], []byte("\n"))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, fmt.Errorf("cannot count what was logged: %w", err)
		}
	}
	if err := file.Truncate(0); err != nil {
		return 0, fmt.Errorf("cannot empty what was logged: %w", err)
	}
	return lines, nil
}
