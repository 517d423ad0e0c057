package configs

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// maxAttempts is the largest number of attempts at one version.
const maxAttempts = 10

// Retry says when a request is tried again on its version. What follows a first
// attempt never counts as evidence: a version's failures stay its own.
//
// A request that certainly reached no endpoint (the connection was refused, say)
// goes to another endpoint of the version whatever its method, always. All else
// is repeated only if it is idempotent (GET, HEAD, OPTIONS, PUT, DELETE), whole
// in memory (without body, or one up to 64 KiB) and nothing was answered yet;
// after a pause drawn between 0 and 25 ms, 50 ms and so on up to 250 ms
// (Envoy's); and as long as such attempts are less than 20 % of the version's
// requests, or fewer than 3 a second.
type Retry struct {
	// Attempts is how often a version is tried in all, the first time included:
	// 1 to 10. 1: never again. 0: the default, 3. The service's timeout bounds
	// all of them together.
	Attempts int `json:"attempts,omitempty" yaml:"attempts,omitempty"`

	// On lists what is repeated: `reset` (the connection broke, or what came was
	// no HTTP), `timeout` (nothing came for attempt_timeout), statuses from 400
	// to 599, and `connect` (also by the endpoint that could not be reached, if
	// there is no other). Empty: nothing but what reached no endpoint.
	On []string `json:"on,omitempty" yaml:"on,omitempty"`

	// AttemptTimeout ends an attempt that another may follow and that has brought
	// no response head by then. It counts as a timeout of the version. It needs
	// `timeout` among On. 0: none.
	AttemptTimeout Duration `json:"attempt_timeout,omitempty" yaml:"attempt_timeout,omitempty"`
}

// Fallback asks the other live version when one does not know what the other may
// know: a page of one build asks for assets that only that build has. The answer
// is given if it is better; else the first one stands, and it alone is evidence.
type Fallback struct {
	// Status lists the answers, 400 to 599, that make weir ask. Empty: 404.
	Status []int `json:"status,omitempty" yaml:"status,omitempty"`

	// Methods are GET, HEAD and OPTIONS at most. Empty: GET, HEAD.
	Methods []string `json:"methods,omitempty" yaml:"methods,omitempty"`
}

// Wants reports whether cause is among On.
func (r *Retry) Wants(cause string) bool { return slices.Contains(r.On, cause) }

// Statuses are those among On.
func (r *Retry) Statuses() []int {
	var statuses []int
	for _, on := range r.On {
		if n, err := strconv.Atoi(on); err == nil {
			statuses = append(statuses, n)
		}
	}
	return statuses
}

func (r *Retry) setDefaults() { r.Attempts = cmp.Or(r.Attempts, 3) }

func (f *Fallback) setDefaults() {
	if len(f.Status) == 0 {
		f.Status = []int{404}
	}
	if len(f.Methods) == 0 {
		f.Methods = []string{"GET", "HEAD"}
	}
}

func (s *Service) checkReplays(r *report) {
	if s.Retry != nil {
		s.checkRetry(r, s.Retry)
	}
	if s.Fallback == nil {
		return
	}
	r.statuses("fallback.status", s.Fallback.Status, 400, 599)
	r.methods("fallback.methods", s.Fallback.Methods)
	for i, method := range s.Fallback.Methods {
		if method == "POST" || method == "PUT" || method == "PATCH" || method == "DELETE" {
			r.add(item("fallback.methods", i), "leave it out", "%s changes something, and must not do so in two versions", method)
		}
	}
}

func (s *Service) checkRetry(r *report, t *Retry) {
	r.count("retry.attempts", t.Attempts, maxAttempts)
	for i, on := range t.On {
		at := item("retry.on", i)
		n, err := strconv.Atoi(on)
		switch {
		case slices.Contains(t.On[:i], on):
			r.add(at, "remove one", "%s stands here twice", on)
		case on == "connect" || on == "reset" || on == "timeout":
		case err == nil && n >= 400 && n <= 599 && on == strconv.Itoa(n):
		case on == "5xx" || on == "4xx":
			r.add(at, "write the statuses out, such as 502, 503, 504", "%q would repeat failures that do not pass by themselves", on)
		default:
			r.add(at, "write connect, reset, timeout or a status from 400 to 599", "%q is nothing to retry on", on)
		}
	}
	if t.Attempts == 1 && len(t.On) > 0 {
		r.add("retry.attempts", "write at least 2, or leave on out", "with 1 attempt nothing is repeated")
	}
	r.timeout("retry.attempt_timeout", t.AttemptTimeout)
	whole := orDuration(s.Timeout, 15*time.Second)
	switch {
	case t.AttemptTimeout == 0 && t.Wants("timeout"):
		r.add("retry.on", "write attempt_timeout too, shorter than the timeout", "the timeout %s leaves no time for another attempt", whole)
	case t.AttemptTimeout != 0 && !t.Wants("timeout"):
		r.add("retry.attempt_timeout", "write timeout among on", "no attempt would follow one that is ended")
	case t.AttemptTimeout != 0 && t.AttemptTimeout >= whole:
		r.add("retry.attempt_timeout", "write less than "+whole.String(), "%s leaves no time for another attempt within the timeout", t.AttemptTimeout)
	}
}
