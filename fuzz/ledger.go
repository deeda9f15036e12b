package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/vivariumdb/vivarium/internal/splice"
)

// account is how long a target has run without a failure, in all runs that were written down.
type account struct {
	Package string  `json:"package"`
	Target  string  `json:"target"`
	CPU     float64 `json:"cpuSeconds"`
	Execs   int64   `json:"execs"`
	Corpus  int64   `json:"corpus"` // inputs that reach something of their own, at its last run
}

// ledger is the accounts of all targets, in the order of the tree. Half an hour for each of them is
// more than one evening of a small machine; a ledger lets several of them add up.
type ledger []account

// readLedger reads the accounts of the given targets. One that is new has run for no time; one that
// is no longer there is forgotten.
func readLedger(name string, targets []target) (ledger, error) {
	var old ledger
	text, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, &old)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the ledger %s: %w; mend it, or give another -ledger", name,
			err)
	}
	var l ledger
	for _, t := range targets {
		a := account{Package: t.pkg, Target: t.name}
		if i := slices.IndexFunc(old, a.same); i >= 0 {
			a = old[i]
		}
		l = append(l, a)
	}
	return l, nil
}

func (a account) same(b account) bool { return a.Package == b.Package && a.Target == b.Target }

func (l ledger) write(name string) error {
	var text strings.Builder
	if err := writeJSON(&text, l); err != nil {
		return err
	}
	// Beside it first: who ends the command in the middle keeps the old one.
	if err := os.WriteFile(name+".new", []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	return os.Rename(name+".new", name)
}

// next is which of the chosen targets has run for least, and for less than until; -1 if none.
func (l ledger) next(chosen []target, until time.Duration) int {
	best := -1
	for i, a := range l {
		if a.CPU < until.Seconds() && slices.Contains(chosen, target{a.Package, a.Target}) &&
			(best < 0 || a.CPU < l[best].CPU) {
			best = i
		}
	}
	return best
}

// least is how long a turn is at least: it begins by trying all inputs that were found before.
const least = 10 * time.Second

// turn is how long a's target runs next, with so many workers: as long as each turn, but little
// longer than it has to for what is wanted. Workers seldom have a whole processor each.
func (a account) turn(each, until time.Duration, workers int) time.Duration {
	left := until - time.Duration(a.CPU*float64(time.Second))
	return min(each, max(left*5/4/time.Duration(workers), least))
}

// fuzzUntil runs the chosen targets in turns, who has run for least first, until the ledger gives
// each of them the time that is wanted. It is written after every turn. A target that fails gets
// no further turn.
func fuzzUntil(ctx context.Context, f flags, b *builder, all, chosen []target,
	progress io.Writer) ([]result, error) {
	results := []result{}
	for {
		l, err := readLedger(f.ledger, all)
		if err != nil {
			return results, err
		}
		i := l.next(chosen, f.until)
		switch {
		case ctx.Err() != nil:
			return results, errInterrupted
		case i < 0 && len(results) == 0:
			_, _ = fmt.Fprintf(progress, "%d targets: each has run for %v before\n", len(chosen),
				f.until)
			return results, nil
		case i < 0:
			return results, nil
		}
		t := target{l[i].Package, l[i].Target}
		binary, err := b.binary(ctx, t.pkg)
		if err != nil {
			return results, err
		}
		label := fmt.Sprintf("%s %s, %.0f of %.0f CPU s before", t.pkg, t.name, l[i].CPU,
			f.until.Seconds())
		turn := f
		turn.each = l[i].turn(f.each, f.until, cmp.Or(f.workers, runtime.NumCPU()))
		r := t.fuzz(ctx, turn, binary, b.cache, progress, label)
		results = merge(results, r)
		if err := credit(f.ledger, all, r); err != nil {
			return results, err
		}
		if r.Failed {
			chosen = slices.DeleteFunc(slices.Clone(chosen), func(c target) bool { return c == t })
		}
	}
}

// credit writes a turn into the ledger, as it is by now: another command may have written others.
// What ran before a failure was of other code than what mends it, and counts no more.
func credit(name string, all []target, r result) error {
	l, err := readLedger(name, all)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(l, account{Package: r.Package, Target: r.Target}.same)
	a := &l[i]
	if r.Failed {
		a.CPU, a.Execs = 0, 0
		return l.write(name)
	}
	a.CPU += r.CPU
	a.Execs += r.Execs
	a.Corpus = cmp.Or(r.Corpus, a.Corpus) // a short turn may not come to count them
	return l.write(name)
}

// merge adds a turn to those that its target has had before.
func merge(results []result, r result) []result {
	for i := range results {
		if old := &results[i]; old.Package == r.Package && old.Target == r.Target {
			r.Seconds += old.Seconds
			r.CPU += old.CPU
			r.Execs += old.Execs
			r.Found += old.Found
			r.Corpus = cmp.Or(r.Corpus, old.Corpus)
			*old = r
			return results
		}
	}
	return append(results, r)
}

// document writes the ledger as a table into a file of documentation.
func (l ledger) document(name string) error {
	sorted := slices.Clone(l)
	slices.SortStableFunc(sorted, func(a, b account) int { return cmp.Compare(b.CPU, a.CPU) })
	var all account
	var text strings.Builder
	text.WriteString("| target | CPU minutes | inputs | kept |\n|---|--:|--:|--:|\n")
	for _, a := range sorted {
		fmt.Fprintf(&text, "| %s `%s` | %.0f | %d | %d |\n", strings.TrimPrefix(a.Package, "./"),
			a.Target, a.CPU/60, a.Execs, a.Corpus)
		all.CPU += a.CPU
		all.Execs += a.Execs
		all.Corpus += a.Corpus
	}
	fmt.Fprintf(&text, "| all %d | %.0f | %d | %d |\n", len(l), all.CPU/60, all.Execs, all.Corpus)
	return splice.File(name, "fuzz", text.String())
}
