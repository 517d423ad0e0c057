package diagnose

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/route"
)

// MostCPU is the longest CPU profile in a bundle.
const MostCPU = time.Minute

const (
	// stateWait bounds how long the state is waited for: etcd may be what is in trouble.
	stateWait = 10 * time.Second

	// auditTail is how many entries of the audit trail are in a bundle.
	auditTail = 200

	// maxFile cuts what is in one file of a bundle.
	maxFile = 64 << 20
)

// Controller is what a bundle needs of the control plane.
type Controller interface {
	View() *control.View
	RecentEvents() []control.Event
	Audit(ctx context.Context, q control.AuditQuery) ([]control.AuditView, error)
	ExportState(ctx context.Context) (store.Dump, error)
}

// Node is the process that a bundle is about. Safe for concurrent use.
type Node struct {
	Name    string
	Version string // of weir
	Started time.Time
	Config  any               // the node document
	Files   map[string]string // that it names, by the field: only their form is told
	Control Controller
	Table   func() *route.Table // nil result: none is published yet
	Metrics func(io.Writer)
	Log     *Ring
}

// WriteBundle writes a tar archive, compressed by gzip, with a profile of the CPU
// over that time; 0: none. What cannot be had is told in errors.txt. It fails
// when w does or ctx ends, and leaves the archive unfinished then, which no reader
// takes for a whole one.
func (n *Node) WriteBundle(ctx context.Context, w io.Writer, cpu time.Duration) error {
	zip := gzip.NewWriter(w)
	b := &bundle{
		node: n, tar: tar.NewWriter(zip), redact: newRedactor(), at: time.Now(),
	}
	b.folder = BundleName(n.Name, b.at)
	for _, f := range b.files(cpu) {
		if err := b.add(ctx, f); err != nil {
			return fmt.Errorf("cannot write %q into the bundle: %w", f.name, err)
		}
	}
	if err := b.add(ctx, file{"errors.txt", func(context.Context) ([]byte, error) { return b.problems.Bytes(), nil }}); err != nil {
		return err
	}
	if err := b.tar.Close(); err != nil {
		return fmt.Errorf("cannot end the bundle: %w", err)
	}
	return zip.Close()
}

