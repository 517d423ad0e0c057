package ofrep

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/weirproxy/weir/proxy/route"
)

// appendResult appends a successful evaluation. Names of flags and variants need
// no escapes: they are letters, digits, dots, dashes and underscores.
func appendResult(dst []byte, f *route.Flag, e route.Evaluation) []byte {
	v := &f.Variants[e.Variant]
	dst = append(append(dst, `{"key":"`...), f.Name...)
	dst = append(append(dst, `","reason":"`...), e.Reason.String()...)
	dst = append(append(dst, `","variant":"`...), v.Name...)
	dst = append(append(dst, `","value":`...), v.Value...)
	return append(dst, '}')
}

func appendFailure(dst []byte, flag, code, details string) []byte {
	failure := struct {
		Key     string `json:"key,omitempty"`
		Code    string `json:"errorCode"`
		Details string `json:"errorDetails"`
	}{clip(flag), code, details}
	data, err := json.Marshal(failure)
	if err != nil {
		panic("BUG: ofrep: cannot encode a failure: " + err.Error())
	}
	return append(dst, data...)
}

// clip bounds what is repeated of a client's words.
func clip(s string) string { return s[:min(len(s), 128)] }

func fail(w http.ResponseWriter, status int, flag, code, details string) {
	write(w, status, appendFailure(nil, flag, code, details))
}

func write(w http.ResponseWriter, status int, body []byte) {
	head := w.Header()
	head.Set("Content-Type", "application/json")
	head.Set("Cache-Control", "no-store")
	head.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client went away if this fails
}
