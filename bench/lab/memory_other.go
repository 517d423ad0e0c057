//go:build !linux

package lab

import "errors"

// Resident is the process's resident memory in bytes. It is known on Linux alone.
func (p *Process) Resident() (int64, error) {
	return 0, errors.New("resident memory is read from /proc, which this system does not have")
}
