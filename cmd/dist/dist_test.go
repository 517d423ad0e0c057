package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
	"time"
)

func TestArchive_DependsOnContentsNamesAndModesAlone(t *testing.T) {
	pack := func(content string, mode os.FileMode, touched time.Time) []byte {
		t.Helper()
		dir := t.TempDir()
		for _, name := range []string{"b", "a", "in/c"} {
			file := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(content+name), 0o600), os.Chmod(file, mode), os.Chtimes(file, touched, touched)); err != nil {
				t.Fatal(err)
			}
		}
		out := filepath.Join(t.TempDir(), "out.tar.gz")
		a := &archive{top: "weir-1", at: time.Unix(1_700_000_000, 0)}
		a.add(dir, "all")
		a.add(filepath.Join(dir, "b"), "alone")
		if err := a.write(out); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	one := pack("x", 0o600, time.Unix(1, 0))
	if !bytes.Equal(one, pack("x", 0o640, time.Unix(2_000_000_000, 0))) {
		t.Error("when files were touched or who may read them shows in the archive")
	}
	for what, other := range map[string][]byte{"contents": pack("y", 0o600, time.Unix(1, 0)), "modes": pack("x", 0o700, time.Unix(1, 0))} {
		if bytes.Equal(one, other) {
			t.Errorf("%s make no difference", what)
		}
	}
	var names []string
	unzipped, err := gzip.NewReader(bytes.NewReader(one))
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(unzipped); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, h.Name)
	}
	if want := []string{"weir-1/all/a", "weir-1/all/b", "weir-1/all/in/c", "weir-1/alone"}; !slices.Equal(names, want) {
		t.Errorf("the archive holds %q, want %q", names, want)
	}
}

func TestBOM_ListsWhatTheBinaryWasMadeOf(t *testing.T) {
	info := &buildinfo.BuildInfo{
		GoVersion: "go1.26.8",
		Main:      debug.Module{Path: "github.com/weirproxy/weir", Version: "v1.2.3"},
		Deps: []*debug.Module{
			{Path: "github.com/Example/Lib", Version: "v2.0.0+incompatible", Sum: "h1:abc="},
			{Path: "example.com/old", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/new", Version: "v1.0.1"}},
		},
		Settings: []debug.BuildSetting{{Key: "GOOS", Value: "linux"}},
	}
	file := filepath.Join(t.TempDir(), "bom.json")
	if err := writeBOM(file, info, time.Unix(1_700_000_000, 0).UTC()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got bom
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	var purls []string
	for _, c := range append([]component{got.Metadata.What}, got.Parts...) {
		purls = append(purls, c.PURL)
	}
	want := []string{
		"pkg:golang/github.com/weirproxy/weir@v1.2.3", "pkg:golang/std@1.26.8",
		"pkg:golang/github.com/example/lib@v2.0.0%2Bincompatible", "pkg:golang/example.com/new@v1.0.1",
	}
	if !slices.Equal(purls, want) || got.Metadata.At != "2023-11-14T22:13:20Z" {
		t.Errorf("got %q at %s, want %q", purls, got.Metadata.At, want)
	}
}
