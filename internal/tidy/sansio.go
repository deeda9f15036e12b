package tidy

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// bannedImports are the packages, with all below them, that a sans-IO package may not import
// itself: clocks, randomness, sockets, files, locks, and what would hide one of them.
var bannedImports = []string{
	"context", "crypto/rand", "expvar", "hash/maphash", "io/fs", "log", "math/rand", "net", "os",
	"path/filepath", "plugin", "runtime", "sync", "syscall", "testing", "unique",
	"golang.org/x/sys", "github.com/cockroachdb/pebble",
}

// allowedImports are exceptions from bannedImports: values without any effect.
var allowedImports = []string{"net/netip"}

// allowedTime is all that a sans-IO package may use of package time. The clock's reading comes
// with the input, as milliseconds.
var allowedTime = []string{"Duration", "Nanosecond", "Microsecond", "Millisecond", "Second",
	"Minute", "Hour"}

// checkSansIO finds what the sans-IO packages may not do.
func checkSansIO(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.goFiles() {
		if l, _ := layerOf(f.Dir()); !l.sansIO || f.Test {
			continue
		}
		timeName := ""
		for _, spec := range f.Syntax.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue
			}
			if path == "time" {
				timeName = "time"
				if spec.Name != nil {
					timeName = spec.Name.Name
				}
			}
			if banned(path) {
				problems = append(problems, t.at(spec.Pos(), "a sans-IO package imports %s", path))
			}
		}
		ast.Inspect(f.Syntax, func(n ast.Node) bool {
			if what := effect(n, timeName); what != "" {
				problems = append(problems, t.at(n.Pos(), "a sans-IO package uses %s", what))
			}
			return true
		})
	}
	return problems
}

// banned reports whether a sans-IO package may not import path.
func banned(path string) bool {
	return !slices.Contains(allowedImports, path) &&
		slices.ContainsFunc(bannedImports, func(b string) bool { return within(path, b) })
}

// effect names what n does that a sans-IO package may not do, "" if nothing.
func effect(n ast.Node, timeName string) string {
	switch n := n.(type) {
	case *ast.GoStmt:
		return "a go statement"
	case *ast.SelectStmt:
		return "a select statement"
	case *ast.ChanType:
		return "a channel"
	case *ast.SendStmt:
		return "a channel"
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			return "a channel"
		}
	case *ast.SelectorExpr:
		if x, ok := n.X.(*ast.Ident); ok && timeName != "" && x.Name == timeName &&
			!slices.Contains(allowedTime, n.Sel.Name) {
			return "time." + n.Sel.Name
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && strings.HasPrefix(f.Name, "print") &&
			(f.Name == "print" || f.Name == "println") {
			return f.Name
		}
	}
	return ""
}
