package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
	"google.golang.org/protobuf/types/known/emptypb"
)

//go:embed required_packages.py
var requiredPackagesScript string

// pythonOf finds the Python of a program by the options of its project file: `virtualenv` and `toolchain`.
func pythonOf(info *pulumirpc.ProgramInfo) (toolchain.Toolchain, error) {
	options := toolchain.PythonOptions{Root: info.GetRootDirectory(), ProgramDir: info.GetProgramDirectory()}
	for name, value := range info.GetOptions().AsMap() {
		text, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("runtime option %q must be a string", name)
		}
		switch name {
		case "virtualenv":
			options.Virtualenv = text
		case "toolchain":
			switch strings.ToLower(text) {
			case "pip":
				options.Toolchain = toolchain.Pip
			case "poetry":
				options.Toolchain = toolchain.Poetry
			case "uv":
				options.Toolchain = toolchain.Uv
			case "", "auto":
				options.Toolchain = toolchain.Auto
			default:
				return nil, fmt.Errorf("runtime option toolchain is %q; it may be pip, poetry or uv", text)
			}
		default:
			return nil, fmt.Errorf("runtime option %q is not known to this language host; "+
				"it may be virtualenv or toolchain", name)
		}
	}
	return toolchain.ResolveToolchain(options)
}

func (h *host) Handshake(
	_ context.Context, r *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	if r.EngineAddress != "" {
		h.setEngine(r.EngineAddress)
	}
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

// GetRequiredPackages names the provider plugins of the Pulumi packages that the program's Python has installed.
func (h *host) GetRequiredPackages(
	request context.Context, r *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	ctx, cancel := h.bound(request)
	defer cancel()
	python, err := pythonOf(r.Info)
	if err != nil {
		return nil, err
	}
	if err := python.ValidateVenv(ctx); err != nil {
		return nil, err
	}
	cmd, err := python.Command(ctx, "-c", requiredPackagesScript)
	if err != nil {
		return nil, err
	}
	output, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return nil, fmt.Errorf("could not list the Pulumi packages of %s: %w\n%s", cmd.Path, err, exit.Stderr)
		}
		return nil, fmt.Errorf("could not run %s: %w", cmd.Path, err)
	}
	response := &pulumirpc.GetRequiredPackagesResponse{}
	if err := json.Unmarshal(output, &response.Packages); err != nil {
		return nil, fmt.Errorf("the list of Pulumi packages of %s is not JSON: %w", cmd.Path, err)
	}
	return response, nil
}

func (h *host) About(request context.Context, r *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	ctx, cancel := h.bound(request)
	defer cancel()
	python, err := pythonOf(r.Info)
	if err != nil {
		return nil, err
	}
	about, err := python.About(ctx)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.AboutResponse{Executable: about.PythonExecutable, Version: about.PythonVersion.String()}, nil
}

func (h *host) GetProgramDependencies(
	request context.Context, r *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	ctx, cancel := h.bound(request)
	defer cancel()
	python, err := pythonOf(r.Info)
	if err != nil {
		return nil, err
	}
	installed, err := python.ListPackages(ctx, r.TransitiveDependencies)
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetProgramDependenciesResponse{}
	for _, dependency := range installed {
		response.Dependencies = append(response.Dependencies,
			&pulumirpc.DependencyInfo{Name: dependency.Name, Version: dependency.Version})
	}
	return response, nil
}

// InstallDependencies makes the virtual environment of a project and streams what the installer prints.
func (h *host) InstallDependencies(
	r *pulumirpc.InstallDependenciesRequest, stream pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	ctx, cancel := h.bound(stream.Context())
	defer cancel()
	python, err := pythonOf(r.Info)
	if err != nil {
		return err
	}
	var sending sync.Mutex // a stream takes one Send at a time
	send := func(response *pulumirpc.InstallDependenciesResponse) error {
		sending.Lock()
		defer sending.Unlock()
		return stream.Send(response)
	}
	stdout := writer(func(b []byte) error { return send(&pulumirpc.InstallDependenciesResponse{Stdout: b}) })
	stderr := writer(func(b []byte) error { return send(&pulumirpc.InstallDependenciesResponse{Stderr: b}) })
	directory := r.Info.GetProgramDirectory()
	return python.InstallDependencies(ctx, directory, r.UseLanguageVersionTools, true, stdout, stderr)
}

// Cancel ends the program and the plugins that run, and then the host.
func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.end()
	return &emptypb.Empty{}, nil
}
