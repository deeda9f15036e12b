// Command fuzz runs every fuzz target of the tree, one after the other, each for a while.
//
// go test fuzzes one target of one package at a time. The targets are found in the sources
// (functions named Fuzz... in test files), so that a new one is run without being listed anywhere.
//
//	go run ./fuzz -time 20s ./wire ./client/...
//	go run ./fuzz -list
//	go run ./fuzz -keep 8 -only FuzzRead     of what was found, keep what reaches most
//	go run ./fuzz -until 30m -time 2m        in turns, until the ledger has half an hour of each
//	go run ./fuzz -table docs/VERIFICATION.md
//
// What go test finds interesting it keeps in its own cache and goes on from there. An input that
// fails is written below testdata/fuzz of its package, where every later go test runs it. Who
// interrupts the command is told what has run until then, and the ledger has that too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// A target is one fuzz function.
type target struct {
	pkg  string // "./wire"
	name string // "FuzzDecode"
}

// flags are the command's.
type flags struct {
	each     time.Duration
	workers  int
	list     bool
	keep     int
	only     string
	output   string
	tags     string
	until    time.Duration
	ledger   string
	table    string
	patterns []string
}

func main() {
	var f flags
	flag.DurationVar(&f.each, "time", 20*time.Second, "how long to run each target")
	flag.IntVar(&f.workers, "workers", 0, "processes that run a target; 0 is one per processor")
	flag.BoolVar(&f.list, "list", false, "print the targets, run none")
	flag.IntVar(&f.keep, "keep", 0, "run none, but copy so many inputs at most of what was found "+
		"into testdata/fuzz of each target: those that reach most")
	flag.StringVar(&f.only, "only", "", "only targets whose name matches this regular expression")
	flag.StringVar(&f.output, "o", "text", "text, or json")
	flag.StringVar(&f.tags, "tags", "checked", "build tags")
	flag.DurationVar(&f.until, "until", 0, "run targets in turns of -time at most, those that "+
		"have run for least first, until the ledger has so much processor time of each")
	flag.StringVar(&f.ledger, "ledger", "fuzz/ledger.json", "where -until writes down how long "+
		"each target has run")
	flag.StringVar(&f.table, "table", "", "run none, but write the ledger into this file of "+
		"documentation")
	flag.Parse()
	f.patterns = flag.Args()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, f, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

// validate refuses what would never end, or means nothing.
func (f *flags) validate() error {
	switch {
	case f.each <= 0:
		return fmt.Errorf("-time %v: choose how long each target runs, as 20s", f.each)
	case f.until < 0:
		return fmt.Errorf("-until %v: choose a time that the ledger is to reach, as 30m", f.until)
	case f.keep < 0 || f.workers < 0:
		return fmt.Errorf("-keep %d, -workers %d: choose numbers that are not negative", f.keep,
			f.workers)
	}
	return nil
}

// errInterrupted is why not all that was asked for has run.
var errInterrupted = errors.New("interrupted")

// run fuzzes the targets below the given packages, all of them if there are none.
func run(ctx context.Context, f flags, out, progress io.Writer) error {
	if err := f.validate(); err != nil {
		return err
	}
	if f.output != "text" && f.output != "json" {
		return fmt.Errorf("unknown output %q: choose text or json", f.output)
	}
	name, err := regexp.Compile(f.only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	all, err := find(os.DirFS("."))
	if err != nil {
		return err
	}
	var chosen []target
	for _, t := range all {
		if selected(t.pkg, f.patterns) && name.MatchString(t.name) {
			chosen = append(chosen, t)
		}
	}
	if len(chosen) == 0 {
		return errors.New("no such fuzz target; run it in the root of the module")
	}
	switch {
	case f.list:
		return list(out, f.output, chosen)
	case f.keep > 0:
		return keepAll(ctx, progress, f, chosen)
	case f.table != "":
		l, err := readLedger(f.ledger, all)
		if err != nil {
			return err
		}
		return l.document(f.table)
	}
	b, err := newBuilder(f.tags, "-fuzz", ".")
	if err != nil {
		return err
	}
	defer b.remove()
	fuzz := fuzzOnce
	if f.until > 0 {
		fuzz = fuzzUntil
	}
	results, err := fuzz(ctx, f, b, all, chosen, progress)
	return errors.Join(report(out, f.output, results), err)
}

// fuzzOnce runs each of the chosen targets once.
func fuzzOnce(ctx context.Context, f flags, b *builder, _, chosen []target,
	progress io.Writer) ([]result, error) {
	results := []result{}
	for i, t := range chosen {
		if ctx.Err() != nil {
			return results, errInterrupted
		}
		binary, err := b.binary(ctx, t.pkg)
		if err != nil {
			return results, err
		}
		label := fmt.Sprintf("%d/%d %s %s", i+1, len(chosen), t.pkg, t.name)
		results = append(results, t.fuzz(ctx, f, binary, b.cache, progress, label))
	}
	if ctx.Err() != nil {
		return results, errInterrupted
	}
	return results, nil
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
