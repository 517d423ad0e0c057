package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/call"
	"github.com/weirproxy/weir/control/release"
)

// How a tracker is told. What was told in one pass is written down after it, so
// that is what a leader that dies has repeated.
const (
	passTasks  = 50
	passTime   = 8 * time.Second
	inARow     = 3       // tasks that fail one after the other: it is the tracker
	mostTries  = 30      // of one task where others pass, about two hours
	maxTracked = 1 << 20 // bytes of an answer that values are taken out of
)

// tracker tells of as many tasks as fit into one pass. A task that the tracker
// refuses is left for last, where it makes the entry a dead letter of its own; one
// that fails is tried again and holds up what else is to be told of that task.
func (s *Sender) tracker(ctx context.Context, doc *configs.TrackerTarget, e *Entry) error {
	if e.Moves == nil {
		return fmt.Errorf("%w: there is no task to tell of", ErrRefused)
	}
	t := doc.Tracker()
	token := ""
	if t.TokenFile != "" {
		var err error
		if token, err = s.secrets.Read(t.TokenFile); err != nil {
			return err
		}
	}
	p := pass{began: s.Now(), held: map[string]bool{}}
	for i := range e.Moves.Tasks {
		m := e.Moves.Tasks[i]
		switch {
		case m.Refused != "":
			p.refused = append(p.refused, m)
		case p.held[m.ID]:
			p.failed = append(p.failed, m)
		case p.over(s.Now()):
			p.ahead = append(p.ahead, m)
		default:
			p.take(m, s.tell(ctx, &t, token, trackerValues(e, &m, s.linkOf(e)), &m))
		}
	}
	return p.outcome(e.Moves)
}

func (s *Sender) linkOf(e *Entry) string {
	if s.PublicURL != "" && e.Moves.Rollout != "" {
		return strings.TrimSuffix(s.PublicURL, "/") + "/rollouts/" + url.PathEscape(e.Moves.Rollout)
	}
	return e.Moves.Link
}

// pass is what is known of a tracker while it is told.
type pass struct {
	began time.Time
	tried int
	row   int             // tasks that failed since the last that did not
	stop  bool            // it is the tracker, not a task
	last  error           // of a task that failed
	held  map[string]bool // tasks that failed: what comes later of them waits

	ahead, failed, refused []release.Move
}

func (p *pass) over(now time.Time) bool {
	return p.stop || p.tried >= passTasks || now.Sub(p.began) >= passTime
}

// take takes in what came of one task.
func (p *pass) take(m release.Move, err error) {
	p.tried++
	if err == nil {
		p.row = 0
		return
	}
	if errors.Is(err, ErrRefused) {
		p.row, m.Refused = 0, line(strings.TrimPrefix(err.Error(), ErrRefused.Error()+": "), maxReply)
		p.refused = append(p.refused, m)
		return
	}
	p.held[m.ID], p.last = true, err
	p.row++
	_, asked := errors.AsType[*RetryAfter](err)
	p.stop = asked || errors.Is(err, errTracker) || p.row >= inARow
	if !p.stop {
		m.Failures++
	}
	if m.Failures < mostTries {
		p.failed = append(p.failed, m)
		return
	}
	m.Refused = line(err.Error(), maxReply)
	p.refused = append(p.refused, m)
}

// outcome is what the pass comes to. Tasks that failed come after those that were
// not tried, so that they hold up nobody.
func (p *pass) outcome(of *Moves) error {
	left := *of
	left.Tasks = slices.Concat(p.ahead, p.failed, p.refused)
	switch {
	case len(left.Tasks) == 0:
		return nil
	case len(p.ahead)+len(p.failed) == 0:
		first := p.refused[0]
		return &Progress{Left: &left, Err: fmt.Errorf("%w: %d tasks, %s: %s", ErrRefused, len(p.refused), first.ID, first.Refused)}
	case len(p.ahead) > 0 && !p.stop:
		return &Progress{Left: &left}
	}
	return &Progress{Left: &left, Err: p.last}
}

