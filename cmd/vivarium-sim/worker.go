package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/internal/printable"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/sim"
)

// task is what a worker is asked to do: one world.
type task struct {
	Seed   uint64
	Set    []string // knobs, as Name=number
	Mutant string
	// Reach asks for Meetings.
	Reach bool
	// Film has the world filmed, as one is that fails.
	Film bool
	// Plan, if not nil, stands for all of these, and asks for a Trial.
	Plan *sim.Plan
	// CPU is the processor time that the world may take, 0: any. It is pool.cpu.
	CPU time.Duration
}

// verdict is what a worker answers.
type verdict struct {
	Seed       uint64
	Trace      string
	Virtual    int64
	Violations []finding
	Counts     []int64 // in the order of sim.CounterNames
	Judged     [6]int  // commits, writes, reads, events, sessions, unjudged
	Porcupine  linearizability.Porcupine
	Nanos      int64 // of processor time
	Trial      *sim.Trial
	Meetings   []string // see sim.Result
	// Full says that the process ends: too much lies in its memory.
	Full bool
}

type finding struct {
	Judge, Text string
	Lines       []int
}

// newWorker is the hidden command that processes of a sweep run: tasks come as lines of JSON,
// verdicts go out the same way.
func newWorker(s streams) *cobra.Command {
	return &cobra.Command{Use: "worker", Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			in, out := json.NewDecoder(s.in), json.NewEncoder(s.out)
			for {
				var t task
				switch err := in.Decode(&t); err {
				case nil:
				case io.EOF:
					return nil
				default:
					return fmt.Errorf("read task: %w", err)
				}
				stop := watch(t.CPU, giveUp)
				v, err := t.run()
				stop()
				if err != nil {
					return err
				}
				v.Full = crowded()
				if err := out.Encode(v); err != nil {
					return fmt.Errorf("write verdict: %w", err)
				}
				if v.Full {
					return nil
				}
			}
		}}
}

// watch calls end once this process has used more than limit of processor time from now on, unless
// the watch is stopped before. Time that others on a busy machine have used does not count.
func watch(limit time.Duration, end func(limit time.Duration)) (stop func()) {
	if limit == 0 {
		return func() {}
	}
	done, start := make(chan struct{}), cpuTime()
	go func() {
		t := time.NewTicker(limit/100 + time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				if cpuTime()-start > limit {
					end(limit)
					return
				}
			}
		}
	}()
	return func() { close(done) }
}

// giveUp ends this process and shows where it has been for so long.
func giveUp(limit time.Duration) {
	_, _ = fmt.Fprintf(os.Stderr, "the world took more than %v of processor time\n", limit)
	_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2)
	os.Exit(3)
}

// crowded says whether the process holds so much memory that another one should go on: a real
// store that an injected error has ended leaves behind what only the end of its process frees.
func crowded() bool {
	const most = 1 << 30
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapSys > most
}

func (t *task) knobs() (*sim.Knobs, error) {
	k := sim.Draw(t.Seed)
	for _, s := range t.Set {
		if err := k.Set(s); err != nil {
			return nil, err
		}
	}
	return &k, nil
}

func (t *task) run() (*verdict, error) {
	if t.Plan != nil {
		return t.try()
	}
	if err := mutant.Select(t.Mutant); err != nil {
		return nil, err
	}
	k, err := t.knobs()
	if err != nil {
		return nil, err
	}
	start := cpuTime()
	r := sim.Run(sim.Options{Seed: t.Seed, Knobs: k, Film: t.Film})
	v := verdictOf(r, cpuTime()-start)
	if t.Reach {
		v.Meetings = r.Meetings
	}
	return v, nil
}

// try runs the world of a plan.
func (t *task) try() (*verdict, error) {
	if err := mutant.Select(t.Plan.Mutant); err != nil {
		return nil, err
	}
	if _, err := t.Plan.World(); err != nil {
		return nil, err
	}
	start := cpuTime()
	r := sim.Run(sim.Options{Seed: t.Plan.Seed, Plan: t.Plan, Record: true})
	v := verdictOf(r, cpuTime()-start)
	v.Trial = r.Trial()
	return v, nil
}

