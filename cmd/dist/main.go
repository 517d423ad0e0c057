// Command dist makes what a release consists of: for each system an archive with
// the static binary, manual pages, completions, units and examples, and its bill
// of materials; and the checksums of all. The same commit and the same Go make
// the same bytes, wherever they are made.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

func main() {
	out := flag.String("out", "dist", "folder that is made anew")
	targets := flag.String("targets", "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64", "systems to build for, with commas between")
	dirty := flag.Bool("dirty", false, "take a checkout that has changes, which no other build will be equal to")
	flag.Parse()
	if err := run(*out, strings.Split(*targets, ","), *dirty); err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

// release is what one run makes.
type release struct {
	out     string
	work    string // for what goes into the archives
	version string
	at      time.Time // of the commit: what is made carries no other time
	shared  string    // folder with what all archives have
}

func run(out string, targets []string, dirty bool) (err error) {
	r := &release{out: out}
	if r.at, err = commitTime(dirty); err != nil {
		return err
	}
	if r.work, err = os.MkdirTemp("", "weir-dist-"); err != nil {
		return fmt.Errorf("cannot make a folder to work in: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.work)) }()
	if err := errors.Join(os.RemoveAll(out), os.MkdirAll(out, 0o755)); err != nil {
		return fmt.Errorf("cannot empty %q: %w", out, err)
	}
	if err := r.share(); err != nil {
		return err
	}
	for _, target := range targets {
		system, arch, ok := strings.Cut(target, "/")
		if !ok {
			return fmt.Errorf("cannot build for %q: write it like linux/amd64", target)
		}
		if err := r.pack(system, arch); err != nil {
			return fmt.Errorf("cannot make the package for %s: %w", target, err)
		}
	}
	if _, err := commitTime(dirty); err != nil {
		return fmt.Errorf("what was made is of no use: %w", err) // it changed meanwhile
	}
	return r.sums()
}

// commitTime is when the commit in the checkout was made.
func commitTime(dirty bool) (time.Time, error) {
	changes, err := exec.Command("git", "status", "--porcelain").Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot ask git for changes: %w", err)
	}
	if len(changes) > 0 && !dirty {
		return time.Time{}, fmt.Errorf("the checkout has changes that no commit has; commit them or say -dirty:\n%s", changes)
	}
	text, err := exec.Command("git", "log", "-1", "--format=%ct").Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot ask git for the commit: %w", err)
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot read the commit's time: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// build compiles the binary for a system. Nothing of the machine is in it: no C
// library, no path, no build id.
func build(binary, system, arch string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w -buildid=", "-o", binary, "./cmd/weir")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOOS="+system, "GOARCH="+arch, "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// share makes what all archives have, by a binary for this machine.
func (r *release) share() error {
	binary := filepath.Join(r.work, "weir")
	if err := build(binary, runtime.GOOS, runtime.GOARCH); err != nil {
		return fmt.Errorf("cannot build for this machine: %w", err)
	}
	info, err := readInfo(binary)
	if err != nil {
		return err
	}
	r.version = strings.TrimPrefix(info.Main.Version, "v")
	r.shared = filepath.Join(r.work, "shared")
	for _, folder := range []string{"man", "completions"} {
		if err := os.MkdirAll(filepath.Join(r.shared, folder), 0o755); err != nil {
			return err
		}
	}
	if _, err := tell(binary, "man", "--date", r.at.Format(time.DateOnly), filepath.Join(r.shared, "man")); err != nil {
		return fmt.Errorf("cannot write the manual pages: %w", err)
	}
	for shell, name := range map[string]string{"bash": "weir.bash", "zsh": "_weir", "fish": "weir.fish"} {
		text, err := tell(binary, "completion", shell)
		if err != nil {
			return fmt.Errorf("cannot write the completion for %s: %w", shell, err)
		}
		if err := os.WriteFile(filepath.Join(r.shared, "completions", name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// tell runs the binary without the environment, from which it takes what it then
// says are its defaults: the address of somebody's control API, for one.
func tell(binary string, args ...string) ([]byte, error) {
	cmd := exec.Command(binary, args...)
	cmd.Env = []string{"TZ=UTC"}
	cmd.Stderr = os.Stderr
	return cmd.Output()
}

// pack makes the archive and the bill of materials for one system.
func (r *release) pack(system, arch string) error {
	name := fmt.Sprintf("weir-%s-%s-%s", r.version, system, arch)
	binary := filepath.Join(r.work, name)
	if err := build(binary, system, arch); err != nil {
		return err
	}
	info, err := readInfo(binary)
	if err != nil {
		return err
	}
	if err := writeBOM(filepath.Join(r.out, name+".cdx.json"), info, r.at); err != nil {
		return err
	}
	a := &archive{top: name, at: r.at}
	a.add(binary, "weir")
	a.add("README.md", "README.md")
	a.add("LICENSE", "LICENSE")
	a.add(filepath.Join(r.shared, "man"), "man/man1")
	a.add(filepath.Join(r.shared, "completions"), "completions")
	folders := []string{"examples", "ci", "prometheus", "grafana"}
	if system == "linux" {
		folders = append(folders, "systemd")
	}
	for _, folder := range folders {
		a.add("configs/"+folder, "configs/"+folder)
	}
	return a.write(filepath.Join(r.out, name+".tar.gz"))
}
