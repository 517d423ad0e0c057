package lab

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Origin is a version of a service in a process of its own.
type Origin struct {
	*Process
	Address string

	lab  *Lab
	name string
}

// OriginStats is what an origin saw of users; probes are not in it.
type OriginStats struct {
	Requests int64  `json:"requests"`
	Errors   int64  `json:"errors"`
	InFlight int64  `json:"in_flight"`
	Last     int64  `json:"last_unix_ns"` // when the last request came in; 0: none
	Now      int64  `json:"now_unix_ns"`
	Fault    string `json:"fault"`
}

// LastAt is when the last request came in.
func (s OriginStats) LastAt() time.Time { return time.Unix(0, s.Last) }

// NowAt is when the origin answered.
func (s OriginStats) NowAt() time.Time { return time.Unix(0, s.Now) }

// Origin starts a version that answers after latency.
func (l *Lab) Origin(name string, latency time.Duration) (*Origin, error) {
	binary, err := l.build("bench/origin")
	if err != nil {
		return nil, err
	}
	address, err := l.Address()
	if err != nil {
		return nil, err
	}
	o := &Origin{Address: address, lab: l, name: name}
	o.Process, err = l.start(name+"-"+o.port(), binary, "-name", name, "-listen", address, "-latency", latency.String())
	if err != nil {
		return nil, err
	}
	return o, o.awaitReady(10*time.Second, func() bool {
		_, err := o.Stats()
		return err == nil
	})
}

// port tells origins of one name apart.
func (o *Origin) port() string { return o.Address[strings.LastIndexByte(o.Address, ':')+1:] }

// Fail breaks the origin as the query of its fault endpoint says, such as
// `errors=0.5`; the empty one heals it. The stats are those of that moment.
func (o *Origin) Fail(fault string) (OriginStats, error) {
	return o.ask(http.MethodPost, "/__origin/fault?"+fault)
}

// Stats asks the origin what it saw.
func (o *Origin) Stats() (OriginStats, error) { return o.ask(http.MethodGet, "/__origin/stats") }

// Arrivals are the users' requests that came to an origin, by the tick in which
// they came: 100 ms each, counted since the epoch.
type Arrivals struct {
	First  int64 `json:"first"`
	Counts []int `json:"counts"`
}

// ArrivalTick is the length of a tick of Arrivals.
const ArrivalTick = 100 * time.Millisecond

// TickAt is the tick of a moment.
func TickAt(t time.Time) int64 { return t.UnixNano() / int64(ArrivalTick) }

// At is how many came in a tick.
func (a Arrivals) At(tick int64) int {
	if i := tick - a.First; i >= 0 && i < int64(len(a.Counts)) {
		return a.Counts[i]
	}
	return 0
}

// Arrivals asks the origin what came since a tick.
func (o *Origin) Arrivals(first int64) (a Arrivals, err error) {
	err = o.tell(http.MethodGet, fmt.Sprintf("/__origin/arrivals?first=%d", first), &a)
	return a, err
}

func (o *Origin) ask(method, path string) (s OriginStats, err error) {
	err = o.tell(method, path, &s)
	return s, err
}

// tell sends a request of the proof and decodes the answer.
func (o *Origin) tell(method, path string, into any) error {
	req, err := http.NewRequest(method, "http://"+o.Address+path, nil)
	if err != nil {
		return err
	}
	// A connection that is kept would be reset with the origin.
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("cannot ask origin %s: %w", o.name, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("cannot ask origin %s: %w", o.name, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("origin %s refused %s: %s", o.name, path, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("cannot read the answer of origin %s: %w", o.name, err)
	}
	return nil
}
