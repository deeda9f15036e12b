package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestParseProfile(t *testing.T) {
	const profile = `mode: set
github.com/vivariumdb/vivarium/core/b.go:4.2,5.10 2 0
github.com/vivariumdb/vivarium/core/a.go:9.2,9.10 1 0
github.com/vivariumdb/vivarium/core/b.go:4.2,5.10 2 1
`
	blocks, err := parseProfile([]byte(profile))
	if err != nil || len(blocks) != 2 {
		t.Fatalf("parseProfile(%q) = %v, %v, want two blocks", profile, blocks, err)
	}
	if a := (block{"core/a.go", 9, 9, 1, false}); blocks[0] != a {
		t.Errorf("the first block is %+v, want %+v", blocks[0], a)
	}
	if b := (block{"core/b.go", 4, 5, 2, true}); blocks[1] != b {
		t.Errorf("the second block is %+v, want %+v: another process has reached it", blocks[1], b)
	}
	if _, err := parseProfile([]byte("core/a.go:x\n")); err == nil {
		t.Error("a profile that is none was read")
	}
}

func TestPlanted(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.go")
	const text = `package a

func f(n int) {
	if n > 1 && mutant.On("x") {
		n++
	} else if n > 2 {
		n--
	}
	switch {
	case mutant.On("y"):
		n = 1
	case n > 3:
		n = 2
	}
}
`
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := readSource(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		line, last int
		want       bool
	}{{4, 6, true}, {7, 7, false}, {10, 11, true}, {12, 13, false}} {
		if got := src.planted(block{line: test.line, last: test.last}); got != test.want {
			t.Errorf("lines %d to %d: planted %v, want %v", test.line, test.last, got, test.want)
		}
	}
	if got := src.function(7); got != "f" {
		t.Errorf("line 7 is of function %q, want f", got)
	}
}

// A world that is filmed goes the same way, or what is counted would be another world's.
func TestFilmedTaskIsTheSameWorld(t *testing.T) {
	var traces [2]string
	for i, film := range []bool{false, true} {
		v, err := (&task{Seed: 7, Set: []string{"DurationMs=5000"}, Film: film}).run()
		if err != nil {
			t.Fatal(err)
		}
		traces[i] = v.Trace
	}
	if traces[0] != traces[1] {
		t.Errorf("seed 7 has trace %s when it is filmed, want %s", traces[1], traces[0])
	}
}
