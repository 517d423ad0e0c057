package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"time"
)

// opened is what open reports. Latencies are in microseconds.
type opened struct {
	Requests int     `json:"requests"`
	Errors   int     `json:"errors"`
	P50      float64 `json:"p50_us"`
	P99      float64 `json:"p99_us"`
}

// open gives each connection an equal share of the rate, their requests spread
// evenly in time.
//
// The latency of a request counts from the moment at which it was due if its
// connection was still busy with the one before, so that a slow answer is not
// excused from what it delays; else from its write, so that the lateness of this
// client's own timers is not the proxy's.
func open(o options) error {
	gap := time.Duration(float64(time.Second) / float64(o.rate) * float64(o.connections))
	latencies := make([][]time.Duration, o.connections)
	errs := make([]error, o.connections)
	var done sync.WaitGroup
	begin := time.Now().Add(50 * time.Millisecond)
	for i := range o.connections {
		done.Go(func() {
			first := begin.Add(gap * time.Duration(i) / time.Duration(o.connections))
			latencies[i], errs[i] = ask(o, i, first, gap)
		})
	}
	done.Wait()
	all := slices.Concat(latencies...)
	if len(all) == 0 {
		return errors.Join(errs...)
	}
	slices.Sort(all)
	failed := 0
	for _, err := range errs {
		if err != nil {
			failed++
		}
	}
	return report(opened{
		Requests: len(all), Errors: failed,
		P50: micros(all[len(all)/2]), P99: micros(all[len(all)*99/100]),
	})
}

func ask(o options, i int, due time.Time, gap time.Duration) ([]time.Duration, error) {
	c, err := dial(o.address, i)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	end := due.Add(o.duration)
	latencies := make([]time.Duration, 0, o.duration/gap+1)
	request, buffer := o.request(i), make([]byte, 16<<10)
	for ; due.Before(end); due = due.Add(gap) {
		began := due
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
			began = time.Now()
		}
		if err := exchange(c, request, buffer); err != nil {
			return latencies, err
		}
		latencies = append(latencies, time.Since(began))
	}
	return latencies, nil
}

// exchange sends a request and reads its answer, which must be 200, have a
// Content-Length and fit the buffer.
func exchange(c net.Conn, request, buffer []byte) error {
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := c.Write(request); err != nil {
		return err
	}
	size, have := -1, 0
	for size < 0 || have < size {
		if have == len(buffer) {
			return errors.New("cannot read the answer: it does not fit")
		}
		n, err := c.Read(buffer[have:])
		if err != nil {
			return fmt.Errorf("cannot read the answer after %d bytes: %w", have, err)
		}
		have += n
		if size < 0 {
			if size, err = sizeOf(buffer[:have]); err != nil {
				return err
			}
		}
	}
	return nil
}

// sizeOf returns the bytes of head and body, or -1 until the head has ended.
func sizeOf(answer []byte) (int, error) {
	head := bytes.Index(answer, []byte("\r\n\r\n"))
	if head < 0 {
		return -1, nil
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 200 ")) {
		return 0, fmt.Errorf("the answer is %q", answer[:head])
	}
	for line := range bytes.Lines(answer[:head+2]) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if !bytes.EqualFold(name, []byte("Content-Length")) {
			continue
		}
		n, err := strconv.Atoi(string(bytes.TrimSpace(value)))
		return head + 4 + n, err
	}
	return 0, errors.New("the answer has no Content-Length")
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
