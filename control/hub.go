package control

import (
	"slices"
	"sync"
)

// hub hands events to subscribers. A subscriber that does not keep up loses
// events and is told how many; it never holds up the Controller.
type hub struct {
	mu struct {
		sync.Mutex
		seq  uint64
		subs map[*subscriber]struct{}
		kept []Event // the last recentEvents, that of number n at n-1
	}
}

// recentEvents is how many events are kept for who asks afterwards.
const recentEvents = 256

type subscriber struct {
	events chan Event
	lost   int
}

// subscribe returns a channel of events and a function that ends it.
func (h *hub) subscribe(buffer int) (<-chan Event, func()) {
	s := &subscriber{events: make(chan Event, max(buffer, 1))}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.subs == nil {
		h.mu.subs = make(map[*subscriber]struct{})
	}
	h.mu.subs[s] = struct{}{}
	return s.events, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if _, ok := h.mu.subs[s]; ok {
			delete(h.mu.subs, s)
			close(s.events)
		}
	}
}

func (h *hub) publish(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.seq++
	e.Seq = h.mu.seq
	if len(h.mu.kept) < recentEvents {
		h.mu.kept = append(h.mu.kept, e)
	} else {
		h.mu.kept[(e.Seq-1)%recentEvents] = e
	}
	for s := range h.mu.subs {
		e.Lost = s.lost
		select {
		case s.events <- e:
			s.lost = 0
		default:
			s.lost++
		}
	}
}

// recent returns the last events, the oldest first.
func (h *hub) recent() []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.mu.kept) < recentEvents {
		return slices.Clone(h.mu.kept)
	}
	oldest := h.mu.seq % recentEvents
	return append(slices.Clone(h.mu.kept[oldest:]), h.mu.kept[:oldest]...)
}
