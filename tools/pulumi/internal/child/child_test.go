package child

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The shell below leaves a grandchild behind that only a signal to the whole group can reach.
const shellWithGrandchild = `sleep 600 & echo $! > "$1"; wait`

func TestCancelEndsTheWholeProcessGroup(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- Run(exec.CommandContext(ctx, "sh", "-c", shellWithGrandchild, "sh", pidFile)) }()
	grandchild := waitForPid(t, pidFile)

	cancel()

	if err := <-result; err == nil {
		t.Fatal("a cancelled command must report that it was ended")
	}
	waitUntilGone(t, grandchild)
}

func TestDescendantsDoNotOutliveACommandThatEnds(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	script := `sleep 600 > /dev/null 2>&1 & echo $! > "$1"`
	if err := Run(exec.CommandContext(context.Background(), "sh", "-c", script, "sh", pidFile)); err != nil {
		t.Fatal(err)
	}
	waitUntilGone(t, waitForPid(t, pidFile))
}

func TestTheExitCodeIsKept(t *testing.T) {
	err := Run(exec.CommandContext(context.Background(), "sh", "-c", "exit 32"))
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != 32 {
		t.Fatalf("want exit code 32, got %v", err)
	}
}

func waitForPid(t *testing.T, pidFile string) int {
	t.Helper()
	var pid int
	waitFor(t, "the pid file", func() bool {
		text, err := os.ReadFile(pidFile)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	})
	return pid
}

func waitUntilGone(t *testing.T, pid int) {
	t.Helper()
	waitFor(t, "the end of the descendant", func() bool {
		if err := syscall.Kill(pid, 0); err == syscall.ESRCH {
			return true
		}
		// Killed but not yet collected by whoever inherited it: as good as gone.
		status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		return err == nil && strings.Contains(string(status), ") Z ")
	})
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatalf("no sign of %s within 10 s", what)
}
