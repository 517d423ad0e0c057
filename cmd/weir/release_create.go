package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/configs/changelog"
	"github.com/weirproxy/weir/control/api"
)

type createFlags struct {
	doc      configs.Release
	fromGit  string
	repo     string
	pattern  string
	taskLink string
	dryRun   bool
}

func (c *cli) newReleaseCreateCommand() *cobra.Command {
	var f createFlags
	cmd := &cobra.Command{
		Use:   "create APPLICATION VERSION --from-git A..B",
		Short: "Make a release from commits",
		Long: `create reads what is new from the commits of a git repository on this machine and
makes a Release document of it: changes by Conventional Commits (feat, fix, !), and
tasks by the ids in their messages. --dry-run prints the document and changes
nothing; without --from-git the release holds no changes.`,
		Example: `  weir release create shop v1.5.0 --from-git v1.4.2..v1.5.0
  weir release create shop v1.5.0 --from-git v1.4.2..HEAD --task-link 'https://tracker.example.com/{id}' --dry-run -o yaml`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.doc.Application, f.doc.Version = args[0], args[1]
			return c.createRelease(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.fromGit, "from-git", "", "range of commits, such as v1.4.2..v1.5.0")
	flags.StringVar(&f.repo, "repo", ".", "folder of the repository")
	flags.StringVar(&f.pattern, "task-pattern", changelog.DefaultTasks, "regular expression of the ids of tasks")
	flags.StringVar(&f.taskLink, "task-link", "", "link to a task, with {id} in the place of its id")
	flags.StringVar(&f.doc.Previous, "previous", "", "version that the changes are counted from; with --from-git A..B it is A")
	flags.StringVar(&f.doc.Author, "author", "", "who cut it")
	flags.StringVar(&f.doc.Link, "link", "", "to the build or its page")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the document and change nothing")
	return cmd
}

func (c *cli) createRelease(ctx context.Context, f createFlags) error {
	doc := f.doc
	doc.At = time.Now().Format(time.RFC3339)
	if f.fromGit != "" {
		if err := readCommits(ctx, f, &doc); err != nil {
			return err
		}
	}
	if problems := doc.Validate(); len(problems) > 0 {
		return usageError{errors.New(problems.Error())}
	}
	if f.dryRun {
		if c.output == "table" {
			_, err := fmt.Fprint(c.out, changelog.Markdown(&doc))
			return err
		}
		return c.printValue(doc)
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	// A release that is made again was cut when it was made first. If it cannot be
	// read the write below says why.
	var before api.Release
	if _, err := client.get(ctx, releasePath(doc.Application, doc.Version), &before); err == nil && before.Document.At != "" {
		doc.At = before.Document.At
	}
	a, err := client.do(ctx, call{method: http.MethodPut, path: releasePath(doc.Application, doc.Version), body: doc})
	if err != nil {
		return err
	}
	return c.printResult(a)
}

// isRange is what --from-git takes: two names of commits. They may not begin with a
// dash, by which git would take them for something else.
var isRange = regexp.MustCompile(`^([^-.\s][^\s]*?)\.\.([^-.\s][^\s]*)$`)

// readCommits fills a release with what git knows.
func readCommits(ctx context.Context, f createFlags, doc *configs.Release) error {
	ends := isRange.FindStringSubmatch(f.fromGit)
	if ends == nil {
		return usagef("%q is no range of commits; write --from-git v1.4.2..v1.5.0", f.fromGit)
	}
	tasks, err := regexp.Compile(f.pattern)
	if err != nil {
		return usagef("--task-pattern %q is no regular expression: %v", f.pattern, err)
	}
	// What the repository's settings would add to the output, or write in another
	// encoding, is asked not to be.
	log, err := git(ctx, f.repo, "log", "-z", "--encoding=UTF-8", "--no-show-signature", "--no-color", "--no-merges", "--format="+changelog.GitFormat, ends[1]+".."+ends[2], "--")
	if err != nil {
		return err
	}
	if doc.Changes, doc.Tasks, err = changelog.Parse(log, changelog.Options{Tasks: tasks, TaskLink: f.taskLink}); err != nil {
		return err
	}
	head, err := git(ctx, f.repo, "rev-parse", "--verify", "--end-of-options", ends[2]+"^{commit}")
	if err != nil {
		return err
	}
	doc.Commit = strings.TrimSpace(head)
	if doc.Previous == "" && versionLike.MatchString(ends[1]) {
		doc.Previous = ends[1]
	}
	if doc.Previous == doc.Version {
		doc.Previous = ""
	}
	return nil
}

// versionLike is a tag that can be the name of a version.
var versionLike = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,61}[A-Za-z0-9]$`)

// maxGit bounds what is read of git's output.
const maxGit = 32 << 20

// git runs git in a repository and returns what it printed.
func git(ctx context.Context, repo string, args ...string) (string, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", repo}, args...)...)
	var problem bytes.Buffer
	out := gitOutput{stop: stop}
	cmd.Stdout, cmd.Stderr = &out, &problem
	err := cmd.Run()
	switch {
	case out.over:
		return "", fmt.Errorf("cannot read commits of %q: there are more than %d bytes of them", repo, maxGit)
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("git is not installed here: changes are read with it")
	case err != nil:
		return "", fmt.Errorf("cannot read commits of %q: %w: %s", repo, err, firstLine(strings.TrimSpace(problem.String())))
	}
	return out.text.String(), nil
}

// gitOutput keeps what is written to it, up to maxGit bytes, and stops who writes more.
type gitOutput struct {
	text strings.Builder
	over bool
	stop func()
}

func (o *gitOutput) Write(p []byte) (int, error) {
	if o.over = o.over || o.text.Len()+len(p) > maxGit; o.over {
		o.stop()
		return len(p), nil
	}
	return o.text.Write(p)
}
