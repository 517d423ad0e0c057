package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/analysis/replay"
)

// timeline writes the verdicts of a replay as they come.
type timeline struct {
	w      io.Writer
	output string // table, json or yaml
	to     string
	err    error // the first
}

func (t *timeline) change(v replay.Verdict) {
	switch t.output {
	case "json":
		var line bytes.Buffer
		e := json.NewEncoder(&line)
		e.SetEscapeHTML(false) // conditions hold < and >
		err := e.Encode(v)
		t.write(line.Bytes(), err)
	case "yaml":
		data, err := json.Marshal(v)
		if err == nil {
			data, err = yaml.JSONToYAML(data)
		}
		t.write(append([]byte("---\n"), data...), err)
	default:
		t.write(fmt.Appendf(nil, "%8s  %-12s  %s\n", span(seconds(v.T)), v.Verdict, v.Text), nil)
	}
}

// end writes how it ended: for a script as one more verdict.
func (t *timeline) end(v replay.Verdict) {
	if t.output != "table" {
		t.change(v)
		return
	}
	t.write([]byte("\n"+ending(v, t.to)+"\n"), nil)
}

// ending says in words how the counts end.
func ending(v replay.Verdict, to string) string {
	at, seen := " at the end of the data, "+span(seconds(v.T)), ""
	if v.Verdict == analysis.Fail {
		at, seen = " at "+span(seconds(v.T)), " up to there"
	}
	by := ""
	if v.Rule != "" {
		by = " by " + v.Rule
	}
	evidence := "evidence " + analysis.Figures(v.Evidence)
	if v.Threshold > 0 {
		evidence += " of " + analysis.Figures(v.Threshold)
	}
	return fmt.Sprintf("%s%s%s%s.\n%s requests of %s and %s of stable%s; %s.", strings.ToUpper(string(v.Verdict)), at, by, pathText(v.Path),
		count(v.CandidateRequests), to, count(v.StableRequests), seen, evidence)
}

func (t *timeline) write(data []byte, err error) {
	if err == nil {
		_, err = t.w.Write(data)
	}
	if t.err == nil {
		t.err = err
	}
}