// BundleName is what a bundle is called, without an ending.
func BundleName(node string, at time.Time) string {
	safe := strings.Map(func(r rune) rune {
		if r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, node)
	return "weir-debug-" + safe + "-" + at.UTC().Format("20060102-150405")
}

// bundle is an archive in the making.
type bundle struct {
	node     *Node
	tar      *tar.Writer
	redact   *redactor
	folder   string
	at       time.Time
	problems bytes.Buffer
}

// file is one file of the archive, without a secret in it.
type file struct {
	name string
	read func(context.Context) ([]byte, error)
}

func (b *bundle) files(cpu time.Duration) []file {
	n := b.node
	return []file{
		{"README.txt", func(context.Context) ([]byte, error) { return []byte(readme), nil }},
		{"version.json", func(context.Context) ([]byte, error) { return b.redact.json(b.version()) }},
		{"cpu.pprof", func(ctx context.Context) ([]byte, error) { return profileCPU(ctx, cpu) }},
		{"node.json", func(context.Context) ([]byte, error) { return b.redact.json(n.Config) }},
		{"files.txt", func(context.Context) ([]byte, error) { return filesText(n.Files), nil }},
		{"state.json", b.state},
		{"view.json", func(context.Context) ([]byte, error) { return b.redact.json(n.Control.View()) }},
		{"table.json", func(context.Context) ([]byte, error) { return b.redact.json(tableOf(n.Table())) }},
		{"events.json", func(context.Context) ([]byte, error) { return b.redact.json(n.Control.RecentEvents()) }},
		{"audit.json", b.audit},
		{"metrics.txt", func(context.Context) ([]byte, error) {
			var page bytes.Buffer
			n.Metrics(&page)
			return []byte(b.redact.text(page.String())), nil
		}},
		{"log.jsonl", func(context.Context) ([]byte, error) { return b.log(), nil }},
		{"goroutines.txt", func(context.Context) ([]byte, error) { return profile("goroutine", 2) }},
		{"goroutine.pprof", func(context.Context) ([]byte, error) { return profile("goroutine", 0) }},
		{"heap.pprof", func(context.Context) ([]byte, error) { return profile("heap", 0) }},
		{"machine.txt", func(context.Context) ([]byte, error) { return []byte(b.redact.text(string(machine()))), nil }},
	}
}

const readme = `A bundle of one weir node, made by "weir debug".

version.json    weir, Go, how long the process runs, what it was built from
node.json       the node document; files.txt: the form of the files that it names
state.json      the keys of the shared state; view.json: the state as this node sees it
table.json      what it routes by: services, versions, endpoints, buckets per version
events.json     the last events; audit.json: the last changes; log.jsonl: the last lines of the log
metrics.txt     the page of /metrics; machine.txt: limits of the process and the kernel
*.pprof         profiles for "go tool pprof"; goroutines.txt: all goroutines
errors.txt      what could not be had

Taken out: the cookie's keys, values of headers and bodies, all of a URL behind its
host, what was before and after a change, and whatever stands behind a word like
token or password. No file's content is in it. Names, hosts and addresses are.
`

// add reads and writes one file. One that cannot be read is told in errors.txt.
func (b *bundle) add(ctx context.Context, f file) error {
	data, err := f.read(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		fmt.Fprintf(&b.problems, "%s: %s\n", f.name, b.redact.text(err.Error()))
		return nil
	}
	if len(data) == 0 {
		return nil
	}
	if len(data) > maxFile {
		fmt.Fprintf(&b.problems, "%s: cut at %d bytes of %d\n", f.name, maxFile, len(data))
		data = data[:maxFile]
	}
	head := &tar.Header{Name: path.Join(b.folder, f.name), Mode: 0o600, Size: int64(len(data)), ModTime: b.at}
	if err := b.tar.WriteHeader(head); err != nil {
		return err
	}
	_, err = b.tar.Write(data)
	return err
}

func (b *bundle) version() any {
	info, _ := debug.ReadBuildInfo()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	settings := map[string]string{}
	modules := map[string]string{}
	if info != nil {
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		for _, m := range info.Deps {
			modules[m.Path] = m.Version
		}
	}
	return map[string]any{
		"weir": b.node.Version, "node": b.node.Name, "at": b.at, "started": b.node.Started, "uptime_seconds": b.at.Sub(b.node.Started).Seconds(),
		"go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH, "cpus": runtime.NumCPU(), "gomaxprocs": runtime.GOMAXPROCS(0),
		"goroutines": runtime.NumGoroutine(), "build": settings, "modules": modules,
		"memory": map[string]uint64{"sys": memory.Sys, "heap_alloc": memory.HeapAlloc, "heap_sys": memory.HeapSys, "stack": memory.StackSys, "gc_cycles": uint64(memory.NumGC)},
	}
}

// state is every key, with the values but for the cookie's keys.
func (b *bundle) state(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, stateWait)
	defer cancel()
	dump, err := b.node.Control.ExportState(ctx)
	if err != nil {
		return nil, err
	}
	for i := range dump.Keys {
		if strings.HasPrefix(dump.Keys[i].Key, "keys/") {
			dump.Keys[i].Value = json.RawMessage(`"` + redacted + `"`)
		}
	}
	return b.redact.json(dump)
}

func (b *bundle) audit(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, stateWait)
	defer cancel()
	entries, err := b.node.Control.Audit(ctx, control.AuditQuery{Limit: auditTail})
	if err != nil {
		return nil, err
	}
	return b.redact.json(entries)
}

func (b *bundle) log() []byte {
	var out bytes.Buffer
	for _, line := range b.node.Log.Lines() {
		out.Write(b.redact.line(line))
		out.WriteByte('\n')
	}
	return out.Bytes()
}

func profile(name string, level int) ([]byte, error) {
	var out bytes.Buffer
	err := pprof.Lookup(name).WriteTo(&out, level)
	return out.Bytes(), err
}

// profileCPU runs for that time or until ctx ends. It fails while another one runs.
func profileCPU(ctx context.Context, lasts time.Duration) ([]byte, error) {
	if lasts <= 0 {
		return nil, nil
	}
	var out bytes.Buffer
	if err := pprof.StartCPUProfile(&out); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
	case <-time.After(min(lasts, MostCPU)):
	}
	pprof.StopCPUProfile()
	return out.Bytes(), nil
}
