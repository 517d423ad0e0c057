package hook

import (
	"encoding/json"
	"net/http"
	"testing"
	"unicode/utf8"

	"github.com/weirproxy/weir/control/call"
	"github.com/weirproxy/weir/control/rollout"
)

// FuzzRead feeds the reader of answers with what a hostile or broken hook may
// say: what says hold is never taken for go, and what is shown is harmless.
func FuzzRead(f *testing.F) {
	f.Add(200, []byte(`{"hold": true, "reason": "3 of 10"}`), "7")
	f.Add(409, []byte("\x1b[2J"), "-1")
	f.Add(200, []byte(`{"hold": tr`), "99999999999999999999")
	f.Add(500, []byte(`{"reason": "`+string(make([]byte, 400))+`"}`), "")
	f.Fuzz(func(t *testing.T, status int, body []byte, retryAfter string) {
		r := read(call.Answer{Status: status, Header: http.Header{"Retry-After": {retryAfter}}, Body: body})
		var said map[string]any
		if json.Unmarshal(body, &said) == nil && said["hold"] == true && r.Answer == rollout.HookGo {
			t.Fatalf("%d %q was taken for go", status, body)
		}
		if status/100 != 2 && r.Answer == rollout.HookGo {
			t.Fatalf("status %d was taken for go", status)
		}
		if r.After < 0 || r.After > maxAfter || !utf8.ValidString(r.Text) || len(r.Text) > maxReason+utf8.UTFMax+len("…") {
			t.Fatalf("%+v", r)
		}
		for _, c := range r.Text {
			if c < ' ' || c == 0x7f {
				t.Fatalf("%q is not printable", r.Text)
			}
		}
	})
}
