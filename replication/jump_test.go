package replication

import (
	"math/rand/v2"
	"testing"
)

// hurried are settings with which checkpoints are sent all the time: little log is kept, and each
// piece of a checkpoint holds a record or two.
func hurried(seed uint64) Config {
	rng := rand.New(rand.NewPCG(seed, 4))
	pick := func(from ...int64) int64 { return from[rng.IntN(len(from))] }
	return Config{MaxEntryBytes: int(pick(300, 2000)), CheckpointBytes: pick(500, 2000, 8000),
		MaxLogBytes: pick(1000, 3000), IdleTicks: 40, PieceBytes: int(pick(100, 300, 2000)),
		ResendTicks: pick(4, 20)}
}

// total adds up what the worlds of one test did.
type total struct{ jumps }

func (t *total) add(j *jumps) {
	t.transfers += j.transfers
	t.pieces += j.pieces
	t.installs += j.installs
	t.closed += j.closed
	if t.crashes == nil {
		t.crashes = map[string]int{}
	}
	for name, n := range j.crashes {
		t.crashes[name] += n
	}
}

// TestJumps judges ensembles in which members fall behind what is kept of the log and get
// checkpoints, under random faults, with crashes at each boundary of sending and installing.
func TestJumps(t *testing.T) {
	var sum total
	for seed := *firstSeed; seed < *firstSeed+*seedCount; seed++ {
		n := []int{3, 3, 5}[seed%3]
		try(t, seed, n, hurried(seed), func(w *world) {
			crash := w.rng.Int64N(3)
			w.jumps.crash = func(h *host, boundary string) bool {
				return !w.calm && crash > 0 && w.rng.Int64N(6*crash) == 0
			}
			anyWorld(4)(w)
			sum.add(&w.jumps)
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%+v", sum.jumps)
	if *seedCount < 50 {
		return
	}
	if sum.installs < int(*seedCount) || sum.closed == 0 {
		t.Errorf("%d checkpoints installed, %d connections closed in %d worlds", sum.installs,
			sum.closed, *seedCount)
	}
	for _, name := range []string{"read", "stage", "staged", "before checkpoint",
		"before log record", "before load", "before install", "before stored"} {
		if sum.crashes[name] == 0 {
			t.Errorf("no process died at %q", name)
		}
	}
}
