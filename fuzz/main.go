// Command fuzz runs every fuzz target of the tree, one after the other, each for a while.
//
// go test fuzzes one target of one package at a time. The targets are found in the sources
// (functions named Fuzz... in test files), so that a new one is run without being listed anywhere.
//
//	go run ./fuzz -time 20s ./wire ./client/...
package main

import (
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// A target is one fuzz function.
type target struct {
	pkg  string // "./wire"
	name string // "FuzzDecode"
}

func main() {
	each := flag.Duration("time", 20*time.Second, "how long to run each target")
	list := flag.Bool("list", false, "print the targets, run none")
	flag.Parse()
	if err := run(*each, *list, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

// run fuzzes the targets below the given packages, all of them if there are none.
func run(each time.Duration, list bool, patterns []string) error {
	all, err := find(os.DirFS("."))
	if err != nil {
		return err
	}
	ran, failed := 0, 0
	for _, t := range all {
		if !selected(t.pkg, patterns) {
			continue
		}
		ran++
		command := []string{"go", "test", t.pkg, "-run", "^$",
			"-fuzz", "^" + t.name + "$", "-fuzztime", each.String()}
		fmt.Println("==", strings.Join(command, " "))
		if list {
			continue
		}
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Run(); err != nil {
			failed++
			fmt.Printf("== %s %s: %v\n", t.pkg, t.name, err)
		}
	}
	switch {
	case ran == 0:
		return errors.New("no fuzz target found; run it in the root of the module")
	case failed > 0:
		return fmt.Errorf("%d of %d targets failed", failed, ran)
	}
	fmt.Printf("== %d targets, no failure\n", ran)
	return nil
}

// selected reports whether pkg matches one of the patterns, which are packages or end in "/...".
func selected(pkg string, patterns []string) bool {
	for _, p := range patterns {
		p = "./" + strings.TrimPrefix(path.Clean(p), "./")
		if root, ok := strings.CutSuffix(p, "/..."); ok {
			if pkg == root || strings.HasPrefix(pkg, root+"/") {
				return true
			}
		} else if pkg == p {
			return true
		}
	}
	return len(patterns) == 0
}

// find returns the fuzz targets in the test files of the tree, in the order of their paths.
func find(tree fs.FS) ([]target, error) {
	var all []target
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() && name != "." && (base[0] == '.' || base == "testdata" || base == "bin") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(base, "_test.go") {
			return nil
		}
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Fuzz") {
				pkg := "./" + filepath.ToSlash(path.Dir(name))
				all = append(all, target{pkg: pkg, name: f.Name.Name})
			}
		}
		return nil
	})
	return all, err
}
