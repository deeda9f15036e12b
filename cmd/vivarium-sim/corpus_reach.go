package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// runner runs worlds, and says what each of them reaches.
type runner struct {
	pool    pool
	covered bool   // blocks of statements are counted
	dir     string // scratch, if they are
	covdata string // go's tool that reads counters

	mu      sync.Mutex // guards what follows
	err     error      // the first
	sources map[string]*source
}

// reach is what a world reaches.
type reach struct {
	verdict *verdict
	all     map[string]bool
}

// newRunner builds a binary that counts, if blocks are to be counted. It is used at the root of
// the module.
func newRunner(workers int, covered bool) (*runner, error) {
	r := &runner{covered: covered, sources: map[string]*source{},
		pool: pool{env: []string{"GOMAXPROCS=1", "GOGC=400"},
			size: workers, limit: worldLimit}}
	var err error
	if !covered {
		r.pool.binary, err = os.Executable()
		return r, err
	}
	if r.dir, err = os.MkdirTemp("", "vivarium-corpus-"); err != nil {
		return nil, err
	}
	tool, err := exec.Command("go", "tool", "-n", "covdata").Output()
	if err == nil {
		r.covdata, r.pool.binary = strings.TrimSpace(string(tool)), filepath.Join(r.dir, "sim")
		err = buildCovered(r.pool.binary)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *runner) close() {
	if r.dir != "" {
		_ = os.RemoveAll(r.dir) // scratch
	}
}

// work runs tasks until there are none left. each is called for one world at a time, in no order,
// and so is next.
func (r *runner) work(next func() (id int, t task, ok bool), each func(int, task, *reach)) {
	var wg sync.WaitGroup
	var mu sync.Mutex // guards next and each
	for worker := range r.pool.size {
		wg.Go(func() {
			p := &process{pool: r.pool}
			defer p.stop()
			for {
				mu.Lock()
				id, t, ok := next()
				mu.Unlock()
				if !ok || r.failed() {
					return
				}
				got, err := r.run(p, worker, t)
				if err != nil {
					r.fail(err)
					return
				}
				mu.Lock()
				each(id, t, got)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func (r *runner) failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err != nil
}

func (r *runner) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
}

// run runs one world. If blocks are counted it has a process of its own, which writes its counters
// when it ends.
func (r *runner) run(p *process, worker int, t task) (*reach, error) {
	got := &reach{all: map[string]bool{}}
	if !r.covered {
		got.verdict = p.do(t)
	} else {
		dir := filepath.Join(r.dir, fmt.Sprint("counters", worker))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(dir) }() // scratch
		one := &process{pool: r.pool}
		one.pool.env = append(slices.Clone(r.pool.env), "GOCOVERDIR="+dir)
		got.verdict = one.do(t)
		one.stop()
		if err := r.blocks(dir, got.all); err != nil && len(got.verdict.Violations) == 0 {
			return nil, err
		}
	}
	for _, s := range got.verdict.Meetings {
		got.all[s] = true
	}
	return got, nil
}

// blocks adds the blocks of the measured packages that the counters in dir have seen.
func (r *runner) blocks(dir string, all map[string]bool) error {
	text := filepath.Join(dir, "profile")
	cmd := exec.Command(r.covdata, "textfmt", "-i", dir, "-o", text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("read counters: %w\n%s", err, out)
	}
	profile, err := os.ReadFile(text)
	if err != nil {
		return fmt.Errorf("read counters: %w", err)
	}
	list, err := parseProfile(profile)
	if err != nil {
		return err
	}
	for _, b := range list {
		if !b.reached || !slices.Contains(measured, filepath.Dir(b.file)) {
			continue
		}
		name, err := r.name(b)
		if err != nil {
			return err
		}
		all[name] = true
	}
	return nil
}

// name is what a block is called: by its function, so that it keeps its name when something else
// in the file changes.
func (r *runner) name(b block) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sources[b.file]
	if s == nil {
		var err error
		if s, err = readSource(b.file); err != nil {
			return "", err
		}
		r.sources[b.file] = s
	}
	for _, f := range s.funcs {
		if f.span[0] <= b.line && b.line <= f.span[1] {
			return fmt.Sprintf("%s:%s+%d", b.file, f.name, b.line-f.span[0]), nil
		}
	}
	return fmt.Sprintf("%s:%d", b.file, b.line), nil
}
