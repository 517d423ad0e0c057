package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// heard is one call that came to a receiver.
type heard struct {
	key, kind, rollout string
	seq                uint64
	status             int // that was answered
}

// receiver is the other side of hooks and notifiers. What comes under a path is
// answered as is set for it, 200 unless something is.
type receiver struct {
	url    string
	server http.Server

	mu     sync.Mutex
	status map[string]int
	calls  map[string][]heard
}

func newReceiver() (*receiver, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("cannot receive calls: %w", err)
	}
	r := &receiver{url: "http://" + ln.Addr().String(), status: map[string]int{}, calls: map[string][]heard{}}
	r.server.Handler = http.HandlerFunc(r.hear)
	go func() { _ = r.server.Serve(ln) }() // until close
	return r, nil
}

func (r *receiver) close() { _ = r.server.Close() }

func (r *receiver) hear(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err != nil {
		return
	}
	var event struct {
		Seq     uint64 `json:"seq"`
		Kind    string `json:"kind"`
		Rollout string `json:"rollout"`
	}
	_ = json.Unmarshal(body, &event) // what is missing shows
	path := strings.TrimPrefix(req.URL.Path, "/")
	r.mu.Lock()
	status := r.status[path]
	if status == 0 {
		status = http.StatusOK
	}
	r.calls[path] = append(r.calls[path], heard{req.Header.Get("Weir-Key"), event.Kind, event.Rollout, event.Seq, status})
	r.mu.Unlock()
	w.WriteHeader(status)
}

// answer sets what is answered under a path; 0: 200.
func (r *receiver) answer(path string, status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status[path] = status
}

// of are the calls of a path about one rollout, in the order in which they came.
func (r *receiver) of(path, rollout string) (all []heard) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.calls[path] {
		if h.rollout == rollout {
			all = append(all, h)
		}
	}
	return all
}

// told says what is wrong with how events were told: one that came before an
// earlier one, or came again under another key, or, where all are wanted, was
// left out.
func told(calls []heard, all bool) string {
	keys := map[uint64]string{}
	var last uint64
	for _, h := range calls {
		if known, ok := keys[h.seq]; ok && known != h.key {
			return fmt.Sprintf("event %d came as %s and as %s", h.seq, known, h.key)
		}
		keys[h.seq] = h.key
		if h.status != http.StatusOK {
			continue
		}
		if h.seq < last {
			return fmt.Sprintf("event %d was told after event %d", h.seq, last)
		}
		last = h.seq
	}
	for seq := uint64(1); all && seq <= last; seq++ {
		if keys[seq] == "" {
			return fmt.Sprintf("event %d of %d was not told", seq, last)
		}
	}
	if last == 0 {
		return "nothing was told"
	}
	return ""
}
