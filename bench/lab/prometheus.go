package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// Prometheus is a real one in a process of its own.
type Prometheus struct {
	*Process
	URL string
}

// Prometheus starts one with a configuration. The program must be installed.
func (l *Lab) Prometheus(config string) (*Prometheus, error) {
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		return nil, errors.New("prometheus is not installed; on Debian: apt-get install prometheus")
	}
	address, err := l.Address()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(l.Dir, "prometheus.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	p := &Prometheus{URL: "http://" + address}
	p.Process, err = l.start("prometheus", binary, "--config.file="+file, "--log.level=warn",
		"--storage.tsdb.path="+filepath.Join(l.Dir, "prometheus"), "--web.listen-address="+address)
	if err != nil {
		return nil, err
	}
	return p, p.awaitReady(30*time.Second, func() bool {
		resp, err := http.Get(p.URL + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// Series is one of an answer, with its values in the order of time.
type Series struct {
	Labels map[string]string
	Values []float64
}

// Query asks for an expression as it is now.
func (p *Prometheus) Query(expr string) ([]Series, error) {
	return p.ask("/api/v1/query", url.Values{"query": {expr}})
}

// Since asks for an expression over the last while.
func (p *Prometheus) Since(expr string, while, step time.Duration) ([]Series, error) {
	now := time.Now()
	unix := func(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }
	return p.ask("/api/v1/query_range", url.Values{
		"query": {expr}, "start": {unix(now.Add(-while))}, "end": {unix(now)}, "step": {unix(time.UnixMilli(step.Milliseconds()))},
	})
}

func (p *Prometheus) ask(path string, query url.Values) ([]Series, error) {
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  sample
			Values []sample
		}
	}
	if err := p.get(path+"?"+query.Encode(), &data); err != nil {
		return nil, fmt.Errorf("%s: %w", query.Get("query"), err)
	}
	var all []Series
	for _, r := range data.Result {
		s := Series{Labels: r.Metric}
		if r.Values == nil {
			r.Values = []sample{r.Value}
		}
		for _, v := range r.Values {
			s.Values = append(s.Values, float64(v))
		}
		all = append(all, s)
	}
	return all, nil
}

// sample is a moment and a value, which is a string, as in "NaN".
type sample float64

func (s *sample) UnmarshalJSON(text []byte) error {
	var at float64
	var value string
	if err := json.Unmarshal(text, &[]any{&at, &value}); err != nil {
		return err
	}
	v, err := strconv.ParseFloat(value, 64)
	*s = sample(v)
	return err
}

// LabelValues are the values that a label has in series.
func (p *Prometheus) LabelValues(label, match string) (values []string, err error) {
	err = p.get("/api/v1/label/"+label+"/values?"+url.Values{"match[]": {match}}.Encode(), &values)
	return values, err
}

// Rule is how a rule fares.
type Rule struct {
	Name      string
	Type      string // alerting or recording
	Health    string // ok, err or unknown
	LastError string
	State     string // of an alert: inactive, pending or firing
	Alerts    []struct {
		State               string
		Labels, Annotations map[string]string
	}
}

// Rules are all that it evaluates.
func (p *Prometheus) Rules() ([]Rule, error) {
	var data struct {
		Groups []struct{ Rules []Rule }
	}
	if err := p.get("/api/v1/rules", &data); err != nil {
		return nil, err
	}
	var all []Rule
	for _, g := range data.Groups {
		all = append(all, g.Rules...)
	}
	return all, nil
}

// get reads the data of an answer.
func (p *Prometheus) get(path string, into any) error {
	client := http.Client{Timeout: 15 * time.Second}
	resp, err := client.Get(p.URL + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("prometheus answered %s %.200s", resp.Status, body)
	}
	if answer.Status != "success" {
		return fmt.Errorf("prometheus refused it: %s", answer.Error)
	}
	return json.Unmarshal(answer.Data, into)
}
