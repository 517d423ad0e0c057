package lab

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Resident is the process's resident memory in bytes.
func (p *Process) Resident() (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("cannot read the memory of %s: %w", p.Name, err)
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0, fmt.Errorf("cannot read the memory of %s: %q", p.Name, data)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("cannot read the memory of %s: %w", p.Name, err)
	}
	return pages * int64(os.Getpagesize()), nil
}
