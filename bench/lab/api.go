package lab

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// API is a client of the control API that knows no more of it than its
// documented JSON, as a script would.
type API struct {
	base  string
	token string
	http  *http.Client
}

// NewAPI returns a client; token may be empty.
func NewAPI(base, token string) *API {
	return &API{base: base, token: token, http: &http.Client{
		Timeout: 15 * time.Second,
		// Its own connections: those of a node that was killed must not be met by the next.
		Transport: &http.Transport{MaxIdleConnsPerHost: 4},
	}}
}

// Close lets go of idle connections.
func (a *API) Close() { a.http.CloseIdleConnections() }

// With returns a client with another token.
func (a *API) With(token string) *API { return NewAPI(a.base, token) }

// Answer is what the API answered.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Into decodes the body.
func (a *Answer) Into(v any) error {
	if err := json.Unmarshal(a.Body, v); err != nil {
		return fmt.Errorf("cannot read answer %d %s: %w", a.Status, a.Body, err)
	}
	return nil
}

// Problem is an error of the API (RFC 9457).
type Problem struct {
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Detail   string   `json:"detail"`
	Hint     string   `json:"hint"`
	Problems []string `json:"problems"`
	Allowed  []string `json:"allowed"`
}

// Document is a body in YAML.
type Document string

// Call sends one request. The body may be nil, a Document, or anything that
// becomes JSON; headers are pairs of name and value.
func (a *API) Call(method, path string, body any, headers ...string) (*Answer, error) {
	var content []byte
	kind := ""
	switch b := body.(type) {
	case nil:
	case Document:
		content, kind = []byte(b), "application/yaml"
	default:
		var err error
		if content, err = json.Marshal(b); err != nil {
			return nil, err
		}
		kind = "application/json"
	}
	req, err := http.NewRequest(method, a.base+path, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if a.token != "" {
		req.Header.Set("Authorization", "Bearer "+a.token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	out := &Answer{Status: resp.StatusCode, Header: resp.Header}
	if out.Body, err = io.ReadAll(resp.Body); err != nil {
		return nil, fmt.Errorf("cannot read the answer to %s %s: %w", method, path, err)
	}
	return out, nil
}

// must is Call for what has to be accepted.
func (a *API) must(method, path string, body, into any) error {
	answer, err := a.Call(method, path, body)
	if err != nil {
		return err
	}
	if answer.Status >= 300 {
		return fmt.Errorf("%s %s: %d %s", method, path, answer.Status, answer.Body)
	}
	if into == nil {
		return nil
	}
	return answer.Into(into)
}

// Get reads a path into v.
func (a *API) Get(path string, v any) error { return a.must(http.MethodGet, path, nil, v) }

// Decision is a verdict with its numbers.
type Decision struct {
	Verdict           string  `json:"verdict"`
	Rule              string  `json:"rule"`
	Path              string  `json:"path"`
	CandidateRequests int     `json:"candidate_requests"`
	CandidateBad      int     `json:"candidate_bad"`
	CandidateRate     float64 `json:"candidate_rate"`
	StableRequests    int     `json:"stable_requests"`
	StableBad         int     `json:"stable_bad"`
	Evidence          float64 `json:"evidence"`
	Threshold         float64 `json:"threshold"`
	Text              string  `json:"text"`
}

// Cut is a node's fact that it took the candidate to 0.
type Cut struct {
	Node   string    `json:"node"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Rollout is a rollout as the API shows it.
type Rollout struct {
	ID           string            `json:"id"`
	Phase        string            `json:"phase"`
	Stage        int               `json:"stage"`
	From         string            `json:"from"`
	To           string            `json:"to"`
	Strategy     string            `json:"strategy"`
	Weights      map[string]string `json:"weights"`
	Reason       string            `json:"reason"`
	Verdict      string            `json:"verdict"`
	WaitingFor   string            `json:"waiting_for"`
	InForce      bool              `json:"in_force"`
	StageElapsed float64           `json:"stage_elapsed_seconds"`
	Generation   int               `json:"generation"`
	Decision     *Decision         `json:"decision"`
	Rules        []struct {
		Decision
		Condition string `json:"condition"`
		State     string `json:"state"`
	} `json:"rules"`
	Cuts    []Cut `json:"cuts"`
	History []struct {
		At      time.Time         `json:"at"`
		To      string            `json:"to"`
		Stage   int               `json:"stage"`
		Weights map[string]string `json:"weights"`
	} `json:"history"`
}

// Service is a service as the API shows it.
type Service struct {
	Stable        string            `json:"stable"`
	Weights       map[string]string `json:"weights"`
	Rollout       string            `json:"rollout"`
	Revision      int64             `json:"revision"`
	StateRevision int64             `json:"state_revision"`
	Versions      []struct {
		Name     string `json:"name"`
		Weight   string `json:"weight"`
		Requests int    `json:"requests"`
	} `json:"versions"`
}

// Index says what runs and how fresh its state is.
type Index struct {
	Node      string `json:"node"`
	Connected bool   `json:"connected"`
	Source    string `json:"source"`
	Error     string `json:"error"`
}

// Metric reads one value of the metrics, named as it is written there.
func (a *API) Metric(name string) (float64, error) {
	answer, err := a.Call(http.MethodGet, "/metrics", nil)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(answer.Body)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("there is no metric %s", name)
}

// Index reads the index.
func (a *API) Index() (v Index, err error) {
	err = a.must(http.MethodGet, "/", nil, &v)
	return v, err
}

// Rollout reads one rollout.
func (a *API) Rollout(id string) (v Rollout, err error) {
	err = a.must(http.MethodGet, "/v1/rollouts/"+id, nil, &v)
	return v, err
}

// Service reads one service.
func (a *API) Service(name string) (v Service, err error) {
	err = a.must(http.MethodGet, "/v1/services/"+name, nil, &v)
	return v, err
}

// Apply creates or changes the service of a document.
func (a *API) Apply(name string, doc Document) error {
	return a.must(http.MethodPut, "/v1/services/"+name, doc, nil)
}

// Begin starts a rollout and returns its id.
func (a *API) Begin(plan Document) (string, error) {
	var r struct{ ID string }
	err := a.must(http.MethodPost, "/v1/rollouts", plan, &r)
	return r.ID, err
}

// Act carries out a verb on a rollout.
func (a *API) Act(id, verb string) error {
	return a.must(http.MethodPost, "/v1/rollouts/"+id+"/"+verb, map[string]any{}, nil)
}

// Weigh sets the weights by hand and waits until they are in force.
func (a *API) Weigh(service string, weights map[string]string) error {
	return a.must(http.MethodPut, "/v1/services/"+url.PathEscape(service)+"/weights?wait=applied", weights, nil)
}

// AwaitRollout waits until ok likes a rollout, and returns it.
func (a *API) AwaitRollout(id, what string, patience time.Duration, ok func(*Rollout) bool) (r Rollout, err error) {
	err = Await("rollout "+id+" "+what, patience, func() (bool, error) {
		seen, err := a.Rollout(id)
		if err != nil {
			return false, err
		}
		r = seen
		return ok(&seen), nil
	})
	if err != nil {
		err = fmt.Errorf("%w; it is %s at stage %d: %s", err, r.Phase, r.Stage, r.Reason)
	}
	return r, err
}

// AwaitPhase waits for a phase.
func (a *API) AwaitPhase(id, phase string, patience time.Duration) (Rollout, error) {
	return a.AwaitRollout(id, phase, patience, func(r *Rollout) bool { return r.Phase == phase })
}
