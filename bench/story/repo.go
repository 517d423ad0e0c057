package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// commit adds a commit of some time ago to the application's repository, as part
// of a version.
func (s *story) commit(version string, ago time.Duration, message string) {
	at := s.began.Add(-ago).Truncate(time.Second)
	if s.clock.commits == nil {
		s.clock.commits = map[string][]time.Time{}
	}
	s.clock.commits[version] = append(s.clock.commits[version], at)
	s.git(at, "commit", "-q", "--allow-empty", "-m", message)
	s.say("commit  %s", strings.SplitN(message, "\n", 2)[0])
}

// tag ends a version.
func (s *story) tag(version string) {
	s.git(s.began, "tag", version)
	s.clock.versions = append(s.clock.versions, version)
}

// git runs git in the application's repository, without a setting of this machine.
func (s *story) git(at time.Time, args ...string) {
	if s.err != nil {
		return
	}
	dir := filepath.Join(s.lab.Dir, "repo")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.check(err)
		return
	}
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	when := at.UTC().Format(time.RFC3339)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_CEILING_DIRECTORIES="+s.lab.Dir,
		"GIT_AUTHOR_NAME=Ana", "GIT_AUTHOR_EMAIL=ana@example.com", "GIT_COMMITTER_NAME=Ana", "GIT_COMMITTER_EMAIL=ana@example.com",
		"GIT_AUTHOR_DATE="+when, "GIT_COMMITTER_DATE="+when)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.check(fmt.Errorf("git %s: %w\n%s", strings.Join(args, " "), err, out))
	}
}
