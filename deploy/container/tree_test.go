package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTreeKeepsWhatIsNotItsOwn: a directory with anything else in it is refused before anything
// is made, and loses nothing.
func TestTreeKeepsWhatIsNotItsOwn(t *testing.T) {
	root, err := projectRoot()
	if err != nil {
		t.Fatal(err)
	}
	others := t.TempDir()
	precious := filepath.Join(others, "precious")
	if err := os.WriteFile(precious, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ tree, want string }{
		{"", "-tree is empty"},
		{".", "none of the image's files"},
		{root, "none of the image's files"},
		{filepath.Dir(precious), "precious in it is none of the image's files"},
		{precious, "not a directory"},
	} {
		// treeIn, not build, for the module's own directory: what this is about would remove it.
		tree, err := treeIn(root, test.tree)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("treeIn(%q) = %q, %v, want %q", test.tree, tree, err, test.want)
		}
	}
	err = build(t.Context(), options{tree: others, treeOnly: true, arch: "none"})
	if err == nil || !strings.Contains(err.Error(), "name a directory of its own") {
		t.Errorf("build in %s = %v, want a refusal", others, err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Errorf("after the refusal: %v", err)
	}
}

// TestTreeIsMadeAnew over one that was made before; without a Go of that architecture it ends
// before the program is built.
func TestTreeIsMadeAnew(t *testing.T) {
	root, err := projectRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	stale := filepath.Join(dir, "system", "bin", "stale")
	if err := os.MkdirAll(stale, 0o700); err != nil {
		t.Fatal(err)
	}
	tree, err := treeIn(root, dir)
	if err != nil || tree != dir {
		t.Fatalf("treeIn(%q) = %q, %v, want it as it is", dir, tree, err)
	}
	if err := makeTree(t.Context(), root, options{tree: tree, arch: "none"}); err == nil {
		t.Error("a program was built for the architecture none")
	}
	if _, err := os.Stat(stale); err == nil {
		t.Errorf("%s is there still", stale)
	}
	if _, err := os.Stat(filepath.Join(dir, "owned", "datalog")); err != nil {
		t.Error(err)
	}
}
