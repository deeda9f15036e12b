package tidy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// rules are all rules, by name.
var rules = []struct {
	name  string
	check func(*Tree) []Problem
}{
	{"imports", checkImports},
	{"top level", checkTopLevel},
	{"sans-IO", checkSansIO},
	{"map ranges", nil}, // needs the types: see typed
	{"format", checkFormat},
	{"columns", checkColumns},
	{"file length", checkFileLength},
	{"function length", checkFunctionLength},
	{"names", checkNames},
	{"package comments", checkPackageComments},
	{"machine paths", checkMachinePaths},
	{"promises", checkTodos},
	{"mutants", checkMutants},
}

// rule returns the rule with this name, for a tree whose imports have the given types.
func rule(t *testing.T, name string, from exports) func(*Tree) []Problem {
	t.Helper()
	for _, r := range rules {
		switch {
		case r.name != name:
			continue
		case r.check == nil:
			return func(tree *Tree) []Problem { return checkMapRange(tree, from) }
		}
		return r.check
	}
	t.Fatalf("no rule %q", name)
	return nil
}

// root returns the directory that holds go.mod.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
		dir = filepath.Dir(dir)
	}
}

func TestTree(t *testing.T) {
	dir := root(t)
	tree, err := Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	var ordering []string
	seen := map[string]bool{}
	for _, f := range tree.goFiles() {
		if d := f.Dir(); ordered(d) && !f.Test && !seen[d] {
			seen[d] = true
			ordering = append(ordering, "./"+d)
		}
	}
	from := exports{}
	if len(ordering) > 0 {
		if from, err = listExports(dir, ordering); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, p := range rule(t, r.name, from)(tree) {
				t.Error(p)
			}
		})
	}
}

// lines returns n lines of text.
func lines(n int, text string) string { return strings.Repeat(text+"\n", n) }

