package configs

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"pgregory.net/rapid"

	"github.com/weirproxy/weir/analysis"
)

// encodeDocument encodes what d holds, or returns nil for a Node.
func encodeDocument(d *Document) ([]byte, error) {
	switch d.Kind() {
	case KindService:
		return Encode(*d.Service)
	case KindRollout:
		return Encode(*d.Rollout)
	case KindNotifier:
		return Encode(*d.Notifier)
	case KindFreeze:
		return Encode(*d.Freeze)
	}
	return nil, nil
}

func TestEncode_RoundTripsTheContract(t *testing.T) {
	for name, data := range readFiles(t, "testdata/contract/*.yaml") {
		documents, err := Decode(name, data)
		if err != nil {
			t.Fatal(err)
		}
		for i := range documents {
			d := &documents[i]
			encoded, err := encodeDocument(d)
			if err != nil {
				t.Fatal(err)
			}
			if encoded != nil {
				checkReadsBack(t, d, encoded)
			}
		}
	}
}

func checkReadsBack(t interface{ Errorf(string, ...any) }, d *Document, encoded []byte) {
	back, err := DecodeOne("encoded", d.Kind(), encoded)
	if err != nil {
		t.Errorf("%s does not decode: %v", encoded, err)
		return
	}
	again, err := encodeDocument(&back)
	if err != nil || !bytes.Equal(again, encoded) {
		t.Errorf("encoded again it is\n%s\nnot\n%s (%v)", again, encoded, err)
	}
	switch d.Kind() {
	case KindService:
		stored, err := DecodeStoredService(encoded)
		if err != nil || !reflect.DeepEqual(stored, back.Service) {
			t.Errorf("read from the store it is %+v, not %+v (%v)", stored, back.Service, err)
		}
	case KindRollout:
		stored, err := DecodeStoredRollout(encoded)
		if err != nil || !reflect.DeepEqual(stored, back.Rollout) {
			t.Errorf("read from the store it is %+v, not %+v (%v)", stored, back.Rollout, err)
		}
	}
}

func TestEncode_IsCanonical(t *testing.T) {
	encoded, err := Encode(*decodeRollout(t, `kind: Rollout
service: shop
to: green
strategy: canary
stages: [{weight: 5.00%, duration: 300s, checks: [p99_latency < 0.2s]}]
`))
	want := `{"kind":"Rollout","service":"shop","to":"green","strategy":"canary","stages":[{"weight":"5%","duration":"5m","checks":["latency_p99 < 200ms"]}]}`
	if err != nil || string(encoded) != want {
		t.Errorf("got %s (%v), want %s", encoded, err, want)
	}
}

func TestDecodeStored_IgnoresWhatANewerVersionWrote(t *testing.T) {
	s, err := DecodeStoredService([]byte(`{"kind":"Service","name":"shop","colour":"red","health":{"path":"/","grpc":true},"stable":"x"}`))
	if err != nil || s.Name != "shop" || s.Health.Path != "/" || s.Stable != "x" {
		t.Errorf("got %+v (%v)", s, err)
	}
}

