package api

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/weirproxy/weir/configs"
)

// FuzzDecodeWeights holds that what is taken means to encoding/json, which knows
// no duplicates and no trailing text, exactly the same.
func FuzzDecodeWeights(f *testing.F) {
	for _, seed := range []string{
		`{"blue":"90%","green":"10%"}`, `{}`, `{"a":"0.25%"}`, `{"a":"100%","a":"0%"}`, `{"a":1}`, `{"a":null}`,
		`{"a":"1%"}x`, `{"a":"1%"`, `["a"]`, `{"a":["1%"]}`, `{"\u0061":"1%","a":"2%"}`, ``, `null`, `{"a":"1e2%"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeWeights(data)
		if err != nil {
			return
		}
		var texts map[string]string
		if err := json.Unmarshal(data, &texts); err != nil {
			t.Fatalf("taken, but not JSON: %v: %q", err, data)
		}
		if len(texts) != len(got) {
			t.Fatalf("%q means %v, and was read as %v", data, texts, got)
		}
		for name, w := range got {
			if w < 0 || w > configs.Whole {
				t.Fatalf("%q has the weight %d", data, w)
			}
			var want configs.Weight
			if err := want.UnmarshalText([]byte(texts[name])); err != nil || want != w {
				t.Fatalf("%q means %q, and was read as %s", data, texts[name], w)
			}
		}
	})
}

// FuzzIfMatch holds that only the tag of a revision, as etag writes it, matches.
func FuzzIfMatch(f *testing.F) {
	for _, seed := range []string{`"42"`, `42`, `*`, `W/"42"`, `"042"`, `"+42"`, `""`, `"42`, `"-1"`, `"0"`, `"9223372036854775808"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		revision, err := Conditions{IfMatch: header}.revision(7)
		switch {
		case err != nil:
		case revision == anyRevision:
			if header != "" && header != "*" {
				t.Fatalf("%q is no condition", header)
			}
		case etag(revision) != header:
			t.Fatalf("%q was read as %s", header, strconv.FormatInt(revision, 10))
		}
	})
}

func FuzzParseTokens(f *testing.F) {
	f.Add([]byte("tokens: [{name: a, role: viewer, token: secret-0123456789}]"))
	f.Add([]byte("tokens:\n- {name: a, role: admin, token_sha256: " + "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff" + "}\n"))
	f.Add([]byte("tokens: *a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := parseTokens(data)
		if (err == nil) != (len(list) > 0) {
			t.Fatalf("%d tokens with %v", len(list), err)
		}
		for _, one := range list {
			if one.name == "" || one.role < Viewer || one.role > Admin {
				t.Fatalf("taken: %q with role %d", one.name, one.role)
			}
		}
	})
}

// FuzzOwnPath holds that a login leads nowhere else, as browsers read addresses:
// they take a backslash for a slash, and drop tabs and line breaks.
func FuzzOwnPath(f *testing.F) {
	for _, seed := range []string{"/", "/rollouts/a?b=c", "//evil.example", "/\\evil.example", "/\t/evil.example", "https:/evil.example", "/login", "/%2e%2e//x", "/a#b", "/./"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		got := ownPath(path)
		read := strings.NewReplacer("\\", "/", "\t", "", "\r", "", "\n", "").Replace(got)
		if !strings.HasPrefix(got, "/") || strings.HasPrefix(read, "//") {
			t.Fatalf("%q leads to %q", path, got)
		}
		for i := range len(got) {
			if got[i] <= ' ' || got[i] == 0x7f {
				t.Fatalf("%q leads to %q", path, got)
			}
		}
	})
}
