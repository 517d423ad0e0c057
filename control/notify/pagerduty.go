package notify

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
)

// PagerDutyURL is where events go, unless a notifier names another: Europe's
// service region has https://events.eu.pagerduty.com.
const PagerDutyURL = "https://events.pagerduty.com"

// pagerEvent is an event of PagerDuty's Events API v2.
// Source: https://developer.pagerduty.com/docs/events-api-v2/trigger-events/
type pagerEvent struct {
	RoutingKey string        `json:"routing_key"`
	Action     string        `json:"event_action,omitempty"` // none: a change event
	DedupKey   string        `json:"dedup_key,omitempty"`
	Payload    *pagerPayload `json:"payload,omitempty"`
	Links      []pagerLink   `json:"links,omitempty"`
	Client     string        `json:"client,omitempty"`
}

type pagerPayload struct {
	Summary   string            `json:"summary"`
	Source    string            `json:"source"`
	Severity  string            `json:"severity,omitempty"` // of alerts: critical, error, warning or info
	Timestamp string            `json:"timestamp"`
	Component string            `json:"component,omitempty"`
	Group     string            `json:"group,omitempty"`
	Class     string            `json:"class,omitempty"`
	Details   map[string]string `json:"custom_details,omitempty"`
}

type pagerLink struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

// What PagerDuty is told by an event.
const (
	pagerTrigger = "trigger" // an alert: somebody is called
	pagerResolve = "resolve" // the alert of this rollout is over
	pagerChange  = ""        // a change event: shown beside incidents, calls nobody
)

// pagerAction says what an event means. All events of a rollout and of its
// retries share one incident, so that a pause which is resumed, or a rollout that
// succeeds after all, ends what it began.
func pagerAction(kind string) (action, severity string) {
	switch kind {
	case rollout.AnnounceRolledBack, rollout.AnnounceFailed, rollout.AnnounceCut:
		return pagerTrigger, "critical"
	case rollout.AnnouncePaused, rollout.AnnounceObserved:
		return pagerTrigger, "warning"
	case rollout.AnnounceApproval, KindTest:
		return pagerTrigger, "info"
	case rollout.AnnounceSucceeded, rollout.AnnounceResumed, rollout.AnnounceApproved, rollout.AnnounceAborted, rollout.AnnounceSuperseded:
		return pagerResolve, ""
	}
	return pagerChange, ""
}

func (s *Sender) pagerDuty(ctx context.Context, t *configs.PagerDutyTarget, e *Entry, m Message) error {
	key, err := s.secrets.Read(t.RoutingKeyFile)
	if err != nil {
		return err
	}
	if err := checkRoutingKey(t.RoutingKeyFile, key); err != nil {
		return err
	}
	event := s.pagerOf(e, m)
	event.RoutingKey = key
	path := "/v2/enqueue"
	if event.Action == pagerChange {
		path = "/v2/change/enqueue"
	}
	return s.post(ctx, cmp.Or(t.URL, PagerDutyURL)+path, event, nil, "")
}

func (s *Sender) pagerOf(e *Entry, m Message) pagerEvent {
	action, severity := pagerAction(e.Kind)
	event := pagerEvent{Action: action}
	if action != pagerChange {
		event.DedupKey = clipped("weir/"+cmp.Or(s.Place, "default")+"/"+cmp.Or(e.Event.Retries, e.Rollout, e.ID), 255)
	}
	if action == pagerResolve {
		return event
	}
	event.Payload = &pagerPayload{
		Summary: clipped(m.Title, 1024), Source: cmp.Or(s.Node, "weir"), Severity: severity,
		Timestamp: e.At.UTC().Format(time.RFC3339), Details: map[string]string{"event": e.ID},
	}
	if action == pagerTrigger {
		if severity != "info" && e.Event.Reason != "" {
			// A telephone shows the summary alone.
			event.Payload.Summary = clipped(m.Title+": "+e.Event.Reason, 1024)
		}
		event.Client = "weir"
		event.Payload.Component, event.Payload.Group, event.Payload.Class = e.Event.Service, s.Place, e.Kind
	}
	if len(m.Lines) > 0 {
		event.Payload.Details["message"] = strings.Join(m.Lines, "\n")
	}
	for _, f := range m.Facts {
		event.Payload.Details[f.Name] = f.Value
	}
	for _, l := range m.Links {
		event.Links = append(event.Links, pagerLink{l.URL, l.Name})
	}
	return event
}

// checkRoutingKey keeps another secret of the node from being sent by mistake.
func checkRoutingKey(file, key string) error {
	if len(key) != 32 || strings.Trim(strings.ToLower(key), "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return fmt.Errorf("cannot use secret %q: it does not hold a routing key, which has 32 letters and digits", file)
	}
	return nil
}
