package configs

import (
	"bytes"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write what the tests got over their golden files")

func readFiles(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no files match %s (%v)", pattern, err)
	}
	files := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	return files
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	if *rewrite {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatalf("%v; run with -rewrite to create it", err)
	}
	if got != string(want) {
		t.Errorf("%s:\ngot:\n%s\nwant:\n%s", name, got, want)
	}
}

func TestDecode_EveryBadDocumentNamesPlaceFieldAndRemedy(t *testing.T) {
	files := readFiles(t, "testdata/bad/*.yaml")
	maps.Copy(files, readFiles(t, "testdata/bad/*.json"))
	if len(files) < 40 {
		t.Errorf("%d bad documents, want at least 40", len(files))
	}
	for name, data := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			documents, err := Decode(filepath.Base(name), data)
			if err == nil {
				t.Fatalf("accepted, with %d documents", len(documents))
			}
			problems, ok := err.(Problems)
			if !ok {
				t.Fatalf("the error is a %T, want Problems", err)
			}
			for _, p := range problems {
				if p.Line < 1 || p.Column < 1 || p.Text == "" {
					t.Errorf("no place or no text: %+v", p)
				}
			}
			compareGolden(t, name+".golden", err.Error()+"\n")
		})
	}
}

func TestDecode_AcceptsContractAndExamples(t *testing.T) {
	patterns := []string{"testdata/contract/*.yaml", "examples/*.yaml", "examples/*/*.yaml", "examples/*/*/*.yaml"}
	for _, pattern := range patterns {
		for name, data := range readFiles(t, pattern) {
			if _, err := Decode(name, data); err != nil {
				t.Errorf("%v", err)
			}
		}
	}
}

// The contract may stand beside the checkout. The copies here must be the same.
func TestContract_CopiesAreCurrent(t *testing.T) {
	originals, err := filepath.Glob("../../shared/contract/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, original := range originals {
		want, err := os.ReadFile(original)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("testdata", "contract", filepath.Base(original)))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("testdata/contract/%s is not the contract's (%v)", filepath.Base(original), err)
		}
	}
}