func TestDecodeStored_RefusesWhatItCannotRead(t *testing.T) {
	f := func(data, want string) {
		t.Helper()
		if s, err := DecodeStoredService([]byte(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.100q: got %+v (%v), want %q", data, s, err, want)
		}
	}
	f("", "cannot decode stored Service")
	f("[]", "cannot decode stored Service")
	f(`{"kind":"Rollout"}`, `its kind is "Rollout"`)
	f(`{"timeout":15}`, "cannot decode stored Service")
	f(`{"weights":{"blue":"200%"}}`, "at most 100%")
	f(`{"name":"`+strings.Repeat("a", 1<<20)+`"}`, "more than 1048576")
}

func names() *rapid.Generator[string] {
	return rapid.StringMatching(`[a-z]([a-z0-9-]{0,8}[a-z0-9])?`)
}

// drawService draws a valid service whose strings are awkward for YAML.
func drawService(t *rapid.T) Service {
	awkward := rapid.SampledFrom([]string{"true", "null", "1.10", "0x1F", "~", "- a", "a: b", "# c", "'q'", `"`, "1_000", "é😀", "{}", "[a", "*x", "&x", "!t", "%y", "@", "a,b", "12:30", "<<", "\\n"})
	s := Service{Name: names().Draw(t, "name"), Versions: map[string]Version{}, Routes: []Route{{Path: "/"}}}
	for i, name := range rapid.SliceOfNDistinct(names(), 2, 5, rapid.ID).Draw(t, "versions") {
		address := rapid.SampledFrom([]string{"127.0.0.1", "[::1]", "a.example.com", "localhost"}).Draw(t, "host")
		s.Versions[name] = Version{Endpoints: []string{address + ":" + string(rune('1'+i))}, Revision: awkward.Draw(t, "revision")}
		s.Stable = name
	}
	s.Weights = map[string]Weight{s.Stable: Whole}
	for name := range s.Versions {
		if name != s.Stable {
			w := min(Weight(rapid.IntRange(0, 3000).Draw(t, "weight")), s.Weights[s.Stable])
			s.Weights[name] = w
			s.Weights[s.Stable] -= w
		}
	}
	s.Routes[0].Headers = map[string]string{"X-A": awkward.Draw(t, "header")}
	s.Timeout = Duration(rapid.Int64Range(1e6, 3600e9).Draw(t, "timeout"))
	if rapid.Bool().Draw(t, "guarded") {
		c, err := analysis.ParseCondition("latency_p99.9 > 1.5s")
		if err != nil {
			t.Fatal(err)
		}
		s.Guard = &Guard{Triggers: []Trigger{{Condition: c, Action: "notify"}}}
	}
	return s
}

func TestDecode_ReadsBackAnyServiceFromJSONAndYAML(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawService(t)
		encoded, err := Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		spellings := map[string][]byte{"JSON": encoded}
		if spellings["YAML"], err = yaml.Marshal(s); err != nil {
			t.Fatal(err)
		}
		if spellings["YAML of JSON"], err = yaml.JSONToYAML(encoded); err != nil {
			t.Fatal(err)
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, encoded, "", "\t"); err != nil {
			t.Fatal(err)
		}
		spellings["indented JSON"] = indented.Bytes()
		for spelling, data := range spellings {
			back, err := DecodeOne("drawn", KindService, data)
			if err != nil {
				t.Fatalf("%s: %v\n%s", spelling, err, data)
			}
			if !reflect.DeepEqual(*back.Service, s) {
				t.Fatalf("%s: got %+v, want %+v\n%s", spelling, *back.Service, s, data)
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, pattern := range []string{"testdata/contract/*.yaml", "testdata/bad/*.yaml", "testdata/bad/*.json"} {
		for _, data := range readFiles(f, pattern) {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		documents, err := Decode("fuzz", data)
		if err != nil {
			problems, ok := err.(Problems)
			if !ok || len(problems) == 0 || len(documents) != 0 {
				t.Fatalf("got %d documents and %T %v", len(documents), err, err)
			}
			return
		}
		for i := range documents {
			d := &documents[i]
			Unbuilt(d)
			encoded, err := encodeDocument(d)
			if err != nil {
				t.Fatal(err)
			}
			if encoded != nil {
				checkReadsBack(t, d, encoded)
			}
			if d.Rollout != nil {
				if err := d.Rollout.Policy(Service{}).Validate(); err != nil {
					t.Errorf("a valid plan has an invalid policy: %v", err)
				}
			}
		}
	})
}

func FuzzDecodeStored(f *testing.F) {
	f.Add([]byte(`{"kind":"Service","name":"shop","versions":{"blue":{"endpoints":["127.0.0.1:1"]}},"weights":{"blue":"100%"},"timeout":"15s"}`))
	f.Add([]byte(`{"kind":"Rollout","stages":[{"weight":"5%","checks":["error_rate < 1%"]}]}`))
	f.Add([]byte(`{"routes":null,"guard":{"triggers":[{"condition":"x"}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := DecodeStoredService(data); err == nil {
			s.SetDefaults()
			s.Validate()
			s.GuardPolicy()
		}
		if p, err := DecodeStoredRollout(data); err == nil {
			p.SetDefaults()
			p.Validate()
			p.Policy(Service{})
			p.ValidateAgainst(&Service{})
		}
	})
}
