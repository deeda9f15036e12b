package main

import (
	"io"
	"os"
	"testing"
	"time"

	"github.com/vivariumdb/vivarium/sim"
)

// TestShrinkSlow: the world that fails may take as long as it takes, on a machine that is busy;
// it was said to end its process once.
func TestShrinkSlow(t *testing.T) {
	p := pool{binary: workerBinary(t), size: 1, limit: time.Millisecond}
	plan := &sim.Plan{Seed: 3, PatienceUs: 1, Knobs: []string{"DurationMs=1000"}}
	small := shrink(io.Discard, p, plan, time.Nanosecond)
	if small.judge() != "liveness" {
		t.Errorf("a world that takes longer than %v fails with %v, want liveness", p.limit,
			small.before.Judges)
	}
}

// workerBinary finds this binary under the name by which it is the command.
func workerBinary(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := t.TempDir() + "/vivarium-sim"
	if err := os.Symlink(self, name); err != nil {
		t.Fatal(err)
	}
	return name
}
