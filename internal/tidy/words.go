package tidy

import (
	"bytes"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strconv"

	"github.com/vivariumdb/vivarium/internal/mutant"
)

// machinePath matches paths that exist on one machine only. It is put together so that this file
// does not match itself.
var machinePath = regexp.MustCompile(
	`(^|[^A-Za-z0-9_.)}\]/-])/(` + "work|root|home" + `)/`)

// written returns the files that people write: all but the lists of checksums.
func (t *Tree) written() []*File {
	var files []*File
	for _, f := range t.Files {
		if path.Ext(f.Path) != ".sum" {
			files = append(files, f)
		}
	}
	return files
}

// checkMachinePaths finds paths of somebody's machine in sources, scripts and documents.
func checkMachinePaths(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.written() {
		for i, line := range bytes.Split(f.Text, []byte("\n")) {
			if at := machinePath.Find(line); at != nil {
				problems = append(problems, Problem{f.Path, i + 1, "the path of one machine"})
			}
		}
	}
	return problems
}

var (
	todo = regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	// condition is what makes one bearable: an end.
	condition = regexp.MustCompile(`\bTO` + `DO\((after|if|once|until|when) [^)]+\)`)
)

// checkTodos finds comments that promise something without saying when.
func checkTodos(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.written() {
		for i, line := range bytes.Split(f.Text, []byte("\n")) {
			if todo.Match(line) && !condition.Match(line) {
				problems = append(problems, Problem{f.Path, i + 1,
					"a promise without a condition that ends it: TO" + "DO(when ...)"})
			}
		}
	}
	return problems
}

// checkMutants finds code that asks for a mutant that is not in the table.
func checkMutants(t *Tree) []Problem {
	known := mutant.List()
	var problems []Problem
	for _, f := range t.goFiles() {
		if f.Test {
			continue
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 1 {
				return true
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "On" {
				return true
			}
			if x, ok := sel.X.(*ast.Ident); !ok || x.Name != "mutant" {
				return true
			}
			name := ""
			if lit, ok := call.Args[0].(*ast.BasicLit); ok {
				name, _ = strconv.Unquote(lit.Value)
			}
			if !slices.ContainsFunc(known, func(m mutant.Mutant) bool { return m.Name == name }) {
				problems = append(problems, t.at(call.Pos(),
					"mutant.On wants a name of mutant.List, written out"))
			}
			return true
		})
	}
	return problems
}
