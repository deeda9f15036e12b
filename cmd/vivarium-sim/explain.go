package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/internal/printable"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/sim"
)

// explainer makes failing worlds smaller and leaves a folder about each.
type explainer struct {
	out    io.Writer
	pool   pool
	dir    string        // below which the folders are
	budget time.Duration // for shrinking one world
}

// defaultDir is where folders about failures are made if nobody says where.
func defaultDir() string { return filepath.Join(os.TempDir(), "vivarium-failures") }

// newExplainer returns one that runs worlds in processes of this binary.
func newExplainer(s streams, f *runFlags) (*explainer, error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own binary: %w", err)
	}
	return &explainer{out: s.err, dir: f.out, budget: f.budget, pool: pool{binary: binary,
		env: []string{"GOMAXPROCS=1", "GOGC=400"}, size: f.workers, limit: 20 * time.Second}}, nil
}

// explain shrinks the world of a plan, leaves its folder and says where. full is the command that
// replays the world before it was shrunk.
func (e *explainer) explain(plan *sim.Plan, full string) error {
	small := &shrunk{plan: plan}
	if e.budget > 0 {
		small = shrink(e.out, e.pool, plan, e.budget)
		if small.judge() == "process" { // it would end this one as well
			_, _ = fmt.Fprintf(e.out, "seed %d ends its process, or takes more than %v: it is "+
				"not explained; %s\n", plan.Seed, worldLimit, full)
			return nil
		}
	}
	if err := mutant.Select(small.plan.Mutant); err != nil {
		return err
	}
	r := sim.Run(sim.Options{Seed: plan.Seed, Plan: small.plan, Record: true, Film: true})
	name := fmt.Sprintf("seed-%d", plan.Seed)
	if plan.Mutant != "" {
		name += "-" + plan.Mutant
	}
	if r.Failed() {
		name += "-" + r.Violations[0].Judge
	}
	dir := filepath.Join(e.dir, name)
	if err := e.leave(dir, r, small, full); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(e.out, "\n=== seed %d, explained in %s\n", plan.Seed, dir)
	screen(e.out, r, small, replayFile(plan, filepath.Join(dir, "decisions.txt")))
	_, _ = fmt.Fprintf(e.out, "See:     %s\n", filepath.Join(dir, "index.html"))
	return nil
}

// screen tells all that somebody needs first, on one screen.
func screen(w io.Writer, r *sim.Result, small *shrunk, command string) {
	_, _ = fmt.Fprintln(w)
	if !r.Failed() {
		_, _ = fmt.Fprintln(w, "No violation: these decisions belong to another commit.")
		return
	}
	s := tellStory(r, 0)
	s.write(w)
	s.memberStates(w, r.Film)
	if n := len(r.Violations) - 1; n > 0 {
		_, _ = fmt.Fprintf(w, "\n%d more violations are in README.txt.\n", n)
	}
	_, _ = fmt.Fprintln(w)
	if small.before != nil {
		_, _ = fmt.Fprintf(w, "Left:    %v\n", small)
	}
	if knobs := small.plan.Knobs; len(knobs) > 0 {
		_, _ = fmt.Fprintf(w, "Knobs:   %s\n", clip(strings.Join(knobs, " "), 300))
	}
	const most = 10 // of more nobody can say which of them matter
	decided := small.plan.Keep
	if len(decided) > most {
		_, _ = fmt.Fprintf(w, "Decided: %d things, in decisions.txt\n", len(decided))
		decided = nil
	}
	for _, d := range decided {
		_, _ = fmt.Fprintf(w, "Decided: %.6f s, %s\n", float64(d.At)/1e6,
			strings.TrimSuffix(d.ID+": "+clip(printable.Text(d.What), 90), ": "))
	}
	_, _ = fmt.Fprintf(w, "Replay:  %s\n", command)
}

// leave writes the files of a folder.
func (e *explainer) leave(dir string, r *sim.Result, small *shrunk, full string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	var figures string
	if small.before != nil {
		figures = small.String()
	}
	command := replayFile(small.plan, filepath.Join(dir, "decisions.txt"))
	plan := *small.plan
	plan.Notes = []string{"What is left of a world that fails; the whole one: " + full,
		"Replay: " + command}
	if figures != "" {
		plan.Notes = append(plan.Notes, "Shrunk to "+figures+".")
	}
	for _, v := range r.Violations[:min(len(r.Violations), 3)] {
		first, _, _ := strings.Cut(v.String(), "\n")
		plan.Notes = append(plan.Notes, "Fails: "+printable.Text(first))
	}
	plan.Keep = slices.Clone(plan.Keep)
	for i := range plan.Keep {
		plan.Keep[i].What = printable.Text(plan.Keep[i].What)
	}
	for name, write := range map[string]func(io.Writer) error{ //order-free: files
		"decisions.txt": plan.Write,
		"history.jsonl": r.History.Write,
		"index.html": func(w io.Writer) error {
			return writePage(w, r, &plan, figures, command)
		},
		"README.txt": func(w io.Writer) error { return e.readme(w, r, small, command, full) },
	} {
		if err := writeFile(filepath.Join(dir, name), write); err != nil {
			return err
		}
	}
	var picture bytes.Buffer
	drawn, err := linearizability.Picture(r.History, &picture)
	if err == nil && drawn {
		err = os.WriteFile(filepath.Join(dir, "porcupine.html"), picture.Bytes(), 0o644)
	}
	if err != nil {
		return fmt.Errorf("draw porcupine's picture: %w", err)
	}
	return nil
}

// readme says what happened, and what the files are.
func (e *explainer) readme(w io.Writer, r *sim.Result, small *shrunk, command, full string) error {
	screen(w, r, small, command)
	_, err := fmt.Fprintf(w, `Whole:   %s

index.html      what happened: open it in a browser; it needs no network
decisions.txt   what is left of the world; may be changed by hand and replayed
history.jsonl   what clients saw and what was committed: vivarium check reads it.
                [n] above is a line of it: sed -n 'np' history.jsonl
porcupine.html  porcupine's own picture, where it objects

`, full)
	if err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	show(w, r, true)
	return nil
}

func writeFile(name string, write func(io.Writer) error) error {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("explain: %w", err)
	}
	err = write(file)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}
