package tidy

import (
	"slices"
	"strconv"
	"strings"
)

// A layer is a package, with all packages below it that have no line of their own.
type layer struct {
	dir string
	// sansIO says that the package decides and does nothing else: see sansio.go.
	sansIO bool
	// stdOnly says that nothing but the standard library and imports may be imported.
	stdOnly bool
	// imports names the layers of ours that the package may import besides itself.
	imports []string
}

// asserts are the layers that hold no knowledge and may be imported nearly everywhere.
var asserts = []string{"internal/invariant", "internal/mutant"}

// with returns asserts and the given layers.
func with(dirs ...string) []string { return slices.Concat(asserts, dirs) }

// layers is the table of docs/ARCHITECTURE.md: "a < b" there means that a stands in the imports of
// b here, never the other way round. A new package needs a secret of its own and a line in both.
var layers = []layer{
	{dir: "wire", sansIO: true, stdOnly: true},
	{dir: "core", sansIO: true, imports: with("wire", "internal/varint")},
	{dir: "replication", sansIO: true, imports: with("wire", "core", "internal/varint")},
	{dir: "replication/store", imports: with("wire", "core", "replication", "internal/varint")},
	{dir: "server", imports: with("wire", "core", "replication", "replication/store")},
	{dir: "client", imports: with("wire", "client/protocol")},
	{dir: "client/protocol", sansIO: true, stdOnly: true, imports: with("wire")},
	{dir: "client/load", imports: with("wire")},
	{dir: "linearizability"},
	{dir: "sim", imports: with("wire", "core", "replication", "replication/store",
		"client", "client/protocol", "linearizability")},
	{dir: "cmd", imports: with("wire", "core", "replication", "replication/store", "server",
		"client", "client/protocol", "client/load", "linearizability", "sim",
		"internal/printable", "internal/splice", "internal/zkdata")},
	{dir: "fuzz", imports: with("wire", "core", "replication", "replication/store", "server",
		"client", "client/protocol", "linearizability", "sim", "cmd", "internal/splice")},
	{dir: "compat", imports: with("wire", "client", "client/load")},
	{dir: "docs", imports: with()},
	{dir: "deploy", imports: with()},
	{dir: "tla", imports: with("linearizability", "sim")},
	{dir: "internal/frugal", stdOnly: true},
	{dir: "internal/invariant", stdOnly: true},
	{dir: "internal/mutant", stdOnly: true},
	{dir: "internal/printable", stdOnly: true},
	{dir: "internal/splice", stdOnly: true},
	{dir: "internal/tidy", imports: with()},
	{dir: "internal/varint", sansIO: true, stdOnly: true},
	{dir: "internal/zkdata", imports: with("wire")},
}

// topLevel names the directories that may stand at the root.
var topLevel = []string{".ci", ".github", "client", "cmd", "compat", "core", "deploy", "docs",
	"fuzz", "internal", "linearizability", "replication", "server", "sim", "tla", "wire"}

// modules names libraries that only some layers know. except is a part of them that all may use.
var modules = []struct {
	path, except string
	allowed      []string
}{
	{"go.etcd.io/raft", "", []string{"replication", "replication/store"}},
	{"github.com/cockroachdb/pebble", "github.com/cockroachdb/pebble/v2/vfs",
		[]string{"replication/store"}},
}

// layerOf returns the layer of a directory: the line with the longest matching path.
func layerOf(dir string) (layer, bool) {
	var best layer
	for _, l := range layers {
		if within(dir, l.dir) && len(l.dir) > len(best.dir) {
			best = l
		}
	}
	return best, best.dir != ""
}

// within reports whether path is root or below it.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

// checkImports holds the imports of all packages against the table. Tests may import what they
// like, but for the judges': these share nothing with the judged.
func checkImports(t *Tree) []Problem {
	var problems []Problem
	for _, f := range t.goFiles() {
		from, known := layerOf(f.Dir())
		if !known {
			problems = append(problems, t.at(f.Syntax.Package,
				"package %s has no line in the table of layers", f.Dir()))
			continue
		}
		if f.Test && from.dir != "linearizability" {
			continue
		}
		for _, spec := range f.Syntax.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				continue
			}
			if why := from.refuses(path, f.Test); why != "" {
				problems = append(problems, t.at(spec.Pos(), "%s imports %s: %s",
					from.dir, path, why))
			}
		}
	}
	return problems
}

// refuses says why the layer may not import path, "" if it may.
func (l layer) refuses(path string, test bool) string {
	if dir, ours := strings.CutPrefix(path, module+"/"); ours {
		to, known := layerOf(dir)
		switch {
		case !known:
			return "it has no line in the table of layers"
		case to.dir == l.dir || slices.Contains(l.imports, to.dir):
			return ""
		}
		return "the table of layers does not say so"
	}
	first, _, _ := strings.Cut(path, "/")
	if l.stdOnly && !test && strings.Contains(first, ".") {
		return "this package needs the standard library only"
	}
	for _, m := range modules {
		free := m.except != "" && within(path, m.except)
		if strings.HasPrefix(path, m.path) && !free && !slices.Contains(m.allowed, l.dir) {
			return "only " + strings.Join(m.allowed, " and ") + " may know this library"
		}
	}
	return ""
}

// checkTopLevel refuses directories at the root that nobody has agreed on.
func checkTopLevel(t *Tree) []Problem {
	var problems []Problem
	for _, name := range t.Top {
		if !slices.Contains(topLevel, name) {
			problems = append(problems, Problem{Path: name, Line: 1,
				Text: "this directory is not one of those at the root"})
		}
	}
	return problems
}
