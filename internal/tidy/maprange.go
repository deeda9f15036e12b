package tidy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/build/constraint"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
)

// orderFree is the comment that allows to range over a map.
const orderFree = "//order-free:"

// ordered reports whether the order of a map must not be seen in a directory: in the sans-IO
// packages, and in the simulator, whose trace is the same to the byte for the same seed.
func ordered(dir string) bool {
	l, _ := layerOf(dir)
	return l.sansIO || l.dir == "sim"
}

// exports maps an import path to the file with its compiled types.
type exports map[string]string

// listExports compiles the packages of the given directories and all they import, which is quick
// because the go command has them in its cache.
func listExports(root string, dirs []string) (exports, error) {
	var tags []string
	if invariant.Enabled {
		tags = append(tags, "checked")
	}
	if mutant.Enabled {
		tags = append(tags, "mutants")
	}
	args := []string{"list", "-e", "-export", "-deps", "-json=ImportPath,Export",
		"-tags", strings.Join(tags, ",")}
	cmd := exec.Command("go", append(args, dirs...)...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w\n%s", err, stderr.Bytes())
	}
	files := exports{}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var pkg struct{ ImportPath, Export string }
		err := dec.Decode(&pkg)
		switch {
		case errors.Is(err, io.EOF):
			return files, nil
		case err != nil:
			return nil, fmt.Errorf("go list: %w", err)
		}
		files[pkg.ImportPath] = pkg.Export
	}
}

// checkMapRange finds loops over maps whose order can be seen. It needs types: packages that do
// not compile are skipped, the compiler speaks of these.
func checkMapRange(t *Tree, from exports) []Problem {
	packages := map[string][]*File{}
	var dirs []string
	for _, f := range t.goFiles() {
		if f.Test || !ordered(f.Dir()) || !built(f) {
			continue
		}
		if packages[f.Dir()] == nil {
			dirs = append(dirs, f.Dir())
		}
		packages[f.Dir()] = append(packages[f.Dir()], f)
	}
	imp := importer.ForCompiler(t.Fset, "gc", func(path string) (io.ReadCloser, error) {
		if from[path] == "" {
			return nil, fmt.Errorf("no compiled types of %s", path)
		}
		return os.Open(from[path])
	})
	slices.Sort(dirs)
	var problems []Problem
	for _, dir := range dirs {
		var syntax []*ast.File
		for _, f := range packages[dir] {
			syntax = append(syntax, f.Syntax)
		}
		info := &types.Info{
			Types: map[ast.Expr]types.TypeAndValue{},
			Uses:  map[*ast.Ident]types.Object{},
		}
		conf := types.Config{Importer: imp, Error: func(error) {}}
		_, _ = conf.Check(module+"/"+dir, t.Fset, syntax, info)
		for _, f := range packages[dir] {
			problems = append(problems, mapRanges(t, f, info)...)
		}
	}
	return problems
}

// built reports whether the file is part of this build, as far as its constraint says.
func built(f *File) bool {
	for line := range strings.Lines(string(f.Text[:t0(f)])) {
		expr, err := constraint.Parse(strings.TrimSpace(line))
		if err != nil {
			continue
		}
		return expr.Eval(func(tag string) bool {
			switch tag {
			case "checked":
				return invariant.Enabled
			case "mutants":
				return mutant.Enabled
			case "race":
				return false
			}
			return slices.Contains(build.Default.ReleaseTags, tag) ||
				tag == build.Default.GOOS || tag == build.Default.GOARCH || tag == "unix"
		})
	}
	return true
}

// t0 returns the offset of the package clause.
func t0(f *File) int { return int(f.Syntax.Package - f.Syntax.FileStart) }

// mapRanges returns the places of one file.
func mapRanges(t *Tree, f *File, info *types.Info) []Problem {
	lines := bytes.Split(f.Text, []byte("\n"))
	var problems []Problem
	report := func(pos token.Pos, what string) {
		line := t.Fset.Position(pos).Line
		if !marked(string(lines[line-1]), orderFree) {
			problems = append(problems, t.at(pos, "%s in the order of a map; sort, or say %s why",
				what, orderFree))
		}
	}
	sorted := map[ast.Node]bool{}
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.RangeStmt:
			if isMap(info.TypeOf(n.X)) {
				report(n.Pos(), "a loop")
			}
		case *ast.CallExpr:
			switch callee(n, info) {
			case "slices.Sorted", "slices.SortedFunc":
				sorted[n.Args[0]] = true
			case "maps.Keys", "maps.Values", "maps.All":
				if !sorted[n] {
					report(n.Pos(), "a sequence")
				}
			}
		}
		return true
	})
	return problems
}

// isMap reports whether t is a map, or a type parameter or a named type over one.
func isMap(t types.Type) bool {
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Map)
	return ok
}

// callee returns "package.Function" for calls of package-level functions.
func callee(n *ast.CallExpr, info *types.Info) string {
	fun := ast.Unparen(n.Fun)
	if index, ok := fun.(*ast.IndexExpr); ok {
		fun = index.X
	}
	sel, ok := fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	f, ok := info.Uses[sel.Sel].(*types.Func)
	if !ok || f.Pkg() == nil {
		return ""
	}
	return f.Pkg().Name() + "." + f.Name()
}
