//go:build !linux

package proxy

import "syscall"

// refuseNew has no counterpart here: a client whose connection the kernel
// completed but nobody accepted gets a reset.
func refuseNew(syscall.Conn) error { return nil }
