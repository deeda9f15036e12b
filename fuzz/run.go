package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// result is what became of a target.
type result struct {
	Package string  `json:"package"`
	Target  string  `json:"target"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpuSeconds"` // of its workers and the process that feeds them
	Execs   int64   `json:"execs"`
	Found   int64   `json:"found"`  // inputs that reached something new, in this run
	Corpus  int64   `json:"corpus"` // all inputs that it started with or has found
	Failed  bool    `json:"failed"`
	Input   string  `json:"input,omitempty"`  // the file of the input that failed
	Output  string  `json:"output,omitempty"` // the last that go test has said of a failure
}

// minimize is how long go test may try to make one input smaller. Its default, a minute, is for
// each input that reaches something new, and nothing else is tried meanwhile.
const minimize = "1s"

// maxOutput bounds what is kept of the output of a target that fails, in lines.
const maxOutput = 60

// maxLine bounds a line of go test: behind a longer one nothing is looked at.
const maxLine = 16 << 20

// patience is how long a target that was interrupted may take to end.
const patience = 10 * time.Second

// fuzz runs a target in a binary of its package and shows how far it is. One that is interrupted
// has run for less time, and has not failed.
//
// Its time is ended by an interrupt and not by -test.fuzztime, at whose end go test may call a
// target failed with which nothing is wrong: "context deadline exceeded" (golang/go#75804, mended
// in Go 1.27).
func (t target) fuzz(ctx context.Context, f flags, binary, cache string, progress io.Writer,
	label string) result {
	args := []string{"-test.run", "^$", "-test.fuzz", "^" + t.name + "$",
		"-test.fuzzminimizetime", minimize,
		"-test.fuzzcachedir", found(cache, t.pkg), "-test.paniconexit0"}
	if f.workers > 0 {
		args = append(args, "-test.parallel", strconv.Itoa(f.workers))
	}
	r := result{Package: t.pkg, Target: t.name}
	say := func(format string, args ...any) {
		_, _ = fmt.Fprintf(progress, label+": "+format+"\n", args...)
	}
	say("%s with %s", f.each, cmp.Or(f.tags, "no tags"))
	start := time.Now()
	turn, end := context.WithCancel(ctx)
	defer end()
	cmd := exec.CommandContext(turn, binary, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	cmd.Dir = filepath.FromSlash(t.pkg)
	out, err := cmd.StdoutPipe()
	if err == nil {
		cmd.Stderr = cmd.Stdout
		err = cmd.Start()
	}
	if err != nil {
		r.Failed, r.Output = ctx.Err() == nil, err.Error()
		return r
	}
	r.follow(out, say, func() { time.AfterFunc(f.each, end) })
	_ = cmd.Wait() // which is an error, too, if it was told to end and has ended well
	if r.Input != "" || !cmd.ProcessState.Success() && ctx.Err() == nil {
		r.Failed = true
	}
	r.Seconds = time.Since(start).Seconds()
	r.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	if !r.Failed {
		r.Output = ""
	} else {
		say("FAILED\n%s", r.Output)
	}
	return r
}

var (
	progressLine = regexp.MustCompile(`^fuzz: elapsed: \S+, execs: (\d+) .*` +
		`new interesting: (\d+) \(total: (\d+)\)`)
	inputLine = regexp.MustCompile(`Failing input written to (\S+)`)
)

// absentLine is what a test binary says that has no such target, for it is built with other tags.
// It exits as if all were well.
const absentLine = "testing: warning: no fuzz tests to fuzz"

// begunPrefix is what each line begins with in which go test tells how far it is. The first comes
// when it has loaded its corpus.
const begunPrefix = "fuzz: elapsed: "

// follow reads what go test says until it ends, and calls begun when the target's time begins.
func (r *result) follow(out io.Reader, say func(string, ...any), begun func()) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, maxLine)
	var kept []string
	told := time.Now()
	for lines.Scan() {
		line := lines.Text()
		if begun != nil && strings.HasPrefix(line, begunPrefix) {
			begun()
			begun = nil
		}
		if m := progressLine.FindStringSubmatch(line); m != nil {
			r.Execs, r.Found, r.Corpus = number(m[1]), number(m[2]), number(m[3])
			if time.Since(told) > 10*time.Second {
				told = time.Now()
				say("%s", strings.TrimPrefix(line, "fuzz: "))
			}
			continue
		}
		r.Failed = r.Failed || line == absentLine
		if m := inputLine.FindStringSubmatch(line); m != nil {
			r.Input = strings.TrimPrefix(r.Package, "./") + "/" + m[1]
		}
		if kept = append(kept, line); len(kept) > maxOutput {
			kept = kept[1:]
		}
	}
	if err := lines.Err(); err != nil {
		kept = append(kept, fmt.Sprintf("fuzz: the rest cannot be read: %v", err))
	}
	_, _ = io.Copy(io.Discard, out) // or go test would wait for a reader, and this process for it
	r.Output = strings.Join(kept, "\n")
}

// number reads digits that a regular expression has matched.
func number(digits string) int64 {
	n, _ := strconv.ParseInt(digits, 10, 64)
	return n
}

// report prints the results, and is an error if one failed.
func report(out io.Writer, output string, results []result) error {
	failed := 0
	for _, r := range results {
		if r.Failed {
			failed++
		}
	}
	if output == "json" {
		if err := writeJSON(out, results); err != nil {
			return err
		}
	} else {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
		_, _ = fmt.Fprintln(w, "seconds\tCPU s\tinputs\tnew\tcorpus\t  target\t")
		for _, r := range results {
			verdict := ""
			if r.Failed {
				verdict = " FAILED " + r.Input
			}
			_, _ = fmt.Fprintf(w, "%.0f\t%.0f\t%d\t%d\t%d\t  %s %s%s\t\n", r.Seconds, r.CPU,
				r.Execs, r.Found, r.Corpus, r.Package, r.Target, verdict)
		}
		_ = w.Flush()
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d targets failed", failed, len(results))
	}
	return nil
}

// list prints the targets.
func list(out io.Writer, output string, targets []target) error {
	if output == "json" {
		type line struct {
			Package string `json:"package"`
			Target  string `json:"target"`
		}
		var lines []line
		for _, t := range targets {
			lines = append(lines, line{t.pkg, t.name})
		}
		return writeJSON(out, lines)
	}
	for _, t := range targets {
		_, _ = fmt.Fprintln(out, t.pkg, t.name)
	}
	return nil
}

func writeJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
