package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
)

// maxTried bounds how many inputs are looked at for one target: each is a process of its own.
const maxTried = 1000

// maxKept bounds the size of an input that is kept: larger ones are no reading for people.
const maxKept = 4 << 10

// keepAll copies, for each target, of the inputs that go test has found those into the tree that
// together reach most of what the target's own seeds do not.
func keepAll(ctx context.Context, progress io.Writer, f flags, targets []target) error {
	b, err := newBuilder(f.tags, "-cover", "-coverpkg", module+"/...")
	if err != nil {
		return err
	}
	defer b.remove()
	for _, t := range targets {
		binary, err := b.binary(ctx, t.pkg)
		if err != nil {
			return err
		}
		k := keeper{target: t, binary: binary, scratch: b.dir,
			found: filepath.Join(found(b.cache, t.pkg), t.name)}
		kept, of, err := k.keep(ctx, f.keep)
		if err != nil {
			return fmt.Errorf("%s %s: %w", t.pkg, t.name, err)
		}
		_, _ = fmt.Fprintf(progress, "%s %s: %d of %d inputs kept\n", t.pkg, t.name, kept, of)
	}
	return nil
}

// keeper chooses the inputs of one target.
type keeper struct {
	target
	binary, scratch string
	found           string // the directory of what go test has found
}

// candidate is an input with what it reaches.
type candidate struct {
	name    string
	size    int64
	reaches map[string]bool
}

func (k *keeper) keep(ctx context.Context, most int) (kept, of int, err error) {
	names, err := os.ReadDir(k.found)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, 0, err
	}
	have, err := k.reach(ctx, "")
	if err != nil {
		return 0, 0, err
	}
	var all []candidate
	for _, entry := range names { // their names are hashes: the first are any
		if len(all) == maxTried {
			break
		}
		info, err := entry.Info()
		if err != nil {
			return 0, 0, err
		}
		if info.Size() > maxKept {
			continue
		}
		reaches, err := k.try(ctx, entry.Name())
		if err != nil {
			return 0, 0, err
		}
		all = append(all, candidate{entry.Name(), info.Size(), reaches})
	}
	for kept < most {
		best, gain := -1, 0
		for i := range all {
			n := missing(all[i].reaches, have)
			if n > gain || n == gain && n > 0 && all[i].size < all[best].size {
				best, gain = i, n
			}
		}
		if best < 0 {
			break
		}
		for block := range all[best].reaches {
			have[block] = true
		}
		if err := k.copy(all[best].name); err != nil {
			return kept, len(names), err
		}
		kept++
	}
	return kept, len(names), nil
}

// missing counts what is reached and not there yet.
func missing(reaches, have map[string]bool) (n int) {
	for block := range reaches {
		if !have[block] {
			n++
		}
	}
	return n
}

func (k *keeper) seeds() string {
	return filepath.Join(filepath.FromSlash(k.pkg), "testdata", "fuzz", k.name)
}

// try runs one input that go test has found, which has to lie in the tree meanwhile.
func (k *keeper) try(ctx context.Context, name string) (map[string]bool, error) {
	to := filepath.Join(k.seeds(), name)
	if _, err := os.Stat(to); err == nil {
		return nil, nil // it is kept already: it counts as a seed
	}
	if err := k.copy(name); err != nil {
		return nil, err
	}
	reaches, err := k.reach(ctx, "/^"+regexp.QuoteMeta(name)+"$")
	if removed := os.Remove(to); err == nil {
		err = removed
	}
	return reaches, err
}

func (k *keeper) copy(name string) error {
	b, err := os.ReadFile(filepath.Join(k.found, name))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(k.seeds(), 0o777); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(k.seeds(), name), b, 0o666)
}

// reach runs the target on its seeds, or on some of them, and returns the blocks it reaches.
func (k *keeper) reach(ctx context.Context, which string) (map[string]bool, error) {
	profile := filepath.Join(k.scratch, "profile")
	cmd := exec.CommandContext(ctx, k.binary, "-test.run", "^"+k.name+"$"+which,
		"-test.coverprofile", profile)
	cmd.Dir = k.pkg
	text, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return nil, errInterrupted
	}
	if err != nil {
		return nil, fmt.Errorf("%v: %w\n%s", cmd.Args, err, text)
	}
	text, err = os.ReadFile(profile)
	if err != nil {
		return nil, err
	}
	return reached(text), nil
}

// reached reads the blocks of a profile that were run.
func reached(profile []byte) map[string]bool {
	blocks := map[string]bool{}
	lines := slices.Collect(bytes.Lines(profile))
	for _, line := range lines[min(1, len(lines)):] {
		line = bytes.TrimSpace(line)
		if block, ok := bytes.CutSuffix(line, []byte(" 0")); !ok && len(block) > 0 {
			blocks[string(line[:bytes.LastIndexByte(line, ' ')])] = true
		}
	}
	return blocks
}
