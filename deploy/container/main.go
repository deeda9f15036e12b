// Command container builds the container image: the static program, the few files around it, and
// the image of them, with whichever of docker, podman and buildah there is.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
)

type options struct {
	tag, tool, arch, release string
	tree                     string // where the files of the image are made
	treeOnly                 bool
}

func main() {
	var o options
	flag.StringVar(&o.tag, "tag", "vivarium:latest", "name of the image")
	flag.StringVar(&o.tool, "tool", "", "docker, podman or buildah; the first that works")
	flag.StringVar(&o.arch, "arch", runtime.GOARCH, "architecture of the image")
	flag.StringVar(&o.release, "release", "", "what the program calls its release")
	flag.StringVar(&o.tree, "tree", "bin/image", "directory for the image's files alone")
	flag.BoolVar(&o.treeOnly, "tree-only", false, "make the files and no image")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := errors.New("no arguments, only flags: see -help")
	if flag.NArg() == 0 {
		err = build(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "container:", err)
		os.Exit(1)
	}
}

func build(ctx context.Context, o options) error {
	root, err := projectRoot()
	if err != nil {
		return err
	}
	if o.tree, err = treeIn(root, o.tree); err != nil {
		return err
	}
	tool := ""
	if !o.treeOnly { // it is better to know before the program is built
		if tool, err = findTool(ctx, o.tool); err != nil {
			return err
		}
	}
	if err := makeTree(ctx, root, o); err != nil {
		return err
	}
	if o.treeOnly {
		fmt.Println(o.tree)
		return nil
	}
	args := []string{"build", "--file", filepath.Join(root, "deploy", "container", "Dockerfile"),
		"--tag", o.tag, "--platform", "linux/" + o.arch}
	if tool != "docker" { // else the health check is left out
		args = append(args, "--format", "docker")
	}
	cmd := exec.CommandContext(ctx, tool, append(args, o.tree)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", tool, strings.Join(args, " "), err)
	}
	fmt.Printf("built %s with %s\n", o.tag, tool)
	return nil
}

// projectRoot is the directory of the module.
func projectRoot() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	file := strings.TrimSpace(string(out))
	if err != nil || file == "" || file == os.DevNull {
		return "", fmt.Errorf("run this inside the project: go env GOMOD says %q, %v", file, err)
	}
	return filepath.Dir(file), nil
}

// tools can build an image, each with what shows that it works here: a docker without its daemon
// is no use.
var tools = []struct {
	name  string
	check []string
}{
	{"docker", []string{"info", "--format", "{{.ServerVersion}}"}},
	{"podman", []string{"info"}},
	{"buildah", []string{"info"}},
}

// findTool returns the first tool that works, or wanted if it does.
func findTool(ctx context.Context, wanted string) (string, error) {
	var faults []string
	known := false
	for _, t := range tools {
		if wanted != "" && wanted != t.name {
			continue
		}
		known = true
		path, err := exec.LookPath(t.name)
		if err != nil {
			faults = append(faults, t.name+" is not installed")
			continue
		}
		var said bytes.Buffer
		cmd := exec.CommandContext(ctx, path, t.check...)
		cmd.Stderr = &said
		if err := cmd.Run(); err != nil {
			first, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
			faults = append(faults,
				fmt.Sprintf("%s does not work here: %v: %s", t.name, err, first))
			continue
		}
		return t.name, nil
	}
	if !known {
		return "", fmt.Errorf("-tool %q: docker, podman and buildah are known", wanted)
	}
	return "", fmt.Errorf("nothing can build an image: %s (-tree-only makes its files)",
		strings.Join(faults, "; "))
}

// parts are the directories of an image's tree: system belongs to root, owned to the server's
// user.
var parts = []string{"system", "owned"}

// treeIn is the directory that a -tree names, from the module's. One in which there is more than
// a tree is refused: what was made before is removed, and everything in it is handed to the tool.
func treeIn(root, tree string) (string, error) {
	if tree == "" {
		return "", errors.New("-tree is empty: name a directory for the image's files")
	}
	if !filepath.IsAbs(tree) {
		tree = filepath.Join(root, tree)
	}
	entries, err := os.ReadDir(tree)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("-tree: %w", err)
	}
	for _, e := range entries {
		if !slices.Contains(parts, e.Name()) {
			return "", fmt.Errorf("-tree %s: %s in it is none of the image's files: name a "+
				"directory of its own", tree, e.Name())
		}
	}
	return tree, nil
}

// makeTree makes the files of the image.
func makeTree(ctx context.Context, root string, o options) error {
	for _, part := range parts { // never the directory itself: who made it may want it as it is
		if err := os.RemoveAll(filepath.Join(o.tree, part)); err != nil {
			return err
		}
	}
	for _, dir := range []string{"system/bin", "system/etc", "owned/conf", "owned/data",
		"owned/datalog", "owned/logs"} {
		if err := os.MkdirAll(filepath.Join(o.tree, filepath.FromSlash(dir)), 0o755); err != nil {
			return err
		}
	}
	system := filepath.Join(o.tree, "system")
	for name, text := range map[string]string{
		"passwd": "root:x:0:0:root:/:/bin/false\nzookeeper:x:1000:1000::/data:/bin/false\n",
		"group":  "root:x:0:\nzookeeper:x:1000:\n",
	} {
		err := os.WriteFile(filepath.Join(system, "etc", name), []byte(text), 0o644)
		if err != nil {
			return err
		}
	}
	err := os.Symlink("vivarium", filepath.Join(system, "bin", "zkServer.sh"))
	if err != nil {
		return err
	}
	flags := "-s -w"
	if o.release != "" {
		flags += " -X main.release=" + o.release
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", flags,
		"-o", filepath.Join(system, "bin", "vivarium"), "./cmd/vivarium")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+o.arch)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build the program: %w", err)
	}
	return nil
}