// errTracker is in the chain of failures that no single task is to blame for.
var errTracker = errors.New("the tracker does not work")

// tell makes the requests for one task.
func (s *Sender) tell(ctx context.Context, t *configs.TrackerTarget, token string, values map[string]string, m *release.Move) error {
	others, err := words(t, values, m)
	if err != nil {
		return err
	}
	for i := range t.Requests {
		q := &t.Requests[i]
		each := []string{""}
		if q.Each != "" {
			each = others
		}
		for _, values["other"] = range each {
			answer, err := s.ask(ctx, t, q, token, values)
			if err != nil {
				return err
			}
			for j := range q.Take {
				leave, err := take(&q.Take[j], answer, values)
				if leave || err != nil {
					return err
				}
			}
		}
		delete(values, "other")
	}
	return nil
}

// ask makes one request, and judges the answer.
func (s *Sender) ask(ctx context.Context, t *configs.TrackerTarget, q *configs.TrackerRequest, token string, values map[string]string) ([]byte, error) {
	r, err := trackerRequest(t, q, values)
	if err != nil {
		return nil, err
	}
	authorize(r.Header, t, token)
	a, err := s.client.Do(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTracker, err)
	}
	for _, status := range q.Accept {
		if a.Status == status {
			return a.Body, nil
		}
	}
	return a.Body, s.judgeTracker(a)
}

// judgeTracker tells what is the task's fault from what is not: an id that nobody
// knows must not hold up the others, and a token that ran out must lose none.
func (s *Sender) judgeTracker(a call.Answer) error {
	err := s.judge(a)
	switch {
	case err == nil, errors.Is(err, ErrRefused):
		return err
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden, a.Status == http.StatusProxyAuthRequired,
		a.Status == http.StatusTooManyRequests, a.Status == http.StatusServiceUnavailable, a.Status < 400:
		return fmt.Errorf("%w: %w", errTracker, err)
	case a.Status < 500 && a.Status != http.StatusRequestTimeout && a.Status != http.StatusTooEarly:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

func authorize(h http.Header, t *configs.TrackerTarget, token string) {
	switch {
	case token == "":
	case t.User != "":
		r := http.Request{Header: h}
		r.SetBasicAuth(t.User, token)
	case t.TokenHeader != "":
		h.Set(t.TokenHeader, token)
	default:
		h.Set("Authorization", "Bearer "+token)
	}
}

// take puts a value of an answer among values; leave: the list has no such item.
func take(k *configs.TrackerTake, answer []byte, values map[string]string) (leave bool, err error) {
	var whole any
	d := json.NewDecoder(strings.NewReader(string(answer)))
	d.UseNumber()
	if err := d.Decode(&whole); err != nil {
		return false, fmt.Errorf("%w: the answer is no JSON", ErrRefused)
	}
	found := at(whole, k.From)
	if k.Where != "" {
		list, ok := found.([]any)
		if !ok {
			return false, fmt.Errorf("%w: the answer has no list at %q", ErrRefused, k.From)
		}
		is, err := fill(k.Is, values)
		if err != nil {
			return false, err
		}
		if found = chosen(list, k, is); found == nil {
			return true, nil
		}
	}
	switch found.(type) {
	case string, json.Number:
		values["taken."+k.As] = fmt.Sprint(found)
		return false, nil
	}
	return false, fmt.Errorf("%w: the answer has no value at %q", ErrRefused, k.From)
}

func chosen(list []any, k *configs.TrackerTake, is string) any {
	for _, one := range list {
		if s, ok := at(one, k.Where).(string); ok && strings.EqualFold(s, is) {
			return at(one, k.Field)
		}
	}
	return nil
}

// at is what a path of names leads to; nil: nothing.
func at(v any, path string) any {
	for name := range strings.SplitSeq(path, ".") {
		object, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = object[name]
	}
	return v
}
