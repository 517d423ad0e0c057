package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/configs/reference"
)

// What `weir check` accepts must not be red in an editor.
func TestSchema_TakesWhatDecodeTakes(t *testing.T) {
	schema := compiled(t)
	taken := 0
	for _, pattern := range []string{"samples.yaml", "../../examples/*.yaml", "../../examples/*/*.yaml", "../../testdata/contract/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := configs.Decode(name, data); err != nil {
				continue // it is no document of weir, or another test says so
			}
			decoder := yaml.NewDecoder(bytes.NewReader(data), yaml.AllowDuplicateMapKey())
			for {
				var document map[string]any
				if decoder.Decode(&document) != nil {
					break
				}
				if len(document) == 0 {
					continue
				}
				taken++
				if err := schema.Validate(mended(document)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
	if taken < 30 {
		t.Errorf("only %d documents were looked at", taken)
	}
}

func TestSchema_RefusesWhatIsNoField(t *testing.T) {
	f := func(text string) {
		t.Helper()
		var document map[string]any
		if err := yaml.Unmarshal([]byte(text), &document); err != nil {
			t.Fatal(err)
		}
		if compiled(t).Validate(document) == nil {
			t.Errorf("taken:\n%s", text)
		}
	}
	f("kind: Pod\nname: shop\n")
	f("kind: Freeze\nname: x\nuntill: y\n")
	f("kind: Service\nname: shop\nroutes: []\nversions: {}\nstable: blue\ntimeout: soon\n")
	f("kind: Service\nname: shop\nroutes: []\nversions: {}\nstable: blue\nprotocol: http3\n")
	f("kind: Rollout\nservice: shop\nto: green\nstrategy: canary\nstages: [{weight: 5}]\n")
	f("kind: Rollout\nservice: shop\nto: green\n")
}

// mended puts together what the scanner takes apart: within {…} it reads an item
// 127.0.0.1:80 of a list as a mapping.
func mended(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			v[key] = mended(value)
		}
	case []any:
		for i, item := range v {
			if pair, ok := item.(map[string]any); ok && len(pair) == 1 {
				for host, port := range pair {
					if number, ok := port.(uint64); ok {
						v[i] = fmt.Sprintf("%s:%d", host, number)
					}
				}
			}
			v[i] = mended(v[i])
		}
	}
	return v
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(reference.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
