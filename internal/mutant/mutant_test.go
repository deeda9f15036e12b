package mutant_test

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/internal/mutant"
)

func TestTable(t *testing.T) {
	name := regexp.MustCompile(`^(tree|sessions|storage|stream|store|watches|reads|client|limits|` +
		`oracle|replication|members|membership|raft)(-[a-z0-9]+)+$`)
	seen := map[string]bool{}
	for _, m := range mutant.List() {
		if !name.MatchString(m.Name) {
			t.Errorf("name %q does not start with a list's name", m.Name)
		}
		if seen[m.Name] {
			t.Errorf("name %q stands in the table twice", m.Name)
		}
		seen[m.Name] = true
		if m.Known != "" && seen[m.Known] {
			t.Errorf("%q is the known bug of two mutants, one is %q", m.Known, m.Name)
		}
		seen[m.Known] = true
		if m.Text == "" {
			t.Errorf("mutant %q has no text", m.Name)
		}
	}
}

// A mutant that no code asks for would be hunted in vain, or forever. (internal/tidy checks that
// what code asks for is in a table.)
func TestPlanted(t *testing.T) {
	asked := map[string]bool{}
	on := regexp.MustCompile(`mutant\.On\("([a-z0-9-]+)"\)`)
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != "." && strings.HasPrefix(e.Name(), "."):
			return fs.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		code, err := fs.ReadFile(root, path)
		for _, found := range on.FindAllSubmatch(code, -1) {
			asked[string(found[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutant.List() {
		if !asked[m.Name] {
			t.Errorf("no code asks for mutant %q", m.Name)
		}
	}
}

func TestSelect(t *testing.T) {
	defer mutant.Select("")
	for _, test := range []struct {
		name string
		ok   bool
	}{
		{"", true},
		{"tree-multi-not-atomic", mutant.Enabled},
		{"no-such-mutant", false},
	} {
		err := mutant.Select(test.name)
		if (err == nil) != test.ok {
			t.Errorf("Select(%q) = %v, want ok %v", test.name, err, test.ok)
		}
	}
	if err := mutant.Select("tree-multi-not-atomic"); err != nil {
		return
	}
	if !mutant.On("tree-multi-not-atomic") || mutant.On("tree-multi-error-list") {
		t.Errorf("On does not follow Select(%q)", mutant.Selected())
	}
}
