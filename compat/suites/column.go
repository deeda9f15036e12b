package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// An Outcome is how a test ended.
type Outcome string

const (
	passed  Outcome = "passed"
	failed  Outcome = "failed"
	skipped Outcome = "skipped"
	// later is a test that runs against no server yet, see testdata/later.txt.
	later Outcome = "later"
)

// outcomes are all of them, in the order of the table.
var outcomes = []Outcome{passed, failed, skipped, later}

// maxAgain limits how many failed tests are tried again: with more the server is broken, and the
// time is better spent on the first few.
const maxAgain = 30

// A Result is what one test said about one server.
type Result struct {
	ID      string  `json:"id"`
	Outcome Outcome `json:"outcome"`
	Seconds float64 `json:"seconds"`
	// Text is why it failed or was skipped.
	Text string `json:"text,omitempty"`
	// FirstText is why it failed at first, if it passed when it was tried again.
	FirstText string `json:"first_text,omitempty"`
}

// Again reports whether the test failed at first and then passed.
func (r Result) Again() bool { return r.Outcome == passed && r.FirstText != "" }

// A Column is what one suite said about one server.
type Column struct {
	Server        string   `json:"server"`
	ServerVersion string   `json:"server_version"`
	SuiteVersion  string   `json:"suite_version"`
	Seconds       float64  `json:"seconds"`
	Results       []Result `json:"results"` // sorted by ID
	// Broken says why the suite did not run to its end; empty if it did.
	Broken string `json:"broken,omitempty"`
	// Folder holds the suite's output, its own report and the log of each server it started.
	Folder string `json:"folder"`
}

// Count returns how many tests ended like that.
func (c *Column) Count(o Outcome) int {
	n := 0
	for _, r := range c.Results {
		if r.Outcome == o {
			n++
		}
	}
	return n
}

// A Job is one run of some tests of a suite against one server.
type Job struct {
	Server  Server
	IDs     []string // the tests to run
	Folder  string   // for the suite's output and report
	Logs    string   // for the servers' logs
	Monitor *monitor
}

// runColumn runs the selected tests of s against server, tries failed ones again, and returns an
// error only if the suite could not be asked for its tests at all.
func runColumn(ctx context.Context, s suite, server Server, opts Options, lists Lists,
	out io.Writer) (*Column, error) {

	col := &Column{Server: server.Name, ServerVersion: server.Version, SuiteVersion: s.Version(),
		Folder: filepath.Join(opts.Out, s.Name()+"-"+server.Name)}
	if err := os.MkdirAll(col.Folder, 0o755); err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "%s %s on %s\n", s.Name(), s.Version(), server.Version)
	all, err := s.Collect(ctx)
	if err != nil {
		return nil, fmt.Errorf("collect %s: %w", s.Name(), err)
	}
	var ids []string
	results := map[string]Result{}
	for _, id := range selected(all, opts.Run) {
		if reason, ok := lists.Later[s.Name()][id]; ok {
			results[id] = Result{ID: id, Outcome: later, Text: reason}
			continue
		}
		ids = append(ids, id)
	}
	if unknown := lists.unknown(s.Name(), all); len(unknown) > 0 {
		col.Broken = "testdata names tests the suite does not have: " + strings.Join(unknown, ", ")
	}
	start := time.Now()
	if err := runTwice(ctx, s, server, col, ids, results, opts, out); err != nil {
		col.Broken = err.Error()
		fmt.Fprintf(out, "  broken: %s\n", col.Broken)
	}
	col.Seconds = time.Since(start).Seconds()
	for _, id := range sortedKeys(results) {
		col.Results = append(col.Results, results[id])
	}
	return col, ctx.Err()
}

// runTwice fills results: a first run of ids, and a second one, in a fresh process, of those that
// failed or got no result. A test that passes then counts as passed, and is named in the output.
func runTwice(ctx context.Context, s suite, server Server, col *Column, ids []string,
	results map[string]Result, opts Options, out io.Writer) error {

	ctx, cancel := context.WithTimeoutCause(ctx, opts.Timeout,
		fmt.Errorf("not done after %s (-timeout)", opts.Timeout))
	defer cancel()
	first, err := runOnce(ctx, s, server, col.Folder, "1", ids, opts, out)
	for id, r := range first {
		results[id] = r
	}
	if err != nil {
		return err
	}
	var again []string
	for _, id := range sortedKeys(first) {
		if first[id].Outcome == failed {
			again = append(again, id)
		}
	}
	if len(again) == 0 || len(again) > maxAgain {
		return nil
	}
	fmt.Fprintf(out, "  trying %d failed again\n", len(again))
	second, err := runOnce(ctx, s, server, col.Folder, "2", again, opts, out)
	for id, r := range second {
		was, ran := first[id]
		switch {
		case !ran:
			results[id] = r
		case was.Outcome == failed && r.Outcome == passed:
			r.FirstText = cmp.Or(was.Text, "failed")
			results[id] = r
		}
	}
	return err
}

// runOnce runs ids and returns a result for each, and for the subtests they turned out to have.
func runOnce(ctx context.Context, s suite, server Server, folder, try string, ids []string,
	opts Options, out io.Writer) (map[string]Result, error) {

	job := Job{
		Server:  server,
		IDs:     ids,
		Folder:  filepath.Join(folder, "try"+try),
		Logs:    filepath.Join(folder, "try"+try, "servers"),
		Monitor: newMonitor(ids, opts.Verbose, out),
	}
	if err := os.MkdirAll(job.Logs, 0o755); err != nil {
		return nil, err
	}
	err := s.Run(ctx, job)
	results := job.Monitor.Close()
	for _, id := range ids {
		if _, ok := results[id]; !ok {
			results[id] = Result{ID: id, Outcome: failed, Text: "no result: the suite ended before"}
		}
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w; see %s", err, job.Folder)
	}
	return results, err
}

// selected returns the ids that match.
func selected(ids []string, match *regexp.Regexp) []string {
	if match == nil {
		return ids
	}
	var kept []string
	for _, id := range ids {
		if match.MatchString(id) {
			kept = append(kept, id)
		}
	}
	return kept
}

// sortedKeys returns the keys of m in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
