package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commands walks over all commands that are weir's own.
func commands(t *testing.T, visit func(path string, cmd *cobra.Command)) {
	t.Helper()
	c := &cli{in: strings.NewReader(""), out: io.Discard, err: io.Discard}
	seen := 0
	var walk func(path string, cmd *cobra.Command)
	walk = func(path string, cmd *cobra.Command) {
		if cmd.Name() == "help" || cmd.Name() == "completion" {
			return
		}
		seen++
		visit(path, cmd)
		for _, child := range cmd.Commands() {
			walk(path+" "+child.Name(), child)
		}
	}
	walk("weir", c.newRootCommand())
	if seen < 30 {
		t.Fatalf("only %d commands were seen", seen)
	}
}

func TestHelp_EveryCommandTeaches(t *testing.T) {
	commands(t, func(path string, cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") || cmd.Short[0] < 'A' || cmd.Short[0] > 'Z' {
			t.Errorf("%s: its short text is %q; write a sentence without its full stop", path, cmd.Short)
		}
		if len(cmd.Commands()) == 0 && cmd.Long == "" && cmd.Example == "" {
			t.Errorf("%s has neither a long text nor an example", path)
		}
		if cmd.Example == "" {
			t.Errorf("%s has no example", path)
		}
		for _, text := range strings.Split(cmd.Long, "\n") { // an example may be longer, to be copied
			if n := len([]rune(text)); n > 100 {
				t.Errorf("%s: a line of its help has %d columns: %s", path, n, text)
			}
		}
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: --%s has no text", path, f.Name)
			}
		})
	})
}

// TestCompletion_KnowsEveryArgument holds that no command falls back on names of
// files where it wants a name, or nothing.
func TestCompletion_KnowsEveryArgument(t *testing.T) {
	files := map[string]bool{"check": true, "replay": true, "man": true}
	commands(t, func(path string, cmd *cobra.Command) {
		if !cmd.HasSubCommands() && cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 && !files[cmd.Name()] {
			t.Errorf("%s: nothing is offered after Tab: add it to complete", path)
		}
	})
}

// TestHelp_ExamplesParse holds each line that calls weir against its own commands.
func TestHelp_ExamplesParse(t *testing.T) {
	examples := 0
	commands(t, func(path string, cmd *cobra.Command) {
		for _, text := range strings.Split(cmd.Example, "\n") {
			for _, args := range calls(text) {
				examples++
				if err := parses(args); err != nil {
					t.Errorf("%s: %q does not parse: %v", path, strings.TrimSpace(text), err)
				}
			}
		}
	})
	if examples < 60 {
		t.Errorf("only %d examples were tried", examples)
	}
	for _, wrong := range []string{"weir rollout wach shop", "weir get", "weir top --no-such-flag", "weir freeze --for long"} {
		if err := parses(calls(wrong)[0]); err == nil {
			t.Errorf("%q parses", wrong)
		}
	}
}

// calls finds the command lines of weir in a line of a shell, without "weir".
func calls(text string) [][]string {
	text, _, _ = strings.Cut(text, "  #")
	var out [][]string
	for _, part := range strings.FieldsFunc(strings.ReplaceAll(text, "&&", "|"), func(r rune) bool { return r == '|' || r == ';' }) {
		part, _, _ = strings.Cut(part, " > ")
		if args := words(part); len(args) > 0 && args[0] == "weir" {
			out = append(out, args[1:])
		}
	}
	return out
}

// words splits as a shell does, quotes and all.
func words(text string) []string {
	var out []string
	var quote rune
	word, in := "", false
	for _, r := range text {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '"' || r == '\'':
			quote, in = r, true
		case r == ' ':
			if in {
				out = append(out, word)
			}
			word, in = "", false
		default:
			word, in = word+string(r), true
		}
	}
	if in {
		out = append(out, word)
	}
	return out
}

func parses(args []string) error {
	c := &cli{in: strings.NewReader(""), out: io.Discard, err: io.Discard}
	cmd, rest, err := c.newRootCommand().Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

func TestNear_NamesWhatWasMeant(t *testing.T) {
	f := func(name, want string, choices ...string) {
		t.Helper()
		if got := nearest(name, choices); got != want {
			t.Errorf("%q is taken for %q, want %q", name, got, want)
		}
	}
	f("shpo", "shop", "cart", "shop\tstable blue")
	f("Shop", "shop", "shop")
	f("sho", "shop", "shop", "ship")
	f("shop-20260105", "shop-20260105-1402-abcde", "shop-20260105-1402-abcde", "shop-20270105-1402-abcde")
	f("cart", "", "shop", "search")
	f("x", "", "shop")
	f("", "", "shop")
}
