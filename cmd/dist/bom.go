package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

// bom is a bill of materials in the form of CycloneDX 1.6 (ECMA-424), as much of
// it as says what a binary was made of. The list is the binary's own.
type bom struct {
	Format   string      `json:"bomFormat"`
	Spec     string      `json:"specVersion"`
	Version  int         `json:"version"`
	Metadata metadata    `json:"metadata"`
	Parts    []component `json:"components"`
}

type metadata struct {
	At   string    `json:"timestamp"`
	What component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	PURL       string     `json:"purl,omitempty"`
	Properties []property `json:"properties,omitempty"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

func readInfo(binary string) (*buildinfo.BuildInfo, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, fmt.Errorf("cannot read what %q was made of: %w", binary, err)
	}
	return info, nil
}

func writeBOM(file string, info *buildinfo.BuildInfo, at time.Time) error {
	what := module("application", info.Main.Path, info.Main.Version)
	for _, s := range info.Settings {
		what.Properties = append(what.Properties, property{"go:build:" + s.Key, s.Value})
	}
	b := bom{Format: "CycloneDX", Spec: "1.6", Version: 1, Metadata: metadata{At: at.Format(time.RFC3339), What: what}}
	goVersion := strings.TrimPrefix(info.GoVersion, "go")
	b.Parts = append(b.Parts, component{
		Type: "library", Ref: "pkg:golang/std@" + goVersion, Name: "std", Version: goVersion, PURL: "pkg:golang/std@" + goVersion,
	})
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		c := module("library", m.Path, m.Version)
		if m.Sum != "" {
			c.Properties = []property{{"go:sum", m.Sum}}
		}
		b.Parts = append(b.Parts, c)
	}
	text, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return fmt.Errorf("cannot encode the bill of materials: %w", err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("cannot write the bill of materials: %w", err)
	}
	return nil
}

// module is a Go module; its package URL is as purl-spec has it for Go.
func module(kind, path, version string) component {
	at := "pkg:golang/" + strings.ToLower(path) + "@" + url.QueryEscape(version)
	return component{Type: kind, Ref: at, Name: path, Version: version, PURL: at}
}
