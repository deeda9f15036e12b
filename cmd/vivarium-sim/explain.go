package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vivariumdb/vivarium/internal/mutant"
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
			_, _ = fmt.Fprintln(e.out, "a world that ends its process is not explained")
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
	_, _ = fmt.Fprintf(e.out, "explained in %s\n", dir)
	if small.before != nil {
		_, _ = fmt.Fprintf(e.out, "  shrunk to %v\n", small)
	}
	_, _ = fmt.Fprintf(e.out, "  open %s\n  %s\n", filepath.Join(dir, "index.html"),
		replayFile(plan, filepath.Join(dir, "decisions.txt")))
	return nil
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
		plan.Notes = append(plan.Notes, "Fails: "+first)
	}
	for name, write := range map[string]func(io.Writer) error{ //order-free: files
		"decisions.txt": plan.Write,
		"history.jsonl": r.History.Write,
		"index.html": func(w io.Writer) error {
			return writePage(w, r, &plan, figures, command)
		},
		"README.txt": func(w io.Writer) error { return e.readme(w, r, command, full, figures) },
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

// readme says what the files are.
func (e *explainer) readme(w io.Writer, r *sim.Result, command, full, figures string) error {
	_, err := fmt.Fprintf(w, `A world that fails, made smaller.

Replay it:            %s
The whole world:      %s
Shrunk to:            %s

index.html      what happened: open it in a browser; it needs no network
decisions.txt   what is left of the world; may be changed by hand and replayed
history.jsonl   what clients saw and what was committed: vivarium check reads it
porcupine.html  porcupine's own picture, where it objects

`, command, full, figures)
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
