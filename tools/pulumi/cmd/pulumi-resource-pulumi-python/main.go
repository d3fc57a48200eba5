// Command pulumi-resource-pulumi-python starts the official script of that name, which lies beside it with the
// suffix `.sh` and serves dynamic providers, and ends it together with the engine. The script alone lives on
// when the engine is killed, and a provider that lives on can still launch a machine which nobody records.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"sophia-infra/tools/pulumi/internal/child"
)

func main() {
	code, err := serve()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-resource-pulumi-python:", err)
	}
	os.Exit(code)
}

func serve() (int, error) {
	executable, err := os.Executable()
	if err != nil {
		return 1, err
	}
	// The script stays in this process's group: the engine signals that group when it ends a plugin, and one
	// signal to the group ends all of it here.
	if syscall.Getpgrp() != os.Getpid() {
		if err := syscall.Setpgid(0, 0); err != nil {
			return 1, fmt.Errorf("could not make an own process group: %w", err)
		}
	}
	child.WhenParentEnds(func() { _ = syscall.Kill(0, syscall.SIGKILL) })
	script := filepath.Join(filepath.Dir(executable), "pulumi-resource-pulumi-python.sh")
	cmd := exec.Command(script, os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}
