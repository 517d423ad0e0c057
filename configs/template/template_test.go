package template

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestFill_EscapesForWhereTheValueStands(t *testing.T) {
	f := func(place Place, template, value, want string) {
		t.Helper()
		got, err := Fill(template, place, map[string]string{"v": value})
		if err != nil || got != want {
			t.Errorf("%q with %q: %q, %v; want %q", template, value, got, err, want)
		}
	}
	f(Text, "In {{v}}!", "staging", "In staging!")
	f(Text, "In {{ v }}", "a\r\nb", "In a  b")
	f(URL, "/tasks/{{v}}/x?e={{v}}", "a/b c?d&e", "/tasks/a%2Fb%20c%3Fd&e/x?e=a%2Fb+c%3Fd%26e")
	f(URL, "/tasks?e={{v}}", "", "/tasks?e=")
	f(Header, "for {{v}}", "a\r\nX-Evil: 1", "for a  X-Evil: 1")
	f(JSON, `{"a": "x{{v}}"}`, "\"\\\r\n</script>", `{"a": "x\"\\\r\n</script>"}`)
	f(JSON, `{"a\"{{v}}": 1}`, "b", `{"a\"b": 1}`)
	f(JSON, `{"a": {{v}}}`, "-1.5", `{"a": -1.5}`)
	f(JSON, `{"a": {"b": "{{v}}"}}`, "c", `{"a": {"b": "c"}}`)
	f(JSON, "", "x", "")
	f(Form, "a={{v}}&b=1", "x&b=2", "a=x%26b%3D2&b=1")
	f(JSON, `{"a": "{{v}}"}`, "\xff", "{\"a\": \"\uFFFD\"}")
}

func TestFill_RefusesWhatWouldNameSomethingElse(t *testing.T) {
	f := func(place Place, template, value string, want error) {
		t.Helper()
		if got, err := Fill(template, place, map[string]string{"v": value}); !errors.Is(err, want) {
			t.Errorf("%q with %q: %q, %v; want %v", template, value, got, err, want)
		}
	}
	f(URL, "/tasks/{{v}}/labels", "", ErrValue)
	f(URL, "/tasks/{{v}}/labels", "..", ErrValue)
	f(URL, "/tasks/{{v}}/labels", "../../admin", ErrValue)
	f(URL, "/tasks/.{{v}}", ".", ErrValue)
	f(URL, "//{{v}}/x", "evil.example.com", ErrForm)
	f(URL, "{{v}}", "evil.example.com", ErrForm)
	f(URL, "/a#{{v}}", "b", ErrForm)
	f(URL, "/a b", "b", ErrForm)
	f(JSON, `{"a": {{v}}}`, "true", ErrValue)
	f(JSON, `{"a": {{v}}}`, `1, "b": 2`, ErrValue)
	f(JSON, `{"a": {{v}}}`, "", ErrValue)
	f(JSON, `{"a": "\{{v}}"}`, "n", ErrForm)
	f(JSON, `{"a": "{{v}}"`, "n", ErrForm)
	f(Text, "{{w}}", "n", ErrField)
	f(Text, "{{v", "n", ErrForm)
	f(Text, "{{v {{v}}", "n", ErrForm)
}

func TestCheck_TriesNumbersAsNumbers(t *testing.T) {
	known := map[string]bool{"n": true, "s": false}
	if err := Check(`{"n": {{n}}, "s": "{{s}}"}`, JSON, known); err != nil {
		t.Error(err)
	}
	if err := Check(`{"s": {{s}}}`, JSON, known); !errors.Is(err, ErrValue) {
		t.Errorf("text without quotes: %v", err)
	}
}

// Whatever a value is, it stays where it was put.
func FuzzFill_StaysInItsPlace(f *testing.F) {
	for _, seed := range []string{"SHOP-12", "..", "a/../b", `"}`, "\\", "\r\n", "%2e%2e", "\xff", "{{v}}", "", "\u2028", "a&b=c#d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		values := map[string]string{"v": value}
		if s, err := Fill("/a/{{v}}/b?c={{v}}&d=1", URL, values); err == nil {
			u, err := url.Parse("https://tracker.example.com" + s)
			if err != nil || u.Host != "tracker.example.com" || strings.Count(u.EscapedPath(), "/") != 3 || len(u.Query()) != 2 || u.Fragment != "" {
				t.Errorf("%q becomes %q: %v", value, s, err)
			}
			if clean := u.JoinPath(); clean.EscapedPath() != u.EscapedPath() {
				t.Errorf("%q leaves its segment: %q", value, s)
			}
		}
		s, err := Fill(`{"a": "x{{v}}y", "b": 1}`, JSON, values)
		var got map[string]any
		if err != nil || json.Unmarshal([]byte(s), &got) != nil || len(got) != 2 || got["a"] != "x"+strings.ToValidUTF8(value, "\uFFFD")+"y" {
			t.Errorf("%q becomes %q: %v", value, s, err)
		}
		if s, err := Fill("{{v}}", Header, values); err != nil || strings.ContainsAny(s, "\r\n\x00") {
			t.Errorf("%q becomes header %q: %v", value, s, err)
		}
		s, err = Fill("a={{v}}&b=1", Form, values)
		if form, bad := url.ParseQuery(s); err != nil || bad != nil || len(form) != 2 || form.Get("a") != strings.ToValidUTF8(value, "\uFFFD") {
			t.Errorf("%q becomes form %q", value, s)
		}
	})
}
