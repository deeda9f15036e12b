package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const module = "github.com/vivariumdb/vivarium"

// builder makes the test binaries of packages, each once.
type builder struct {
	flags []string          // of go test, besides -c
	dir   string            // scratch
	cache string            // go's
	built map[string]string // by package
}

func newBuilder(tags string, flags ...string) (*builder, error) {
	out, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		return nil, fmt.Errorf("ask for go's cache: %w", err)
	}
	dir, err := os.MkdirTemp("", "fuzz-")
	if err != nil {
		return nil, err
	}
	return &builder{flags: append([]string{"-tags", tags}, flags...), dir: dir,
		cache: strings.TrimSpace(string(out)), built: map[string]string{}}, nil
}

func (b *builder) binary(ctx context.Context, pkg string) (string, error) {
	if name := b.built[pkg]; name != "" {
		return name, nil
	}
	name := filepath.Join(b.dir, fmt.Sprint("test", len(b.built)))
	args := append([]string{"test", "-c", "-o", name}, b.flags...)
	text, err := exec.CommandContext(ctx, "go", append(args, pkg)...).CombinedOutput()
	if ctx.Err() != nil {
		return "", errInterrupted
	}
	if err != nil {
		return "", fmt.Errorf("build the tests of %s: %w\n%s", pkg, err, text)
	}
	b.built[pkg] = name
	return name, nil
}

// remove ends the builder's work and its binaries.
func (b *builder) remove() { _ = os.RemoveAll(b.dir) } // scratch

// found is where go test keeps what the targets of a package have found, below go's cache.
func found(cache, pkg string) string {
	return filepath.Join(cache, "fuzz", filepath.FromSlash(module), filepath.FromSlash(pkg))
}
