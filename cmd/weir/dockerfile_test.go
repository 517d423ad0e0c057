package main

import (
	"encoding/json"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instruction is one of a Dockerfile, its lines joined.
type instruction struct{ name, rest string }

func instructions(text string) (all []instruction) {
	text = regexp.MustCompile(`(?m)^\s*#.*\n`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`\\\n\s*`).ReplaceAllString(text, "")
	for line := range strings.Lines(text) {
		if name, rest, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			all = append(all, instruction{name, rest})
		}
	}
	return all
}

// Building the image needs an engine. What can be said without one is held here:
// that it is built by the Go that the module wants, holds nothing but the binary,
// is not root's, and that the commands in it are weir's.
func TestDockerfile_RunsWhatThereIsAsNobody(t *testing.T) {
	read := func(name string) string {
		t.Helper()
		data, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	last := map[string]string{} // of the last stage
	var all []instruction
	for _, in := range instructions(read("Dockerfile")) {
		if in.name == "FROM" {
			clear(last)
		}
		if in.name == "ADD" || in.name == "COPY" && strings.Contains(in.rest, "://") {
			t.Errorf("%s %s: nothing is fetched but modules", in.name, in.rest)
		}
		last[in.name] = in.rest
		all = append(all, in)
	}
	wants := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindStringSubmatch(read("go.mod"))
	if !slices.Contains(all, instruction{"ARG", "GO_VERSION=" + wants[1]}) {
		t.Errorf("the image is not built with Go %s, as go.mod wants", wants[1])
	}
	if last["FROM"] != "scratch" || last["RUN"] != "" {
		t.Errorf("the image is from %q and runs %q", last["FROM"], last["RUN"])
	}
	if !regexp.MustCompile(`^[1-9]\d*:[1-9]\d*$`).MatchString(last["USER"]) {
		t.Errorf("the user is %q, not a number above 0", last["USER"])
	}

	list := func(text string) (words []string) {
		t.Helper()
		if err := json.Unmarshal([]byte(text), &words); err != nil {
			t.Fatalf("%q is not a list of words, and there is no shell: %v", text, err)
		}
		return words
	}
	_, health, _ := strings.Cut(last["HEALTHCHECK"], "CMD ")
	entry := list(last["ENTRYPOINT"])
	for _, words := range [][]string{append(entry, list(last["CMD"])...), list(health)} {
		if words[0] != entry[0] {
			t.Errorf("%q is not the binary", words[0])
		}
		root := (&cli{in: strings.NewReader(""), out: io.Discard, err: io.Discard}).newRootCommand()
		cmd, args, err := root.Find(words[1:])
		if err != nil || cmd == root {
			t.Errorf("%q is no command: %v", words, err)
			continue
		}
		if err := cmd.ParseFlags(args); err != nil {
			t.Errorf("%q: %v", words, err)
		}
	}
}