// planted breaks each rule in each way, and keeps it in the ways that look alike.
var planted = []struct {
	rule string
	path string
	text string
	want string // part of the problem; "" means that there is none
}{
	{"imports", "core/a.go", "package core\nimport _ \"" + module + "/replication\"", "table"},
	{"imports", "core/a.go", "package core\nimport _ \"" + module + "/wire\"", ""},
	{"imports", "core/a_test.go", "package core\nimport _ \"" + module + "/client\"", ""},
	{"imports", "client/a.go", "package client\nimport _ \"" + module + "/core\"", "table"},
	{"imports", "wire/a.go", "package wire\nimport _ \"example.com/x\"", "standard"},
	{"imports", "wire/a.go", "package wire\nimport _ \"encoding/binary\"", ""},
	{"imports", "wire/a_test.go", "package wire\nimport _ \"pgregory.net/rapid\"", ""},
	{"imports", "linearizability/a.go",
		"package linearizability\nimport _ \"" + module + "/internal/invariant\"", "table"},
	{"imports", "linearizability/a_test.go",
		"package linearizability\nimport _ \"" + module + "/wire\"", "table"},
	{"imports", "core/a.go", "package core\nimport _ \"go.etcd.io/raft/v3\"", "library"},
	{"imports", "replication/a.go", "package replication\nimport _ \"go.etcd.io/raft/v3\"", ""},
	{"imports", "replication/a.go",
		"package replication\nimport _ \"github.com/cockroachdb/pebble/v2\"", "library"},
	{"imports", "sim/a.go",
		"package sim\nimport _ \"github.com/cockroachdb/pebble/v2/vfs/errorfs\"", ""},
	{"imports", "server/peer/a.go",
		"package peer\nimport _ \"" + module + "/server/config\"", ""},
	{"imports", "thing/a.go", "package thing", "no line"},
	{"imports", "cmd/x/a.go", "package main\nimport _ \"" + module + "/thing\"", "no line"},

	{"top level", "thing/a.txt", "", "not one of those"},
	{"top level", "wire/a.txt", "", ""},
	{"top level", "bin/a.txt", "", ""},

	{"sans-IO", "core/a.go", "package core\nimport _ \"os\"", "imports os"},
	{"sans-IO", "core/a.go", "package core\nimport _ \"net/http\"", "imports net/http"},
	{"sans-IO", "core/a.go", "package core\nimport _ \"net/netip\"", ""},
	{"sans-IO", "core/a.go", "package core\nimport _ \"sync/atomic\"", "imports sync/atomic"},
	{"sans-IO", "core/a.go", "package core\nimport _ \"math/rand/v2\"", "imports math/rand"},
	{"sans-IO", "core/a.go", "package core\nimport _ \"log/slog\"", "imports log/slog"},
	{"sans-IO", "core/a.go", "package core\nimport _ \"context\"", "imports context"},
	{"sans-IO", "core/a_test.go", "package core\nimport _ \"os\"", ""},
	{"sans-IO", "server/a.go", "package server\nimport _ \"os\"", ""},
	{"sans-IO", "replication/store/a.go", "package store\nimport _ \"os\"", ""},
	{"sans-IO", "client/protocol/a.go", "package protocol\nimport _ \"os\"", "imports os"},
	{"sans-IO", "client/a.go", "package client\nimport _ \"net\"", ""},
	{"sans-IO", "core/a.go", "package core\nimport \"time\"\nvar _ = time.Now()", "time.Now"},
	{"sans-IO", "core/a.go", "package core\nimport t \"time\"\nvar _ = t.After(1)", "time.After"},
	{"sans-IO", "core/a.go", "package core\nimport \"time\"\nvar _ = time.Second", ""},
	{"sans-IO", "core/a.go", "package core\nfunc f() { go f() }", "a go statement"},
	{"sans-IO", "core/a.go", "package core\nfunc f() { select {} }", "a select statement"},
	{"sans-IO", "core/a.go", "package core\nvar c chan int", "a channel"},
	{"sans-IO", "core/a.go", "package core\nfunc f() { println(1) }", "println"},

	{"map ranges", "core/a.go",
		"package core\nfunc f(m map[int]int) {\n\tfor range m {\n\t}\n}", "a loop"},
	{"map ranges", "core/a.go",
		"package core\ntype t map[int]int\nfunc f(m t) {\n\tfor range m {\n\t}\n}", "a loop"},
	{"map ranges", "core/a.go", "package core\nfunc f(m map[int]int) {\n" +
		"\tfor range m { //order-free: only counted\n\t}\n}", ""},
	{"map ranges", "core/a.go", "package core\nfunc f(m map[int]int) {\n" +
		"\tfor range m { //order-free:\n\t}\n}", "a loop"},
	{"map ranges", "core/a.go",
		"package core\nfunc f(m []int) {\n\tfor range m {\n\t}\n}", ""},
	{"map ranges", "sim/a.go",
		"package sim\nfunc f(m map[int]int) {\n\tfor range m {\n\t}\n}", "a loop"},
	{"map ranges", "server/a.go",
		"package server\nfunc f(m map[int]int) {\n\tfor range m {\n\t}\n}", ""},
	{"map ranges", "core/a.go", "package core\nimport \"maps\"\n" +
		"func f(m map[int]int) {\n\tfor range maps.Keys(m) {\n\t}\n}", "a sequence"},
	{"map ranges", "core/a.go", "package core\nimport (\n\"maps\"\n\"slices\"\n)\n" +
		"func f(m map[int]int) []int { return slices.Sorted(maps.Keys(m)) }", ""},
	{"map ranges", "core/a.go", "package core\nimport (\n\"maps\"\n\"slices\"\n)\n" +
		"func f(m map[int]int) []int { return slices.Collect(maps.Keys(m)) }", "a sequence"},

	{"format", "core/a.go", "package core\nvar  x int\n", "not formatted"},
	{"format", "core/a.go", "package core\n\nvar x int\n", ""},

	{"columns", "core/a.go", "package core\n\n// " + strings.Repeat("x", 98) + "\n", "over 100"},
	{"columns", "core/a.go", "package core\n\n// " + strings.Repeat("é", 97) + "\n", ""},
	{"columns", "core/a.go", "package core\n\n// https://" + strings.Repeat("x", 98) + "\n", ""},

	{"file length", "core/a.go", "package core\n" + lines(1000, "//"), "over 1,000"},
	{"file length", "core/a.go", "package core\n" + lines(999, "//"), ""},
	{"file length", "core/a.go", "//tidy:long one table\n\npackage core\n" + lines(1000, "//"), ""},

	{"function length", "core/a.go",
		"package core\nfunc f() {\n" + lines(69, "f()") + "}", "71 lines"},
	{"function length", "core/a.go", "package core\nfunc f() {\n" + lines(68, "f()") + "}", ""},
	{"function length", "core/a.go",
		"package core\n//tidy:flat one switch\nfunc f() {\n" + lines(69, "f()") + "}", ""},
	{"function length", "core/a.go",
		"package core\n//tidy:flat\nfunc f() {\n" + lines(69, "f()") + "}", "71 lines"},
	{"function length", "core/a.go",
		"package core\nfunc f() {\n_ = []int{\n" + lines(90, "1,") + "}\n}", ""},

	{"names", "core/util/a.go", "package util", "not a name"},
	{"names", "core/a.go", "package types", "not a name"},
	{"names", "core/a.go", "package core", ""},

	{"package comments", "core/a.go", "package core", "no comment"},
	{"package comments", "core/a.go", "// Package other is.\npackage core", "no comment"},
	{"package comments", "core/a.go", "// Package core is.\npackage core", ""},
	{"package comments", "cmd/x/a.go", "// Command x is.\npackage main", ""},
	{"package comments", "cmd/x/a.go", "// Package main is.\npackage main", "no comment"},

	{"machine paths", "docs/a.md", "see " + "/" + "home/me/x", "one machine"},
	{"machine paths", "core/a.go",
		"package core\n\nvar x = \"" + "/" + "work/a\"\n", "one machine"},
	{"machine paths", "docs/a.md", "see docs/work/x and https://x.org/home/y", ""},

	{"promises", "core/a.go", "package core\n\n// TO" + "DO: later\n", "promise"},
	{"promises", "core/a.go", "package core\n\n// FIX" + "ME\n", "promise"},
	{"promises", "core/a.go", "package core\n\n// TO" + "DO(when 1.0 is out): drop it\n", ""},

	{"mutants", "core/a.go", "package core\nvar x = mutant.On(\"no-such\")", "mutant.List"},
	{"mutants", "core/a.go", "package core\nvar x = mutant.On(name)", "mutant.List"},
	{"mutants", "core/a.go", "package core\nvar x = mutant.On(\"tree-multi-not-atomic\")", ""},
}

