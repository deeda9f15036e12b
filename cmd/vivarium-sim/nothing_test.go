package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/internal/mutant"
)

// TestNothingToDo: what has looked at nothing has found nothing, and must not pass for that.
func TestNothingToDo(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "corpus.txt")
	if err := os.WriteFile(empty, []byte(corpusHead), 0o666); err != nil {
		t.Fatal(err)
	}
	tests := [][]string{{"corpus", "-file", empty}, {"determinism", "-seeds", "0"}}
	if mutant.Enabled {
		tests = append(tests, []string{"mutants", "-only", "no such mutant"},
			[]string{"mutants", "-sweeps", "0"}, []string{"mutants", "-max", "0"})
	}
	for _, args := range tests {
		var out strings.Builder
		if err := newRoot(nil, &out, io.Discard).ExecuteArgs(args); err == nil {
			t.Errorf("%v passes: %s", args, out.String())
		}
	}
}
