package configs

import (
	"strings"
	"testing"
)

func flagOf(t *testing.T, text string) *Flag {
	t.Helper()
	document, err := DecodeOne("flag.yaml", KindFlag, []byte(text))
	if err != nil {
		t.Fatalf("cannot decode: %v", err)
	}
	document.Flag.SetDefaults()
	return document.Flag
}

func TestFlag_ValuesKeepTheirTypes(t *testing.T) {
	f := func(written, kind, json string) {
		t.Helper()
		flag := flagOf(t, "name: theme\nvariants: {a: "+written+"}\ndefault: a\n")
		if got := flag.Variants["a"]; string(got) != json || flag.Type != kind {
			t.Errorf("%s is read as %s of type %s, want %s of type %s", written, got, flag.Type, json, kind)
		}
	}
	f("true", FlagBoolean, "true")
	f(`"true"`, FlagString, `"true"`)
	f("dark", FlagString, `"dark"`)
	f("12.50", FlagNumber, "12.50")
	f("-3", FlagNumber, "-3")
	f(`"12"`, FlagString, `"12"`)
	f("0x1f", FlagString, `"0x1f"`)
	f(`{color: red, sizes: [1, 2.5, "3"], deep: {on: yes, off: null}}`, FlagObject, `{"color":"red","sizes":[1,2.5,"3"],"deep":{"on":"yes","off":null}}`)
}

func TestFlag_OfNothingButANameIsOffAndOn(t *testing.T) {
	flag := flagOf(t, "name: new-checkout\n")
	if flag.Default != "off" || flag.Type != FlagBoolean || string(flag.Variants["on"]) != "true" || string(flag.Variants["off"]) != "false" {
		t.Errorf("defaults are %+v", flag)
	}
}

func TestFlag_IsStoredAndReadBackAsItIs(t *testing.T) {
	flag := flagOf(t, `
name: theme
variants: {dark: {bg: "<#000>"}, light: {bg: "#fff", n: 1}}
default: light
split: {dark: 12.5%, light: 87.5%}
key: {cookie: uid}
rules:
  - {name: staff, when: [{header: X-Staff}], variant: dark, share: 50%, until: "2030-01-01T00:00:00Z"}
services: [shop]
record: true
`)
	stored, err := Encode(*flag)
	if err != nil {
		t.Fatal(err)
	}
	back, err := DecodeStoredFlag(stored)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Encode(*back)
	if err != nil || string(again) != string(stored) || !strings.HasPrefix(string(stored), `{"kind":"Flag","name":"theme"`) {
		t.Errorf("stored %s\nread back %s (%v)", stored, again, err)
	}
	strict, err := DecodeOne("stored", KindFlag, stored)
	if err != nil || string(strict.Flag.Variants["dark"]) != `{"bg":"<#000>"}` {
		t.Errorf("what is stored cannot be applied again: %v", err)
	}
}

func TestRollout_OfAFlagIsOfItsService(t *testing.T) {
	document, err := DecodeOne("r.yaml", KindRollout, []byte("flag: new-checkout\nstrategy: flag\nto: on\nstages: [{weight: 10%, duration: 5m}, {weight: 100%}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if flag, ok := FlagOf(document.Rollout.Service); !ok || flag != "new-checkout" {
		t.Errorf("the rollout is of service %q", document.Rollout.Service)
	}
	if got := flagOf(t, "name: new-checkout\n").Service(); len(document.Rollout.ValidateAgainst(&got)) > 0 {
		t.Errorf("it does not fit its flag: %v", document.Rollout.ValidateAgainst(&got))
	}
}
