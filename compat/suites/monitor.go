package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// every is how often a monitor says how far it is.
const every = 15 * time.Second

// A monitor gathers the results of one run and shows its progress: failures at once, a line of
// counts from time to time, and the test that has been running when nothing else happens.
type monitor struct {
	out     io.Writer
	verbose bool
	start   time.Time
	stop    chan struct{}
	done    sync.WaitGroup

	mu      sync.Mutex      // guards the fields below and writing to out
	known   map[string]bool // the tests asked for, and the subtests they turned out to have
	results map[string]Result
	running string
}

// newMonitor starts a monitor of the tests ids. Close ends it.
func newMonitor(ids []string, verbose bool, out io.Writer) *monitor {
	m := &monitor{out: out, verbose: verbose, start: time.Now(), stop: make(chan struct{}),
		known: map[string]bool{}, results: map[string]Result{}}
	for _, id := range ids {
		m.known[id] = true
	}
	m.done.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				m.progress()
			case <-m.stop:
				return
			}
		}
	})
	return m
}

// Started notes that a test begins.
func (m *monitor) Started(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[id] = true
	m.running = id
}

// Done notes the result of a test.
func (m *monitor) Done(r Result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.results[r.ID] = r
	m.running = ""
	if m.verbose || r.Outcome == failed {
		fmt.Fprintf(m.out, "  %-7s %s (%.1f s)\n", r.Outcome, r.ID, r.Seconds)
	}
}

// Close ends the monitor and returns the results by id.
func (m *monitor) Close() map[string]Result {
	close(m.stop)
	m.done.Wait()
	m.progress()
	return m.results
}

func (m *monitor) progress() {
	m.mu.Lock()
	defer m.mu.Unlock()
	failures := 0
	for _, r := range m.results {
		if r.Outcome == failed {
			failures++
		}
	}
	running := ""
	if m.running != "" {
		running = ", in " + m.running
	}
	fmt.Fprintf(m.out, "  %4.0f s: %d of %d, %d failed%s\n", time.Since(m.start).Seconds(),
		len(m.results), len(m.known), failures, running)
}
