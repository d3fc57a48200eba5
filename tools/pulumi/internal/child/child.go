// Package child runs the Python processes of the engine so that none outlives it: each has its own process
// group, is ended with its context, and on Linux also dies when the process that started it dies.
package child

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// gracePeriod is the time between the polite signal and the forced one. The engine itself waits 5 s before it
// kills a plugin, so a shorter time leaves the sweeping to us.
const gracePeriod = 3 * time.Second

// Run starts cmd, which must come from exec.CommandContext, and waits for it. When the context of cmd ends, the
// whole process group gets SIGTERM and, after gracePeriod, SIGKILL. Descendants that outlive cmd are killed.
func Run(cmd *exec.Cmd) error {
	// The death signal of Linux is bound to the thread that starts the process, so that thread has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = processAttributes()
	cmd.Cancel = func() error { return signalGroup(cmd, syscall.SIGTERM) }
	cmd.WaitDelay = gracePeriod
	if err := cmd.Start(); err != nil {
		return err
	}
	err := cmd.Wait()
	_ = signalGroup(cmd, syscall.SIGKILL)
	return err
}

func signalGroup(cmd *exec.Cmd, signal syscall.Signal) error {
	if err := syscall.Kill(-cmd.Process.Pid, signal); err != nil && err != syscall.ESRCH {
		return err
	}
	return nil
}

// WhenParentEnds calls ended once the process that holds the other end of standard input is gone, however it
// ended. The engine keeps that pipe open for the life of a plugin and never writes to it. Without such a pipe
// (started by hand) nothing is watched.
func WhenParentEnds(ended func()) {
	state, err := os.Stdin.Stat()
	if err != nil || state.Mode()&os.ModeNamedPipe == 0 {
		return
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		ended()
	}()
}
