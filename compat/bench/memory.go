package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// measureMemory fills a fresh server of each kind with a million znodes, waits a minute, starts
// it again, and opens 10,000 sessions. It prints; the table of rates is another run.
func (b *bench) measureMemory(ctx context.Context) error {
	var t strings.Builder
	fmt.Fprintf(&t, "# Memory and start\n\nWritten by `%s`; do not edit.\n\n", b.command())
	b.machine(ctx, &t)
	t.WriteString("\n| | ZooKeeper | Vivarium |\n|---|---|---|\n")
	names := []string{"a million znodes of 100 bytes: load, znodes/s", "resident at its peak, MB",
		"resident a minute later, MB", "start with them, s", "resident after it, MB",
		"heap alive, bytes per znode", "empty: resident, MB",
		"with 10,000 idle sessions for a minute: more, MB"}
	table := make([][]string, len(names))
	for _, name := range []string{zooKeeper, vivarium} {
		values, err := b.memoryOf(ctx, name)
		if err != nil {
			return fmt.Errorf("memory of %s: %w", name, err)
		}
		for i, v := range values {
			table[i] = append(table[i], short(v))
		}
	}
	for i, name := range names {
		fmt.Fprintf(&t, "| %s | %s |\n", name, strings.Join(table[i], " | "))
	}
	return b.publish("MEMORY.md", t.String())
}

func (b *bench) memoryOf(ctx context.Context, name string) (values []float64, err error) {
	s, err := b.start(ctx, name, true)
	if err != nil {
		return nil, err
	}
	defer func() { s.stop() }()
	r, err := b.put(ctx, s, time.Second, "create", "--count", "1000000", "--value", "100", "--keep")
	if err != nil {
		return nil, err
	}
	values = append(values, r.PerSecond, s.status("VmHWM"))
	select {
	case <-time.After(time.Minute):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	values = append(values, s.status("VmRSS"))
	s.stop()
	began := time.Now()
	again, err := b.start(ctx, name, false)
	if err != nil {
		return nil, err
	}
	s = again
	values = append(values, time.Since(began).Seconds(), s.status("VmRSS"))
	heap, err := s.liveHeap(ctx)
	if err != nil {
		return nil, err
	}
	values = append(values, heap/1e6)
	s.stop()
	if again, err = b.start(ctx, name, true); err != nil {
		return nil, err
	}
	s = again
	empty := s.status("VmRSS")
	r, err = b.put(ctx, s, time.Minute, "idle", "-c", "10000")
	if err != nil {
		return nil, err
	}
	return append(values, empty, float64(r.Server.AfterBytes)/1e6-empty), nil
}

// liveHeap is what a collection leaves of the server's heap, in bytes; 0 if it does not tell.
func (s *server) liveHeap(ctx context.Context) (float64, error) {
	if s.profile == "" {
		return 0, nil
	}
	text, err := s.ask(ctx, "heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	var n float64
	_, rest, _ := strings.Cut(text, "\n# HeapAlloc = ")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		return 0, fmt.Errorf("no HeapAlloc in the profile of the heap: %w", err)
	}
	return n, nil
}

// status reads a line of the process's status, in MB; 0 if there is none.
func (s *server) status(key string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, key+":"); ok {
			var kib float64
			fmt.Sscan(rest, &kib)
			return kib * 1024 / 1e6
		}
	}
	return 0
}
