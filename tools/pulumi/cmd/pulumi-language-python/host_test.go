package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

// newHost returns a host whose life ends with the test.
func newHost(t *testing.T) *host {
	t.Helper()
	life, end := context.WithCancel(context.Background())
	t.Cleanup(end)
	return &host{life: life, end: end}
}

// programWith returns a program whose virtual environment has a shell script for a Python.
func programWith(t *testing.T, script string) *pulumirpc.ProgramInfo {
	t.Helper()
	root := t.TempDir()
	bin := filepath.Join(root, "venv", "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "python"), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	options, err := structpb.NewStruct(map[string]any{"virtualenv": "venv"})
	if err != nil {
		t.Fatal(err)
	}
	return &pulumirpc.ProgramInfo{RootDirectory: root, ProgramDirectory: root, EntryPoint: ".", Options: options}
}

func TestHowAProgramEndsDecidesWhatTheEngineIsTold(t *testing.T) {
	for script, want := range map[string]struct {
		bail  bool
		error string
	}{
		"exit 0":      {},
		"exit 32":     {bail: true},
		"exit 3":      {error: "the Python program exited with code 3"},
		"kill -9 $$":  {error: "the Python program was ended from outside (signal: killed)"},
		"kill -15 $$": {error: "the Python program was ended from outside (signal: terminated)"},
	} {
		t.Run(script, func(t *testing.T) {
			response, err := newHost(t).Run(context.Background(), &pulumirpc.RunRequest{Info: programWith(t, script)})
			if err != nil {
				t.Fatal(err)
			}
			if response.Bail != want.bail || response.Error != want.error {
				t.Fatalf("want %+v, got bail %v, error %q", want, response.Bail, response.Error)
			}
		})
	}
}

func TestAbsentConfigurationIsEmptyAndNotNull(t *testing.T) {
	output := filepath.Join(t.TempDir(), "output")
	info := programWith(t, `echo "$PULUMI_CONFIG $PULUMI_CONFIG_SECRET_KEYS" > `+output)
	if _, err := newHost(t).Run(context.Background(), &pulumirpc.RunRequest{Info: info}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(text)); got != "{} []" {
		t.Fatalf("want {} [], got %s", got)
	}
}

func TestCancelEndsARunningProgramWithoutAnError(t *testing.T) {
	h := newHost(t)
	started := filepath.Join(t.TempDir(), "started")
	info := programWith(t, "touch "+started+"; exec sleep 600")
	answer := make(chan *pulumirpc.RunResponse, 1)
	go func() {
		response, err := h.Run(context.Background(), &pulumirpc.RunRequest{Info: info})
		if err != nil {
			t.Error(err)
		}
		answer <- response
	}()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(started); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the program did not start")
		}
	}
	if _, err := h.Cancel(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if response := <-answer; !response.Bail || response.Error != "" {
		t.Fatalf("want a bail without an error, got %v", response)
	}
}

func TestTheProgramGetsWhatTheEngineSaid(t *testing.T) {
	arguments := programArguments("runner", "127.0.0.1:1", &pulumirpc.RunRequest{
		MonitorAddress: "127.0.0.1:2", Project: "p", Stack: "s", Pwd: "/w", DryRun: true, Parallel: 4,
		Organization: "o", Args: []string{"last"},
		Info: &pulumirpc.ProgramInfo{RootDirectory: "/r", ProgramDirectory: "/r/app", EntryPoint: "."},
	})
	want := []string{
		"-u", "runner", "--monitor", "127.0.0.1:2", "--engine", "127.0.0.1:1", "--project", "p",
		"--root_directory", "/r", "--stack", "s", "--pwd", "/w", "--dry_run", "true", "--parallel", "4",
		"--organization", "o", "/r/app", "last",
	}
	if !slices.Equal(arguments, want) {
		t.Fatalf("want %v\ngot  %v", want, arguments)
	}
}

func TestAnUnknownRuntimeOptionIsRefusedByName(t *testing.T) {
	options, err := structpb.NewStruct(map[string]any{"typechecker": "mypy"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = pythonOf(&pulumirpc.ProgramInfo{Options: options})
	if err == nil || !strings.Contains(err.Error(), `"typechecker"`) {
		t.Fatalf("want an error that names the option, got %v", err)
	}
}

func TestRequiredPackagesComeFromThePluginFilesOfTheEnvironment(t *testing.T) {
	packages, err := json.Marshal([]map[string]string{
		{"name": "kubernetes", "kind": "resource", "version": "v4.33.0", "server": ""},
	})
	if err != nil {
		t.Fatal(err)
	}
	info := programWith(t, "echo '"+string(packages)+"'")
	response, err := newHost(t).GetRequiredPackages(
		context.Background(), &pulumirpc.GetRequiredPackagesRequest{Info: info})
	if err != nil {
		t.Fatal(err)
	}
	if len(response.Packages) != 1 || response.Packages[0].Name != "kubernetes" ||
		response.Packages[0].Version != "v4.33.0" {
		t.Fatalf("got %v", response.Packages)
	}
}

func TestAPolicyPackIsStartedAsAModuleWithItsFolderLast(t *testing.T) {
	got := pluginArguments(&pulumirpc.RunPluginRequest{
		Kind: "analyzer", Args: []string{"127.0.0.1:1"}, Info: &pulumirpc.ProgramInfo{ProgramDirectory: "/pack"},
	})
	if want := []string{"-u", "-m", "pulumi.policy", "127.0.0.1:1", "/pack"}; !slices.Equal(got, want) {
		t.Fatalf("want %v, got %v", want, got)
	}
}
