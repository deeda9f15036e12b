package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// module is the path of ours, as profiles name files.
const module = "github.com/vivariumdb/vivarium"

// measured are the packages whose statements are counted.
var measured = []string{"core", "replication"}

// filmEvery: one of so many worlds is filmed, as every world is that fails.
const filmEvery = 20

// newCoverage measures which statements worlds reach by themselves, without any test.
func newCoverage(s streams) *cobra.Command {
	var seeds, from uint64
	var list string
	c := &cobra.Command{Use: "coverage", Args: cobra.NoArgs,
		Short: "measure which statements of core and replication worlds reach",
		RunE: func(*cobra.Command, []string) error {
			dir, err := os.MkdirTemp("", "vivarium-coverage-")
			if err != nil {
				return fmt.Errorf("measure coverage: %w", err)
			}
			profile, failed, err := profileWorlds(dir, from, seeds)
			if err == nil {
				err = listCoverage(s.out, list, profile)
			}
			if len(failed) > 0 {
				_, _ = fmt.Fprintf(s.out, "worlds with violations: %v\n", failed)
				err = errors.Join(err, errFound)
			}
			if removed := os.RemoveAll(dir); err == nil && removed != nil {
				err = fmt.Errorf("measure coverage: %w", removed)
			}
			return err
		}}
	c.Flags().Uint64Var(&seeds, "seeds", 400, "run so many worlds")
	c.Flags().Uint64Var(&from, "from", 1, "the first seed")
	c.Flags().StringVar(&list, "list", "", "write what was not reached, and why, to this file")
	return c
}

// profileWorlds runs worlds in a binary that counts, and returns the profile as text and the seeds
// that failed. It is run at the root of the module.
func profileWorlds(dir string, from, seeds uint64) (profile []byte, failed []uint64, err error) {
	binary, data := filepath.Join(dir, "sim"), filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o755); err != nil {
		return nil, nil, fmt.Errorf("measure coverage: %w", err)
	}
	if err := buildCovered(binary); err != nil {
		return nil, nil, err
	}
	p := pool{binary: binary, env: []string{"GOMAXPROCS=1", "GOGC=400", "GOCOVERDIR=" + data},
		size: runtime.NumCPU(), limit: worldLimit}
	given := uint64(0)
	p.work(func() (task, bool) {
		given++
		return task{Seed: from + given - 1, Film: given%filmEvery == 1}, given <= seeds
	}, func(_ task, v *verdict) bool {
		if len(v.Violations) > 0 {
			failed = append(failed, v.Seed)
		}
		return true
	})
	text := filepath.Join(dir, "profile")
	if err := goCommand("tool", "covdata", "textfmt", "-i", data, "-o", text); err != nil {
		return nil, failed, err
	}
	if profile, err = os.ReadFile(text); err != nil {
		err = fmt.Errorf("measure coverage: %w", err)
	}
	return profile, failed, err
}

// buildCovered builds a simulator that counts which statements of the measured packages it runs.
func buildCovered(binary string) error {
	// A binary counts only if its main package does.
	packages := "./cmd/vivarium-sim"
	for _, p := range measured {
		packages += ",./" + p
	}
	return goCommand("build", "-tags", "checked", "-cover", "-coverpkg", packages, "-o", binary,
		"./cmd/vivarium-sim")
}

func goCommand(args ...string) error {
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", args[0], err, out)
	}
	return nil
}

// block is a run of statements of a profile, and whether any world reached it.
type block struct {
	file       string
	line, last int
	statements int
	reached    bool
}

// listCoverage is showCoverage, which also writes a list for docs to a file, if there is to be one.
func listCoverage(w io.Writer, name string, profile []byte) error {
	var list bytes.Buffer
	_, _ = fmt.Fprintf(&list, "# What simulation does not reach\n\n`make sim-coverage SEEDS=120 "+
		"ARGS='-list docs/UNREACHED.md'` writes this: each block of statements that no world\n"+
		"reached, and why. Other worlds reach some that few of them do.\n")
	if err := showCoverage(w, &list, profile); err != nil || name == "" {
		return err
	}
	if err := os.WriteFile(name, list.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write list: %w", err)
	}
	return nil
}

