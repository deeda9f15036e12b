package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestImageByBuildah builds the image with a real tool, and holds it against what the other tests
// take the Dockerfile to describe.
func TestImageByBuildah(t *testing.T) {
	tool, err := findTool(t.Context(), "buildah")
	if err != nil || os.Getuid() != 0 {
		t.Skipf("only root with buildah can look into an image: %v", err)
	}
	run := func(args ...string) string {
		t.Helper()
		var said strings.Builder
		cmd := exec.Command(tool, args...)
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, said.String())
		}
		return strings.TrimSpace(string(out))
	}
	want := newImage(t)
	tag := fmt.Sprintf("vivarium-test:%d", os.Getpid())
	err = build(t.Context(), options{tag: tag, tool: tool, arch: goarch(), tree: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer run("rmi", tag)
	name := run("from", tag)
	defer run("rm", name)
	if diff := cmp.Diff(listing(t, want.root), listing(t, run("mount", name))); diff != "" {
		t.Errorf("files (-described +built):\n%s", diff)
	}
	var built struct {
		Docker struct {
			Config struct {
				Env, Entrypoint, Cmd         []string
				User, WorkingDir, StopSignal string
				Volumes, ExposedPorts        map[string]any
				Healthcheck                  struct {
					Test     []string
					Interval time.Duration
				}
			} `json:"config"`
		}
	}
	if err := json.Unmarshal([]byte(run("inspect", "--type", "image", tag)), &built); err != nil {
		t.Fatal(err)
	}
	c := built.Docker.Config
	got := &image{Env: c.Env, User: c.User, WorkingDir: c.WorkingDir, StopSignal: c.StopSignal,
		Entrypoint: c.Entrypoint, Cmd: c.Cmd}
	if len(c.Healthcheck.Test) > 0 && c.Healthcheck.Test[0] == "CMD" {
		got.Healthcheck = c.Healthcheck.Test[1:]
	}
	for volume := range c.Volumes {
		got.Volumes = append(got.Volumes, volume)
	}
	for port := range c.ExposedPorts {
		got.Ports = append(got.Ports, strings.TrimSuffix(port, "/tcp"))
	}
	for _, list := range [][]string{got.Volumes, got.Ports, got.Env, want.Env} {
		slices.Sort(list)
	}
	hidden := cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "root" }, cmp.Ignore())
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(image{}), hidden); diff != "" {
		t.Errorf("settings (-described +built):\n%s", diff)
	}
}

// listing is every file below root with its kind, mode and owner.
func listing(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		owner := info.Sys().(*syscall.Stat_t)
		rel, err := filepath.Rel(root, path)
		files[rel] = fmt.Sprintf("%v %d:%d", info.Mode(), owner.Uid, owner.Gid)
		if !d.IsDir() {
			files[rel] += fmt.Sprintf(" %d bytes", info.Size())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestFindTool says of each tool why it is not used.
func TestFindTool(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := findTool(t.Context(), "")
	want := "nothing can build an image: docker is not installed; podman is not installed; " +
		"buildah is not installed (-tree-only makes its files)"
	if err == nil || err.Error() != want {
		t.Errorf("findTool = %v, want %s", err, want)
	}
	if _, err := findTool(t.Context(), "kaniko"); err == nil ||
		!strings.Contains(err.Error(), "docker, podman and buildah are known") {
		t.Errorf("findTool(kaniko) = %v", err)
	}
	docker := filepath.Join(os.Getenv("PATH"), "docker")
	script := "#!/bin/sh\necho 'Cannot connect to the daemon' >&2\nexit 1\n"
	if err := os.WriteFile(docker, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := findTool(t.Context(), "docker"); err == nil || !strings.Contains(err.Error(),
		"docker does not work here: exit status 1: Cannot connect to the daemon") {
		t.Errorf("findTool(docker) = %v", err)
	}
}