func TestRulesCanFail(t *testing.T) {
	from, err := listExports(root(t), []string{"maps", "slices"})
	if err != nil {
		t.Fatal(err)
	}
	failed := map[string]bool{}
	for _, test := range planted {
		tree, err := Load(fstest.MapFS{test.path: {Data: []byte(test.text)}})
		if err != nil {
			t.Fatalf("%s: %v", test.text, err)
		}
		problems := rule(t, test.rule, from)(tree)
		switch {
		case test.want == "" && len(problems) > 0:
			t.Errorf("rule %q on %s finds %v, want nothing:\n%s",
				test.rule, test.path, problems, test.text)
		case test.want != "" && len(problems) != 1:
			t.Errorf("rule %q on %s finds %v, want one problem:\n%s",
				test.rule, test.path, problems, test.text)
		case test.want != "" && !strings.Contains(problems[0].Text, test.want):
			t.Errorf("rule %q on %s finds %v, want %q", test.rule, test.path, problems, test.want)
		}
		failed[test.rule] = failed[test.rule] || test.want != ""
	}
	for _, r := range rules {
		if !failed[r.name] {
			t.Errorf("nothing planted breaks the rule %q", r.name)
		}
	}
}

func TestGeneratedFilesAreLeftAlone(t *testing.T) {
	text := "// Code generated by x. DO NOT EDIT.\n\npackage util\nvar  x int\n"
	tree, err := Load(fstest.MapFS{"core/util/a.go": {Data: []byte(text)}})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		if problems := rule(t, r.name, nil)(tree); len(problems) > 0 {
			t.Errorf("rule %q on a generated file finds %v, want nothing", r.name, problems)
		}
	}
}
