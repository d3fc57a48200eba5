package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"

	"sophia-infra/tools/pulumi/internal/child"
)

// alreadyReported is the exit code by which a Python program says that it has shown its error itself.
const alreadyReported = 32

// Run runs the Python program of a stack and returns when it has ended.
func (h *host) Run(request context.Context, r *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	ctx, cancel := h.bound(request)
	defer cancel()
	if r.AttachDebugger {
		return &pulumirpc.RunResponse{Error: "this language host has no debugger: use the official Pulumi CLI"}, nil
	}
	python, err := pythonOf(r.Info)
	if err != nil {
		return nil, err
	}
	executable, err := os.Executable()
	if err != nil {
		return nil, err
	}
	runner := filepath.Join(filepath.Dir(executable), "pulumi-language-python-exec")
	cmd, err := python.Command(ctx, programArguments(runner, h.engineAddress(), r)...)
	if err != nil {
		return nil, err
	}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	configuration, err := configurationEnvironment(r)
	if err != nil {
		return nil, err
	}
	cmd.Env = append(cmd.Env, configuration...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return programResult(h.life, child.Run(cmd)), nil
}

// programResult tells a program that reported its own failure (bail) from one that just died.
func programResult(life context.Context, err error) *pulumirpc.RunResponse {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}
	case life.Err() != nil:
		return &pulumirpc.RunResponse{Bail: true} // ended on purpose: the engine knows why
	case !errors.As(err, &exit):
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("could not run the Python program: %v", err)}
	case exit.ExitCode() == alreadyReported:
		return &pulumirpc.RunResponse{Bail: true}
	case exit.ExitCode() < 0:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the Python program was ended from outside (%v)", exit)}
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the Python program exited with code %d", exit.ExitCode())}
	}
}

func programArguments(runner, engine string, r *pulumirpc.RunRequest) []string {
	arguments := []string{"-u", runner}
	add := func(name, value string) {
		if value != "" {
			arguments = append(arguments, "--"+name, value)
		}
	}
	add("monitor", r.MonitorAddress)
	add("engine", engine)
	add("project", r.Project)
	add("root_directory", r.Info.GetRootDirectory())
	add("stack", r.Stack)
	add("pwd", r.Pwd)
	add("dry_run", strconv.FormatBool(r.DryRun))
	add("parallel", strconv.Itoa(int(r.Parallel)))
	add("organization", r.Organization)
	program := filepath.Join(r.Info.GetProgramDirectory(), r.Info.GetEntryPoint())
	return append(append(arguments, program), r.Args...)
}

// configurationEnvironment passes the stack configuration on. The SDK wants `{}` and `[]`, never null.
func configurationEnvironment(r *pulumirpc.RunRequest) ([]string, error) {
	values, secretKeys := r.Config, r.ConfigSecretKeys
	if values == nil {
		values = map[string]string{}
	}
	if secretKeys == nil {
		secretKeys = []string{}
	}
	valuesJSON, err := json.Marshal(values)
	if err != nil {
		return nil, err
	}
	secretKeysJSON, err := json.Marshal(secretKeys)
	if err != nil {
		return nil, err
	}
	return []string{
		"PULUMI_CONFIG=" + string(valuesJSON),
		"PULUMI_CONFIG_SECRET_KEYS=" + string(secretKeysJSON),
	}, nil
}

// RunPlugin runs a policy pack or a plugin written in Python and streams what it prints.
func (h *host) RunPlugin(r *pulumirpc.RunPluginRequest, stream pulumirpc.LanguageRuntime_RunPluginServer) error {
	ctx, cancel := h.bound(stream.Context())
	defer cancel()
	python, err := pythonOf(r.Info)
	if err != nil {
		return err
	}
	cmd, err := python.Command(ctx, pluginArguments(r)...)
	if err != nil {
		return err
	}
	cmd.Dir, cmd.Env = r.Pwd, r.Env
	venv, err := python.VirtualEnvPath(ctx)
	if err != nil {
		return err
	}
	if venv != "" {
		cmd.Env = toolchain.ActivateVirtualEnv(r.Env, venv)
	}
	var sending sync.Mutex // a stream takes one Send at a time
	send := func(response *pulumirpc.RunPluginResponse) error {
		sending.Lock()
		defer sending.Unlock()
		return stream.Send(response)
	}
	cmd.Stdout = writer(func(b []byte) error {
		return send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stdout{Stdout: b}})
	})
	cmd.Stderr = writer(func(b []byte) error {
		return send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Stderr{Stderr: b}})
	})
	err = child.Run(cmd)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code := int32(exit.ExitCode())
		return send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: code}})
	}
	return err
}

func pluginArguments(r *pulumirpc.RunPluginRequest) []string {
	directory := r.Info.GetProgramDirectory()
	if r.Kind == "analyzer" {
		return append(append([]string{"-u", "-m", "pulumi.policy"}, r.Args...), directory)
	}
	return append([]string{"-u", directory}, r.Args...)
}

type writer func([]byte) error

func (w writer) Write(b []byte) (int, error) {
	if err := w(append([]byte(nil), b...)); err != nil {
		return 0, err
	}
	return len(b), nil
}
