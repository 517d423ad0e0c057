package lab

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Result writes what a benchmark found to the terminal and, at its end, to a
// file that says on which machine and from which commit.
type Result struct {
	text bytes.Buffer
	file string
}

// NewResult begins a result. An empty file keeps none.
func NewResult(file string) *Result {
	r := &Result{file: file}
	r.Printf("%s\n%s\n%s\n\n", filepath.Base(os.Args[0])+" "+strings.Join(os.Args[1:], " "), machine(), commit())
	return r
}

// Printf adds to the result.
func (r *Result) Printf(format string, args ...any) {
	fmt.Fprintf(io.MultiWriter(os.Stdout, &r.text), format, args...)
}

// Close writes the file.
func (r *Result) Close() error {
	r.Printf("\nended %s, load average then %s\n", time.Now().UTC().Format("2006-01-02 15:04 MST"), loadAverage())
	if r.file == "" {
		return nil
	}
	if err := os.WriteFile(r.file, r.text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("cannot keep the result: %w", err)
	}
	return nil
}

func machine() string {
	return fmt.Sprintf("%s %s/%s, %d processors, kernel %s, load average %s",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), read("/proc/sys/kernel/osrelease"), loadAverage())
}

// loadAverage tells whether others were busy on the machine.
func loadAverage() string {
	fields := strings.Fields(read("/proc/loadavg"))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

func read(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(data))
}

// commit names the source that is measured, as far as git knows.
func commit() string {
	id, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "commit unknown"
	}
	text := "commit " + strings.TrimSpace(string(id))
	if changes, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output(); err != nil || len(changes) > 0 {
		text += ", with changes"
	}
	return text
}
