package tidy

import (
	"bytes"
	"go/ast"
	"go/format"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of STYLE: what fits a screen and a head.
const (
	maxColumns  = 100
	maxLines    = 1000
	maxFunction = 70
	tabWidth    = 4
)

// checkFormat finds files that gofmt would change.
func checkFormat(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.goFiles() {
		if text, err := format.Source(f.Text); err != nil || !bytes.Equal(text, f.Text) {
			problems = append(problems, Problem{f.Path, 1, "not formatted: run gofmt -w"})
		}
	}
	return problems
}

// checkColumns finds lines that are too long. A line with a URL is left alone.
func checkColumns(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.goFiles() {
		for i, line := range bytes.Split(f.Text, []byte("\n")) {
			width := utf8.RuneCount(line) + bytes.Count(line, []byte("\t"))*(tabWidth-1)
			if width > maxColumns && !bytes.Contains(line, []byte("://")) {
				problems = append(problems, Problem{f.Path, i + 1, "line over 100 columns"})
			}
		}
	}
	return problems
}

// checkFileLength finds files that should be several.
func checkFileLength(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.goFiles() {
		reason := false
		for line := range bytes.Lines(f.Text[:t0(f)]) {
			reason = reason || marked(string(line), "//tidy:long")
		}
		if bytes.Count(f.Text, []byte("\n")) > maxLines && !reason {
			problems = append(problems, Problem{f.Path, 1, "file over 1,000 lines"})
		}
	}
	return problems
}

// checkFunctionLength finds functions that should be several.
func checkFunctionLength(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.goFiles() {
		for _, decl := range f.Syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Body == nil || flat(fn) {
				continue
			}
			if n := t.lines(fn) - t.tableLines(fn.Body); n > maxFunction {
				problems = append(problems, t.at(fn.Pos(), "%s has %d lines, over %d",
					fn.Name.Name, n, maxFunction))
			}
		}
	}
	return problems
}

// flat reports whether the comment of fn says that it is one switch or table.
func flat(fn *ast.FuncDecl) bool {
	return fn.Doc != nil && slices.ContainsFunc(fn.Doc.List, func(c *ast.Comment) bool {
		return marked(c.Text, "//tidy:flat")
	})
}

// lines returns how many lines n takes.
func (t *Tree) lines(n ast.Node) int {
	return t.Fset.Position(n.End()).Line - t.Fset.Position(n.Pos()).Line + 1
}

// tableLines returns how many lines of body stand in literals of slices, arrays and maps.
func (t *Tree) tableLines(body ast.Node) int {
	total := 0
	ast.Inspect(body, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		switch lit.Type.(type) {
		case *ast.ArrayType, *ast.MapType:
			total += t.lines(lit) - 1
			return false
		}
		return true
	})
	return total
}

// badNames are names of packages that say nothing.
var badNames = []string{"common", "helper", "helpers", "lib", "manager", "misc", "pkg", "shared",
	"types", "util", "utils"}

// checkNames finds packages and directories without a noun of their own.
func checkNames(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.goFiles() {
		names := append(strings.Split(f.Dir(), "/"), f.Syntax.Name.Name)
		for _, name := range names {
			if slices.Contains(badNames, name) {
				problems = append(problems, t.at(f.Syntax.Package,
					"%s is not a name of a package", name))
				break
			}
		}
	}
	return problems
}

// checkPackageComments finds packages without exactly the comment that go doc shows.
func checkPackageComments(t *Tree) []Problem {
	first := map[string]*File{}
	commented := map[string]bool{}
	var dirs []string
	for _, f := range t.goFiles() {
		if f.Test {
			continue
		}
		dir := f.Dir()
		if first[dir] == nil {
			first[dir] = f
			dirs = append(dirs, dir)
		}
		want := "Package " + f.Syntax.Name.Name + " "
		if f.Syntax.Name.Name == "main" {
			want = "Command " + path.Base(dir) + " "
		}
		if doc := f.Syntax.Doc; doc != nil && strings.HasPrefix(doc.Text(), want) {
			commented[dir] = true
		}
	}
	var problems []Problem
	for _, dir := range dirs {
		if !commented[dir] {
			problems = append(problems, t.at(first[dir].Syntax.Package,
				`no comment "Package %s ..." (or "Command ...")`, first[dir].Syntax.Name.Name))
		}
	}
	return problems
}
