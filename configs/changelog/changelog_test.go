package changelog

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirproxy/weir/configs"
)

var defaults = Options{Tasks: regexp.MustCompile(DefaultTasks), TaskLink: "https://tasks.example.com/{id}"}

func TestParse_ReadsConventionalCommits(t *testing.T) {
	f := func(message string, want configs.Change) {
		t.Helper()
		changes, _, err := Parse("c0ffee\x1f2026-11-20T10:00:00+01:00\x1fAna\x1f"+message+"\x00", defaults)
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

// What was taken back is not new, and no task is done with what takes it back.
func TestParse_LeavesOutWhatWasReverted(t *testing.T) {
	id := func(n int) string { return strings.Repeat(string(rune('a'+n)), 40) }
	entry := func(n int, message string) string {
		return id(n) + "\x1f2026-11-20T10:00:00Z\x1fAna\x1f" + message + "\x00"
	}
	revert := func(n, of int) string {
		return entry(n, "Revert \"feat: x (TT-"+strconv.Itoa(of)+")\"\n\nThis reverts commit "+id(of)+".\n")
	}
	f := func(want, wantTasks string, entries ...string) {
		t.Helper()
		changes, tasks, err := Parse(strings.Join(entries, ""), defaults)
		var got, gotTasks []string
		for _, c := range changes {
			got = append(got, c.Commit[:1]+":"+c.Type)
		}
		for _, task := range tasks {
			gotTasks = append(gotTasks, task.ID)
		}
		if err != nil || strings.Join(got, " ") != want || strings.Join(gotTasks, " ") != wantTasks {
			t.Errorf("read %v with tasks %v, %v; want %s with %s", got, gotTasks, err, want, wantTasks)
		}
	}
	f("a:feat", "TT-0", entry(0, "feat: x (TT-0)"))
	f("c:fix", "TT-2", entry(2, "fix: y TT-2"), revert(1, 0), entry(0, "feat: x (TT-0)"))
	f("a:feat", "TT-0", revert(2, 1), revert(1, 0), entry(0, "feat: x (TT-0)")) // taken back, and taken back again
	f("b:revert", "", revert(1, 4))                                             // of an older release
	f("a:feat b:feat", "TT-0", entry(0, "feat: x (TT-0)\n\nThis reverts commit nothing"), entry(1, "feat: z"))
	f("c:revert", "", entry(2, "undo both\n\nThis reverts commit "+id(0)[:8]+".\nThis reverts commit "+id(5)+"."), entry(0, "feat: x (TT-0)"))
}

func TestMarkdown_TextsAreNoMarkup(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := line(configs.Change{Text: text}); got != "- "+want+"\n" {
			t.Errorf("%q is written %q, want %q", text, got, want)
		}
	}
	f("# a heading", `\# a heading`)
	f("- a list", `\- a list`)
	f("12. of it", `12\. of it`)
	f("~~~ sh", `\~\~\~ sh`)
	f("use snake_case_names and _this_", `use snake_case_names and \_this\_`)
	f("&lt;img src=x&gt;<img>", `\&lt;img src=x\&gt;\<img\>`)
	f("1.5 is out - at last", `1.5 is out - at last`)
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
		text := rapid.OneOf(rapid.String(), rapid.StringN(100, 2000, -1), rapid.StringMatching(`[A-Za-z]{1,90}(\([^()]{0,200}\))?!?: .*`),
			rapid.StringMatching(`#[0-9]{100,200} [A-Z]{2,200}-[0-9]{1,20}( [A-Z]{2}-[0-9]{1,9}){0,99}`))
		hostile := rapid.Custom(func(t *rapid.T) string { return strings.ReplaceAll(text.Draw(t, "text"), "\x00", "") })
		message, author := hostile.Draw(t, "message"), hostile.Draw(t, "author")
		date := rapid.SampledFrom([]string{"2026-11-20T10:00:00Z", "5138-11-16T09:46:39+00:00", "292277026596-12-04T15:30:07+00:00", "", "1970-01-01T00:00:00+99:99"}).Draw(t, "date")
		changes, tasks, err := Parse("c0ffee\x1f"+date+"\x1f"+author+"\x1f"+message, defaults)
		if err != nil || len(changes) != 1 {
			t.Fatalf("%v, %v", changes, err)
		}
		r := &configs.Release{Application: "shop", Version: "v1", Changes: changes, Tasks: tasks}
		if problems := r.Validate(); len(problems) > 0 {
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
	f.Add("c\x1f2026-11-20T10:00:00Z\x1fa\x1ffeat: x\x00c\x1fb\x1fa\x1fy")
	f.Add("c0ffee12\x1f\x1fa\x1fx\x1f\n\nThis reverts commit c0ffee34.\x00c0ffee34\x1f\x1fa\x1f\x9b31m A-1")
	f.Fuzz(func(t *testing.T, log string) {
		changes, tasks, err := Parse(log, defaults)
		if err == nil {
			r := &configs.Release{Application: "shop", Version: "v1", Changes: changes, Tasks: tasks}
			for _, p := range r.Validate() {
				if p.Path != "tasks" && p.Path != "changes" && !strings.HasSuffix(p.Path, "commit") { // too many; git's own id
					t.Fatalf("what was read cannot be applied: %v", p)
				}
			}
			Markdown(r)
		}
	})
}
