package diagnose

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// machineFiles say what the kernel allows and what it gives. Those that are
// missing are left out.
func machineFiles() []string {
	return []string{
		"/proc/version", "/proc/loadavg", "/proc/meminfo", "/proc/self/limits", "/proc/self/status", "/proc/self/cgroup",
		"/proc/net/sockstat", "/proc/net/sockstat6", "/proc/pressure/cpu", "/proc/pressure/memory", "/proc/pressure/io",
		"/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu.stat", "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.events",
		"/proc/sys/fs/file-max", "/proc/sys/fs/file-nr", "/proc/sys/net/core/somaxconn", "/proc/sys/net/ipv4/ip_local_port_range",
		"/proc/sys/net/ipv4/tcp_max_syn_backlog", "/proc/sys/net/ipv4/tcp_fin_timeout", "/proc/sys/net/ipv4/tcp_tw_reuse",
		"/proc/sys/net/core/rmem_max", "/proc/sys/net/core/wmem_max", "/proc/sys/vm/overcommit_memory",
	}
}

// maxMachineFile bounds what is read of one.
const maxMachineFile = 64 << 10

func machine() []byte {
	var out bytes.Buffer
	for _, name := range machineFiles() {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(f, maxMachineFile))
		_ = f.Close()
		if err == nil {
			fmt.Fprintf(&out, "== %s\n%s\n", name, bytes.TrimSpace(text))
		}
	}
	writeDescriptors(&out)
	return out.Bytes()
}

// writeDescriptors counts the open descriptors by what they are; files are named.
func writeDescriptors(w io.Writer) {
	const folder = "/proc/self/fd"
	entries, err := os.ReadDir(folder)
	if err != nil {
		fmt.Fprintf(w, "== descriptors\n%v\n", err)
		return
	}
	counts := make(map[string]int)
	for _, e := range entries {
		target, err := os.Readlink(folder + "/" + e.Name())
		if err != nil {
			continue // it was closed meanwhile
		}
		if kind, _, ok := strings.Cut(target, ":["); ok {
			target = kind
		}
		counts[target]++
	}
	fmt.Fprintf(w, "== descriptors\n%d open\n", len(entries))
	for _, target := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], strings.Compare(a, b))
	}) {
		fmt.Fprintf(w, "%6d %s\n", counts[target], target)
	}
}
