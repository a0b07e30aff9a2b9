// Package proctest starts the servers that tests need as processes that do not outlive the test.
package proctest

import (
	"os/exec"
	"runtime"
	"syscall"
)

// Start starts cmd in a process group of its own, since Ctrl-C is for the caller to act on; if this process dies the child
// gets the signal. The channel is closed when the child has ended and was waited for.
func Start(cmd *exec.Cmd, death syscall.Signal) (<-chan struct{}, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig, cmd.SysProcAttr.Setpgid = death, true
	started, exited := make(chan error), make(chan struct{})
	go func() {
		// Pdeathsig is about the thread that started the child, so this goroutine keeps that thread as long as it runs.
		runtime.LockOSThread()
		defer close(exited)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	return exited, <-started
}
