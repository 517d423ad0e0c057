package lab

import (
	"os/exec"
	"syscall"
)

// dieWithParent leaves no process behind when a proof is itself killed.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
