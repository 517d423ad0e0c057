package lab

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// CPU is the user and system time that a process has used, in steps of 10 ms.
// It reads /proc, so it is there on Linux alone.
func CPU(pid int) (time.Duration, error) {
	const tick = 10 * time.Millisecond // USER_HZ, which is 100 on every Linux
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("cannot read the time of process %d: %w", pid, err)
	}
	// The name may hold spaces; fields are counted from its end.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("cannot read the time of process %d: %q", pid, data)
	}
	total := time.Duration(0)
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("cannot read the time of process %d: %w", pid, err)
		}
		total += time.Duration(ticks) * tick
	}
	return total, nil
}

// CPU is the time that the process has used.
func (p *Process) CPU() (time.Duration, error) { return CPU(p.cmd.Process.Pid) }
