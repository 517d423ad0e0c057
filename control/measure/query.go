package measure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/weirproxy/weir/control/call"
)

// maxResult bounds the answer to a query that should give one number.
const maxResult = 256 << 10

// maxComplaint is how much of Prometheus' own error is shown.
const maxComplaint = 200

// Query asks a server with Prometheus' HTTP API for one number. Token, if it is
// not empty, is sent as a bearer token. That there is no data, or more than one
// series, is an error.
func Query(ctx context.Context, client *call.Client, server, query, token string) (float64, error) {
	header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	if token != "" {
		header.Set("Authorization", "Bearer "+token)
	}
	a, err := client.Do(ctx, call.Request{
		Method: http.MethodPost, URL: strings.TrimSuffix(server, "/") + "/api/v1/query", Header: header,
		Body: []byte(url.Values{"query": {query}}.Encode()), MaxAnswer: maxResult,
	})
	if err != nil {
		return 0, fmt.Errorf("Prometheus gave %w", err)
	}
	if a.Truncated {
		return 0, fmt.Errorf("Prometheus answered with more than %d bytes; aggregate the query to one series", maxResult)
	}
	v, err := parseResult(a.Body)
	if err != nil && a.Status != http.StatusOK {
		return 0, fmt.Errorf("Prometheus answered %d: %w", a.Status, err)
	}
	return v, err
}

// result is an answer of /api/v1/query.
// Source: https://prometheus.io/docs/prometheus/latest/querying/api/
type result struct {
	Status string `json:"status"`
	Error  string `json:"error"`
	Data   struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	} `json:"data"`
}

func parseResult(body []byte) (float64, error) {
	var r result
	if err := json.Unmarshal(body, &r); err != nil {
		return 0, errors.New("the answer is not Prometheus'")
	}
	if r.Status != "success" {
		return 0, fmt.Errorf("it refused the query: %s", strings.ToValidUTF8(r.Error[:min(len(r.Error), maxComplaint)], ""))
	}
	sample := r.Data.Result
	switch r.Data.Type {
	case "scalar":
	case "vector":
		var series []struct {
			Value json.RawMessage `json:"value"`
		}
		if err := json.Unmarshal(sample, &series); err != nil {
			return 0, errors.New("the answer is not Prometheus'")
		}
		switch len(series) {
		case 0:
			return 0, errors.New("the query has no data")
		case 1:
			sample = series[0].Value
		default:
			return 0, fmt.Errorf("the query gives %d series; aggregate it to one", len(series))
		}
	default:
		return 0, fmt.Errorf("the query gives a %s, not one number", strings.ToValidUTF8(r.Data.Type[:min(len(r.Data.Type), 20)], ""))
	}
	return parseSample(sample)
}

// parseSample reads [time, "number"].
func parseSample(raw []byte) (float64, error) {
	var pair []json.RawMessage
	if err := json.Unmarshal(raw, &pair); err != nil || len(pair) != 2 {
		return 0, errors.New("the answer is not Prometheus'")
	}
	var text string
	if err := json.Unmarshal(pair[1], &text); err != nil {
		return 0, errors.New("the answer is not Prometheus'")
	}
	v, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil:
		return 0, errors.New("the answer is not Prometheus'")
	case math.IsNaN(v) || math.IsInf(v, 0):
		return 0, fmt.Errorf("the query gives %s, which is no number", text)
	}
	return v, nil
}
