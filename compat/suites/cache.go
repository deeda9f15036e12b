package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// keepRuns is how many folders of earlier runs stay in the cache.
const keepRuns = 20

// A Cache knows where things are: the sources of this project, and the folder in it, ignored by
// git, that everything fetched, built or logged goes to. Removing the folder costs only time.
type Cache struct {
	root, dir string
}

// openCache finds the root of the project above the working directory and makes the folder.
func openCache() (Cache, error) {
	root, err := os.Getwd()
	if err != nil {
		return Cache{}, err
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "compat", "suites")); err == nil {
			break
		}
		if root == filepath.Dir(root) {
			return Cache{}, errors.New("run this inside the project: no compat/suites above here")
		}
		root = filepath.Dir(root)
	}
	c := Cache{root: root, dir: filepath.Join(root, ".cache", "compat")}
	return c, os.MkdirAll(c.dir, 0o755)
}

// Path returns a path in the cache.
func (c Cache) Path(elem ...string) string {
	return filepath.Join(append([]string{c.dir}, elem...)...)
}

// Source returns a path in compat.
func (c Cache) Source(elem ...string) string {
	return filepath.Join(append([]string{c.root, "compat"}, elem...)...)
}

// Short returns path as a reader at the root of the project would type it.
func (c Cache) Short(path string) string {
	if path == "" {
		return ""
	}
	if rel, err := filepath.Rel(c.root, path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}

// RunFolder makes the folder of this run, dir if given, and forgets the oldest ones in the cache.
func (c Cache) RunFolder(dir string, now time.Time) (string, error) {
	if dir != "" {
		dir, err := filepath.Abs(dir)
		if err != nil {
			return "", err
		}
		return dir, os.MkdirAll(dir, 0o755)
	}
	runs := c.Path("runs")
	old, err := os.ReadDir(runs)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for len(old) >= keepRuns {
		if err := os.RemoveAll(filepath.Join(runs, old[0].Name())); err != nil {
			return "", err
		}
		old = slices.Delete(old, 0, 1)
	}
	dir = filepath.Join(runs, now.Format("20060102-150405"))
	return dir, os.MkdirAll(dir, 0o755)
}

// once makes what dir holds, unless an earlier run made the very same: key says what "the same"
// is. fill gets an empty folder, which becomes dir if it succeeds.
func (c Cache) once(dir, key string, fill func(dir string) error) error {
	stamp := filepath.Join(dir, "compat-key")
	want := fmt.Sprintf("%x\n", sha256.Sum256([]byte(key)))
	if got, err := os.ReadFile(stamp); err == nil && string(got) == want {
		return nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := fill(dir); err != nil {
		return err
	}
	return os.WriteFile(stamp, []byte(want), 0o644)
}

// writeJSON writes v to path for people to read.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