// showCoverage prints how much of each package was reached, and each block that was not.
func showCoverage(w, list io.Writer, profile []byte) error {
	blocks, err := parseProfile(profile)
	if err != nil {
		return err
	}
	files := map[string]*source{}
	for _, p := range measured {
		all, reached := 0, 0
		var missed []string
		var misses []miss
		for _, b := range blocks {
			if filepath.Dir(b.file) != p {
				continue
			}
			if files[b.file] == nil {
				if files[b.file], err = readSource(b.file); err != nil {
					return err
				}
			}
			src := files[b.file]
			if !b.reached && src.planted(b) {
				continue // not in a binary without mutants
			}
			all += b.statements
			if b.reached {
				reached += b.statements
				continue
			}
			misses = append(misses, miss{b.file, b.line, src.function(b.line), src.text(b),
				b.statements})
			missed = append(missed, "  "+misses[len(misses)-1].String())
		}
		writeMisses(list, fmt.Sprintf("%s: %d of %d statements reached, %.1f %%", p, reached, all,
			100*float64(reached)/float64(max(all, 1))), misses)
		_, _ = fmt.Fprintf(w, "%s: %d of %d statements, %.1f %%\n%s\n", p, reached, all,
			100*float64(reached)/float64(max(all, 1)), strings.Join(missed, "\n"))
	}
	return nil
}

// parseProfile reads a profile; a block may stand in it several times.
func parseProfile(profile []byte) ([]block, error) {
	at := map[string]int{}
	var blocks []block
	lines := bufio.NewScanner(bytes.NewReader(profile))
	for lines.Scan() {
		var b block
		name, rest, ok := strings.Cut(lines.Text(), ".go:")
		if !ok {
			continue // the mode
		}
		var column, lastColumn, count int
		if _, err := fmt.Sscanf(rest, "%d.%d,%d.%d %d %d", &b.line, &column, &b.last, &lastColumn,
			&b.statements, &count); err != nil {
			return nil, fmt.Errorf("read profile: %q: %w", lines.Text(), err)
		}
		b.file, b.reached = strings.TrimPrefix(name, module+"/")+".go", count > 0
		key := fmt.Sprintf("%s %d.%d %d.%d", b.file, b.line, column, b.last, lastColumn)
		if i, known := at[key]; known {
			blocks[i].reached = blocks[i].reached || b.reached
			continue
		}
		at[key] = len(blocks)
		blocks = append(blocks, b)
	}
	slices.SortStableFunc(blocks, func(a, b block) int {
		return 2*strings.Compare(a.file, b.file) + min(max(a.line-b.line, -1), 1)
	})
	return blocks, lines.Err()
}

// source is a file with the places where bugs are planted.
type source struct {
	lines   []string
	funcs   []function
	mutants [][2]int
}

type function struct {
	name string
	span [2]int
}

func readSource(name string) (*source, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("measure coverage: %w", err)
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, 0)
	if err != nil {
		return nil, fmt.Errorf("measure coverage: %w", err)
	}
	s := &source{lines: strings.Split(string(text), "\n")}
	span := func(n ast.Node) [2]int {
		return [2]int{set.Position(n.Pos()).Line, set.Position(n.End()).Line}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			s.funcs = append(s.funcs, function{n.Name.Name, span(n)})
		case *ast.IfStmt:
			if mentionsMutant(n.Cond) {
				s.mutants = append(s.mutants, [2]int{span(n)[0], span(n.Body)[1]})
			}
		case *ast.CaseClause:
			for _, cond := range n.List {
				if mentionsMutant(cond) {
					s.mutants = append(s.mutants, span(n))
				}
			}
		}
		return true
	})
	return s, nil
}

func mentionsMutant(n ast.Node) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if id, ok := sel.X.(*ast.Ident); ok && id.Name == "mutant" {
				found = true
			}
		}
		return !found
	})
	return found
}

// planted says whether a block is there for a mutant only. Two files are all of that kind.
func (s *source) planted(b block) bool {
	within := func(m [2]int) bool { return m[0] <= b.line && b.last <= m[1] }
	return filepath.Base(b.file) == "mutation.go" || slices.ContainsFunc(s.mutants, within)
}

func (s *source) function(line int) string {
	for _, f := range s.funcs {
		if f.span[0] <= line && line <= f.span[1] {
			return f.name
		}
	}
	return "?"
}

// text is the beginning of a block in one line.
func (s *source) text(b block) string {
	var words []string
	for _, line := range s.lines[b.line-1 : min(b.last, b.line+2)] {
		words = append(words, strings.TrimSpace(line))
	}
	text := strings.Join(words, " ")
	if len(text) > 100 {
		text = text[:100] + ".."
	}
	return text
}