func decodeService(t *testing.T, text string) *Service {
	t.Helper()
	document, err := DecodeOne("test.yaml", KindService, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return document.Service
}

func decodeRollout(t *testing.T, text string) *Rollout {
	t.Helper()
	document, err := DecodeOne("test.yaml", KindRollout, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return document.Rollout
}

const shop = `kind: Service
name: shop
routes: [{path: /}]
versions:
  blue: {endpoints: [127.0.0.1:9001]}
  green: {endpoints: [127.0.0.1:9002]}
stable: blue
`

func TestDecode_FindsEveryDocumentOfAFile(t *testing.T) {
	f := func(text string, names ...string) {
		t.Helper()
		documents, err := Decode("test.yaml", []byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		var got []string
		for _, d := range documents {
			got = append(got, d.Name())
		}
		if strings.Join(got, " ") != strings.Join(names, " ") {
			t.Errorf("%q: got %q, want %q", text, got, names)
		}
	}
	second := strings.Replace(shop, "name: shop", "name: second", 1)
	f(shop, "shop")
	f("---\n"+shop, "shop")
	f("\ufeff"+shop, "shop")
	f(strings.ReplaceAll(shop, "\n", "\r\n"), "shop")
	f(shop+"---\n"+second, "shop", "second")
	f(shop+"...\n---\n# nothing here\n---\n---\n"+second+"---\n", "shop", "second")
	f("--- # a comment\n"+shop+"--- \n"+second, "shop", "second")
	f("--- {kind: Freeze, name: a, schedule: {days: [fri], from: '12:00', to: '13:00'}}\n---\n"+shop, "a", "shop")
}

func TestDecode_PlacesAreThoseOfTheFile(t *testing.T) {
	f := func(text string, line, column int, path string) {
		t.Helper()
		_, err := Decode("f", []byte(text))
		problems, ok := err.(Problems)
		if !ok || len(problems) != 1 {
			t.Errorf("%q: got %v, want one problem", text, err)
			return
		}
		if p := problems[0]; p.File != "f" || p.Line != line || p.Column != column || p.Path != path {
			t.Errorf("%q: got %s:%d:%d %s, want %d:%d %s", text, p.File, p.Line, p.Column, p.Path, line, column, path)
		}
	}
	f(shop+"---\n\n\n"+shop, 12, 7, "name")
	f(shop+"weights: {blue: 5%}\n", 8, 10, "weights")
	f(shop+"weights:\n  # a comment\n  blue: 5%\n", 8, 1, "weights")
	f(shop+"weights:\n  blue: 5\n", 9, 9, "weights.blue")
	f("---\n"+shop+"health:\n  path: /\n  interval: 5m\n  timeout: 6m\n", 12, 12, "health.timeout")
	f(strings.Replace(shop, "127.0.0.1:9002", "127.0.0.1:9002, nope:x", 1), 6, 39, "versions.green.endpoints[1]")
}

func TestDecode_JSONIsRead(t *testing.T) {
	s := decodeService(t, "{\n\t\"kind\": \"Service\", \"name\": \"a\\u002db\",\n\t\"health\": null, \"shield\": true, \"max_body\": 10,"+
		"\"routes\": [{}], \"versions\": {\"v1\": {\"endpoints\": [\"[::1]:80\"], \"revision\": \"\\ud83d\\ude00\"}}, \"stable\": \"v1\"}")
	if s.Name != "a-b" || s.Health != nil || !s.Shield || s.MaxBody != 10 || s.Versions["v1"].Revision != "😀" || s.Versions["v1"].Endpoints[0] != "[::1]:80" {
		t.Errorf("got %+v", s)
	}
}

func TestDecode_AnchorsAliasesAndMergesAreResolved(t *testing.T) {
	s := decodeService(t, strings.Replace(shop, "stable: blue", `stable: &stable blue
weights: {*stable : 100%}
health: &health {path: /healthz, interval: 3s}
guard:
  triggers:
    - &trigger {condition: error_rate > 1%, duration: 5m}
    - {<<: *trigger, condition: error_rate > 2%}
`, 1))
	if s.Weights["blue"] != Whole {
		t.Errorf("weights %v", s.Weights)
	}
	got := s.Guard.Triggers[1]
	if got.Condition.String() != "error_rate > 2%" || got.Duration != s.Guard.Triggers[0].Duration || got.Duration == 0 {
		t.Errorf("merged trigger %+v", got)
	}
}

func TestDecode_PlainTextKeepsItsColonWithinFlowMappings(t *testing.T) {
	s := decodeService(t, `{kind: Service, name: shop, routes: [{path: /}], stable: blue,
  versions: {blue: {endpoints: [localhost:80, "127.0.0.1:81", a.example.com:82, 127.0.0.1:83 ]}}}`)
	if got := strings.Join(s.Versions["blue"].Endpoints, " "); got != "localhost:80 127.0.0.1:81 a.example.com:82 127.0.0.1:83" {
		t.Errorf("endpoints %s", got)
	}
}

func TestDecode_BoundsHold(t *testing.T) {
	f := func(what, text, want string) {
		t.Helper()
		if _, err := Decode("", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			if err != nil && len(err.Error()) > 300 {
				t.Errorf("%s: a long error that begins %q", what, err.Error()[:300])
				return
			}
			t.Errorf("%s: got %v, want %q", what, err, want)
		}
	}
	f("input", strings.Repeat(" ", 1<<20)+"a", "too long")
	f("tokens", strings.Repeat("a: b\n", 10_000), "too long")
	for _, open := range []string{"[", "{a: ", "- ", "? ", "!!a ", "&a "} {
		f(open, strings.Repeat(open, 20_000), "nested")
	}
	f("indentation", func() string {
		var b strings.Builder
		for i := range 500 {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}
		return b.String()
	}(), "too large")
	f("json", `{"a":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+"}", "nested")
	f("problems", "kind: Service\n"+func() string {
		var b strings.Builder
		for i := range 300 {
			b.WriteString("field" + strings.Repeat("x", i) + ": 1\n")
		}
		return b.String()
	}(), "more problems are not shown")
}
