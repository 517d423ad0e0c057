package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/rollout"
)

// Event is the data of one server-sent event.
type Event struct {
	Seq      uint64        `json:"seq" doc:"Rises by one with each event of this node's process; the id of the message"`
	At       time.Time     `json:"at"`
	Kind     string        `json:"kind" doc:"rollout, service, node, cut, endpoint or state; the event of the message"`
	Service  string        `json:"service,omitempty"`
	Rollout  string        `json:"rollout,omitempty"`
	Phase    rollout.Phase `json:"phase,omitempty"`
	Text     string        `json:"text"`
	Lost     int           `json:"lost,omitempty" doc:"Events that were dropped before this one, because the reader was slow"`
	Decision *Decision     `json:"decision,omitempty"`
}

const (
	// heartbeat is how often a silent stream gets a comment, so that proxies
	// keep it and a vanished reader is found.
	heartbeat = 15 * time.Second

	// eventBuffer is how many events a reader may lag behind before it loses some.
	eventBuffer = 256

	// eventWrite is the longest that one write to a reader may take.
	eventWrite = 10 * time.Second
)

func (a *API) registerEvents() {
	register(a, route{
		method: http.MethodGet, path: "/v1/events", role: Viewer, id: "stream-events", tag: "events",
		summary: "Follow events",
		description: "Server-sent events, live ones only. A reader that comes back with Last-Event-ID gets an event `missed` first, " +
			"unless nothing happened since, and then reads the state anew.",
		responses: map[string]*huma.Response{"200": {
			Description: "Events as they happen",
			Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: a.schema(Event{}, "Event")}},
		}},
	}, a.streamEvents)
}

type eventFilter struct {
	Service     string `query:"service" doc:"Only this service's"`
	Rollout     string `query:"rollout" doc:"Only this rollout's"`
	LastEventID string `header:"Last-Event-ID" doc:"Id of the last event that was read"`
}

func (f *eventFilter) wants(e *control.Event) bool {
	return (f.Service == "" || f.Service == e.Service) && (f.Rollout == "" || f.Rollout == e.Rollout)
}

func (a *API) streamEvents(_ context.Context, in *eventFilter) (*huma.StreamResponse, error) {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		r, w := humago.Unwrap(ctx)
		open, stop := untilClosed(r)
		defer stop()
		s := stream{w: w, control: http.NewResponseController(w), beat: heartbeat, allowed: func() bool { return a.allowed(r) }}
		events, cancel := a.Control.Subscribe(eventBuffer)
		defer cancel()
		// The reader left, or the process ends: nobody is left to be told.
		_ = s.run(open, in, events)
	}}, nil
}

// stream writes server-sent events to one reader.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	beat    time.Duration // between two heartbeats
	allowed func() bool   // whether the reader may go on, asked with each heartbeat
}

func (s *stream) run(ctx context.Context, in *eventFilter, events <-chan control.Event) error {
	s.w.Header().Set("Content-Type", "text/event-stream")
	s.w.Header().Set("X-Accel-Buffering", "no")
	// The server's read deadline would end the stream with the request's.
	if err := s.control.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	first := ": connected\nretry: 1000\n\n"
	if in.LastEventID != "" {
		first += "event: missed\ndata: {\"text\":\"events after " + jsonSafe(in.LastEventID) + " may be missing: read the state anew\"}\n\n"
	}
	if err := s.write(first); err != nil {
		return err
	}
	beat := time.NewTicker(s.beat)
	defer beat.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-beat.C:
			if !s.allowed() {
				return nil
			}
			err = s.write(": alive\n\n")
		case e, open := <-events:
			if !open {
				return nil
			}
			if in.wants(&e) || e.Lost > 0 {
				err = s.event(&e)
			}
		}
		if err != nil {
			return err
		}
	}
}

func (s *stream) event(e *control.Event) error {
	data, err := json.Marshal(Event{
		Seq: e.Seq, At: e.At, Kind: e.Kind, Service: e.Service, Rollout: e.Rollout,
		Phase: e.Phase, Text: e.Text, Lost: e.Lost, Decision: decisionOf(e.Verdict),
	})
	if err != nil {
		return fmt.Errorf("cannot encode event %d: %w", e.Seq, err)
	}
	return s.write(fmt.Sprintf("id: %d\nevent: %s\ndata: %s\n\n", e.Seq, e.Kind, data))
}

func (s *stream) write(text string) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(eventWrite)); err != nil {
		return err
	}
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.control.Flush()
}

// jsonSafe keeps the digits of an event id that a client sent.
func jsonSafe(id string) string {
	for i := range len(id) {
		if id[i] < '0' || id[i] > '9' {
			return "the last"
		}
	}
	return id
}
