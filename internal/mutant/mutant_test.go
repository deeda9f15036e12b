package mutant_test

import (
	"regexp"
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
		if m.Text == "" {
			t.Errorf("mutant %q has no text", m.Name)
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