func verdictOf(r *sim.Result, took time.Duration) *verdict {
	v := &verdict{Seed: r.Seed, Trace: r.Trace, Virtual: r.Virtual, Nanos: took.Nanoseconds(),
		Porcupine: r.Judged.Porcupine,
		Judged: [6]int{r.Judged.Commits, r.Judged.Writes, r.Judged.Reads, r.Judged.Events,
			r.Judged.Sessions, r.Judged.Unjudged}}
	for _, c := range r.Counts {
		v.Counts = append(v.Counts, c.Value)
	}
	for _, f := range r.Violations {
		v.Violations = append(v.Violations, findingOf(f))
	}
	return v
}

// findingOf is a violation as people may be shown it.
func findingOf(v linearizability.Violation) finding {
	return finding{v.Judge, printable.Lines(v.Text), v.Lines}
}

// cpuTime is the processor time that this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// worldLimit is how long any world may take that has not been seen to take less.
const worldLimit = 10 * time.Minute

// pool is a number of worker processes.
type pool struct {
	binary string
	env    []string
	size   int
	limit  time.Duration // for one world
	cpu    time.Duration // of processor time; 0: any
}

// work hands out tasks until there are none left or each says that it is enough. each is called
// for one verdict at a time, in no order.
func (p pool) work(next func() (task, bool), each func(task, *verdict) bool) {
	var wg sync.WaitGroup
	var mu sync.Mutex // guards next, each and enough
	enough := false
	for range p.size {
		wg.Go(func() {
			w := &process{pool: p}
			defer w.stop()
			for {
				mu.Lock()
				t, ok := next()
				ok = ok && !enough
				mu.Unlock()
				if !ok {
					return
				}
				v := w.do(t)
				mu.Lock()
				enough = enough || !each(t, v)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

// process is one worker process, which is started again when it dies.
type process struct {
	pool   pool
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	stderr *tail
}

func (w *process) start() error {
	cmd := exec.Command(w.pool.binary, "worker")
	cmd.Env = append(os.Environ(), w.pool.env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	w.stderr = &tail{}
	cmd.Stderr = w.stderr
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	w.cmd, w.in, w.out = cmd, in, bufio.NewReaderSize(out, 1<<20)
	return nil
}

func (w *process) stop() {
	if w.cmd == nil {
		return
	}
	_ = w.in.Close()
	_ = w.cmd.Wait() // how it ended has been judged
	w.cmd = nil
}

// do has one world run. A worker that dies or hangs is a finding.
func (w *process) do(t task) *verdict {
	fail := func(what string, err error) *verdict {
		if w.cmd != nil {
			_ = w.cmd.Process.Kill()
			w.stop()
		}
		text := fmt.Sprintf("%s: %v\n%s", what, err, w.stderr)
		return &verdict{Seed: t.Seed, Violations: []finding{{Judge: "process", Text: text}}}
	}
	if w.cmd == nil {
		if err := w.start(); err != nil {
			return fail("worker", err)
		}
	}
	t.CPU = w.pool.cpu
	if err := json.NewEncoder(w.in).Encode(t); err != nil {
		return fail("worker", err)
	}
	watchdog := time.AfterFunc(w.pool.limit, func() { _ = w.cmd.Process.Kill() })
	line, err := w.out.ReadBytes('\n')
	if !watchdog.Stop() && err != nil {
		return fail("worker hung", err)
	}
	if err != nil {
		return fail("worker died", err)
	}
	var v verdict
	if err := json.Unmarshal(line, &v); err != nil {
		return fail("worker", err)
	}
	if v.Full {
		w.stop()
	}
	return &v
}

// events is how many events the world had; the first counter says it.
func (v *verdict) events() int64 {
	if len(v.Counts) == 0 {
		return 0
	}
	return v.Counts[0]
}

// tail keeps the beginning of what a process says before it dies.
type tail struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := 8<<10 - t.buf.Len(); room > 0 {
		t.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// String returns what was kept.
func (t *tail) String() string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

// judges are the names of those who found something, each once.
func (v *verdict) judges() []string {
	var names []string
	for _, f := range v.Violations {
		if !slices.Contains(names, f.Judge) {
			names = append(names, f.Judge)
		}
	}
	return names
}
