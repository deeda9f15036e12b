// Package tidy tests the sources themselves: who imports whom, what a sans-IO package may not
// touch, and the house rules that a reader relies on. The rules are those of docs/ARCHITECTURE.md;
// do not relax one to fix a build.
//
// A rule is a function from a Tree to Problems. TestTree runs each on the whole repository,
// TestRulesCanFail each on small sources planted to break it.
//
// Three comments make an exception, each with its reason:
//
//	for k := range m { //order-free: why the order of the map cannot be seen
//	//tidy:flat why    in the comment of a function over 70 lines that is one switch or table
//	//tidy:long why    before the package clause of a file over 1,000 lines
package tidy

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// module is the import path of the root of the tree.
const module = "github.com/vivariumdb/vivarium"

// A Problem is one place that breaks a rule.
type Problem struct {
	Path string
	Line int
	Text string
}

func (p Problem) String() string { return fmt.Sprintf("%s:%d: %s", p.Path, p.Line, p.Text) }

// A File is one text file of the tree.
type File struct {
	// Path is relative to the root, with slashes.
	Path string
	Text []byte
	// Syntax is nil if the file is not Go.
	Syntax *ast.File
	// Test says that the name ends in _test.go.
	Test bool
	// Generated says that the file says so in the way of the go command.
	Generated bool
}

// Dir returns the directory of the file, "." for the root.
func (f *File) Dir() string { return path.Dir(f.Path) }

// A Tree is all text files of the repository but those under testdata and those that git ignores.
type Tree struct {
	Fset  *token.FileSet
	Files []*File
	// Top holds the names of the directories at the root.
	Top []string
}

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// ignored names what lies at the root and is not part of the sources: directories, and the file
// that stands for .git in a second work tree.
var ignored = []string{".git", ".cache", "bin", "data"}

// Load reads the tree.
func Load(root fs.FS) (*Tree, error) {
	t := &Tree{Fset: token.NewFileSet()}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (slices.Contains(ignored, name) || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() && name != "." && !strings.Contains(name, "/"):
			t.Top = append(t.Top, name)
			return nil
		case !d.Type().IsRegular() || slices.Contains(ignored, name):
			return nil
		}
		text, err := fs.ReadFile(root, name)
		if err != nil || bytes.IndexByte(text, 0) >= 0 {
			return err
		}
		return t.add(name, text)
	})
	return t, err
}

// add parses a file and appends it.
func (t *Tree) add(name string, text []byte) error {
	f := &File{
		Path:      name,
		Text:      text,
		Test:      strings.HasSuffix(name, "_test.go"),
		Generated: generated.Match(text),
	}
	if strings.HasSuffix(name, ".go") {
		mode := parser.ParseComments | parser.SkipObjectResolution
		syntax, err := parser.ParseFile(t.Fset, name, text, mode)
		if err != nil {
			return fmt.Errorf("parse: %w", err)
		}
		f.Syntax = syntax
	}
	t.Files = append(t.Files, f)
	return nil
}

// goFiles returns the Go files that people write.
func (t *Tree) goFiles() []*File {
	var files []*File
	for _, f := range t.Files {
		if f.Syntax != nil && !f.Generated {
			files = append(files, f)
		}
	}
	return files
}

// at makes a problem of a place in the syntax.
func (t *Tree) at(pos token.Pos, format string, args ...any) Problem {
	p := t.Fset.Position(pos)
	return Problem{Path: p.Filename, Line: p.Line, Text: fmt.Sprintf(format, args...)}
}

// marked reports whether text has a line comment that starts with mark and goes on with a reason.
func marked(text, mark string) bool {
	_, reason, found := strings.Cut(text, mark)
	return found && strings.TrimSpace(reason) != ""
}
