package main

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const caddyModule = "github.com/caddyserver/caddy/v2/cmd/caddy@v2.11.4"

// tool is a program of the comparison.
type tool struct {
	name    string
	path    string
	version string
}

// debian installs the distribution's packages of programs that are absent,
// without starting their services.
func debian(ctx context.Context, packages map[string]string) error {
	var absent []string
	for program, name := range packages {
		if find(program) == "" {
			absent = append(absent, name)
		}
	}
	if len(absent) == 0 {
		return nil
	}
	progress("installing %s", strings.Join(absent, ", "))
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"install", "-y", "--no-install-recommends"}, absent...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot install %s; put them into PATH by hand: %w\n%s", strings.Join(absent, ", "), err, out)
	}
	return nil
}

// find looks in PATH and where distributions put daemons.
func find(name string) string {
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	return ""
}

// caddy returns a Caddy, which takes minutes to build when there is none.
func caddy(ctx context.Context, dir, given string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	if path := find("caddy"); path != "" {
		return path, nil
	}
	progress("building %s", caddyModule)
	cmd := exec.CommandContext(ctx, "go", "install", caddyModule)
	cmd.Dir = dir // outside of this module, whose versions are not Caddy's
	cmd.Env = append(os.Environ(), "GOBIN="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build %s: %w\n%s", caddyModule, err, out)
	}
	return filepath.Join(dir, "caddy"), nil
}

// build compiles a package of this module.
func build(ctx context.Context, dir, pkg string) (string, error) {
	binary := filepath.Join(dir, filepath.Base(pkg))
	out, err := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "github.com/weirproxy/weir/"+pkg).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cannot build %s: %w\n%s", pkg, err, out)
	}
	return binary, nil
}

// versionOf is the first line that a program prints about itself.
func versionOf(path string, args ...string) string {
	out, _ := exec.Command(path, args...).CombinedOutput() // wrk exits with 1 after its version
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}

// moduleOf is what a Go program was built from.
func moduleOf(path string) string {
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	return fmt.Sprintf("%s %s, %s", info.Main.Path, info.Main.Version, info.GoVersion)
}
