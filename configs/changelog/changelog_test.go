package changelog

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/configs"
)

var defaults = Options{Tasks: regexp.MustCompile(DefaultTasks), TaskLink: "https://tasks.example.com/{id}"}

func TestParse_ReadsConventionalCommits(t *testing.T) {
	f := func(message string, want configs.Change) {
		t.Helper()
		changes, _, err := Parse("c0ffee\x1fAna\x1f2026-11-20T10:00:00+01:00\x1f"+message+"\x00", defaults)
		if err != nil || len(changes) != 1 {
			t.Fatalf("%q: %v, %v", message, changes, err)
		}
		want.Commit, want.Author, want.At = "c0ffee", "Ana", "2026-11-20T10:00:00+01:00"
		if got := changes[0]; got.Type != want.Type || got.Scope != want.Scope || got.Text != want.Text || got.Breaking != want.Breaking || !slices.Equal(got.Tasks, want.Tasks) || got.At != want.At {
			t.Errorf("%q is read as %+v, want %+v", message, got, want)
		}
	}
	f("feat(cart): add coupons (SHOP-12)\n\nRefs: SHOP-13, #7", configs.Change{Type: "feat", Scope: "cart", Text: "add coupons (SHOP-12)", Tasks: []string{"SHOP-12", "SHOP-13", "#7"}})
	f("Fix!: no more v1 prices\n", configs.Change{Type: "fix", Text: "no more v1 prices", Breaking: true})
	f("perf: cache\n\nBREAKING CHANGE: needs redis 7\n", configs.Change{Type: "perf", Text: "cache", Breaking: true})
	f("perf: cache\n\nnot a BREAKING CHANGE: at all", configs.Change{Type: "perf", Text: "cache"})
	f("Merge the carts", configs.Change{Text: "Merge the carts"})
	f("say: hello\r\n\x1b[31mred", configs.Change{Type: "say", Text: "hello"})
	f("", configs.Change{Text: "(no message)"})
	f("issue#7 is no task, PR-1-2x neither: a", configs.Change{Text: "issue#7 is no task, PR-1-2x neither: a", Tasks: []string{"PR-1"}})
	if _, _, err := Parse("something else", defaults); err == nil {
		t.Error("what git did not print was read")
	}
	if changes, tasks, err := Parse("\n", defaults); err != nil || len(changes)+len(tasks) != 0 {
		t.Errorf("of nothing: %v %v %v", changes, tasks, err)
	}
}

func TestMarkdown_IsGroupedAndGreppable(t *testing.T) {
	r := &configs.Release{
		Application: "shop", Version: "v1.5.0", Previous: "v1.4.2", Commit: "c0ffee1234567", Author: "Ana", At: "2026-11-20T10:00:00+01:00",
		Changes: []configs.Change{
			{Type: "chore", Text: "tidy"},
			{Type: "fix", Scope: "cart", Text: "round <b>prices</b> by *half*", Commit: "0123456789", Tasks: []string{"SHOP-12"}},
			{Type: "feat", Text: "coupons for SHOP-9", Tasks: []string{"SHOP-9"}},
			{Type: "feat", Text: "v1 is gone", Breaking: true},
		},
		Tasks: []configs.Task{{ID: "SHOP-12", Title: "Prices", Link: "https://tasks.example.com/SHOP-12"}, {ID: "SHOP-9"}},
	}
	want := "# shop v1.5.0\n\n2026-11-20, by Ana, since v1.4.2, commit `c0ffee12`\n\n" +
		"## Breaking changes\n\n- v1 is gone\n\n" +
		"## Features\n\n- coupons for SHOP-9\n\n" +
		"## Fixes\n\n- **cart**: round \\<b\\>prices\\</b\\> by \\*half\\* (`01234567`) [SHOP-12]\n\n" +
		"## Other changes\n\n- tidy\n\n" +
		"## Tasks\n\n- [SHOP-12](https://tasks.example.com/SHOP-12): Prices\n- SHOP-9\n"
	if got := Markdown(r); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Whatever a message says, what is read of it is a valid document and one line of
// the changelog.
func TestParse_AnyMessageMakesAValidDocument(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		message := strings.NewReplacer("\x00", "", "\x1f", "").Replace(rapid.String().Draw(t, "message"))
		author := strings.NewReplacer("\x00", "", "\x1f", "").Replace(rapid.String().Draw(t, "author"))
		changes, tasks, err := Parse("c0ffee\x1f"+author+"\x1f2026-11-20T10:00:00Z\x1f"+message, defaults)
		if err != nil || len(changes) != 1 {
			t.Fatalf("%v, %v", changes, err)
		}
		r := &configs.Release{Application: "shop", Version: "v1", Changes: changes, Tasks: tasks}
		if problems := r.Validate(); len(problems) > 0 && len(author) < 100 {
			t.Fatalf("%q: %v", message, problems)
		}
		if n := strings.Count(line(changes[0]), "\n"); n != 1 {
			t.Fatalf("%q takes %d lines", message, n)
		}
	})
}

// TestParse_ReadsARealRepository lets git print what Parse reads.
func TestParse_ReadsARealRepository(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=Ana B", "-c", "user.email=ana@example.com", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "first")
	git("tag", "v1")
	git("commit", "-q", "--allow-empty", "-m", "feat: coupons\n\nSHOP-1")
	git("commit", "-q", "--allow-empty", "-m", "fix(cart): prices\n\nwith a body\nof two lines")
	changes, tasks, err := Parse(git("log", "-z", "--no-merges", "--format="+GitFormat, "v1..HEAD"), defaults)
	if err != nil || len(changes) != 2 || len(tasks) != 1 {
		t.Fatalf("%+v, %+v, %v", changes, tasks, err)
	}
	if _, tasks, _ := Parse("c\x1fa\x1f2026-11-20T10:00:00Z\x1ffix: prices (SHOP-2)", defaults); tasks[0].Title != "prices" {
		t.Errorf("the title of a task is %q, with its id once more", tasks[0].Title)
	}
	if c := changes[0]; c.Type != "fix" || c.Scope != "cart" || c.Author != "Ana B" || len(c.Commit) != 40 || c.MadeAt().IsZero() {
		t.Errorf("the newest is %+v", c)
	}
	if tasks[0] != (configs.Task{ID: "SHOP-1", Title: "coupons", Link: "https://tasks.example.com/SHOP-1"}) {
		t.Errorf("the task is %+v", tasks[0])
	}
}

func FuzzParse(f *testing.F) {
	f.Add("c\x1fa\x1f2026-11-20T10:00:00Z\x1ffeat: x\x00c\x1fa\x1fb\x1fy")
	f.Fuzz(func(t *testing.T, log string) {
		changes, tasks, err := Parse(log, defaults)
		if err == nil {
			Markdown(&configs.Release{Changes: changes, Tasks: tasks})
		}
	})
}
