package replication

import (
	"fmt"
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

// fill creates n znodes, each by an entry of its own.
func (d *driver) fill(n int) {
	c, _ := d.open(wire.ConnectRequest{TimeoutMs: 40000})
	for i := range n {
		d.feed(c, request(nil, int32(i+1), wire.OpCreate, create(fmt.Sprintf("/%d", i))))
		d.settle()
	}
}

// TestCheckpointByItems: a checkpoint begins when so many items have changed, however little log
// they made, and only then.
func TestCheckpointByItems(t *testing.T) {
	for _, test := range []struct {
		items, min, max int
	}{
		{items: 10, min: 9, max: 12}, // each holds 10 items, the root among them
		{items: 50, min: 1, max: 2},
		{items: 1000, min: 0, max: 0},
	} {
		d := newDriver(t, Config{CheckpointItems: test.items, IdleTicks: 1 << 40})
		d.fill(90)
		if n := len(d.checks); n < test.min || n > test.max {
			t.Errorf("90 znodes with CheckpointItems %d made %d checkpoints, want %d to %d",
				test.items, n, test.min, test.max)
		}
	}
}

// TestKeptLog: a member without peers forgets log that is applied, and goes on; one that may keep
// all of it does.
func TestKeptLog(t *testing.T) {
	for _, test := range []struct {
		kept  int64
		trims bool
	}{{500, true}, {1 << 20, false}} {
		d := newDriver(t, Config{KeptLogBytes: test.kept, IdleTicks: 1 << 40})
		first := d.member.replica.log.start.index
		d.fill(200)
		log := d.member.replica.log
		if trimmed := log.start.index > first; trimmed != test.trims {
			t.Errorf("KeptLogBytes %d: the log in memory begins at %d, in the beginning at %d",
				test.kept, log.start.index, first)
		}
		if test.trims && log.bytes > 2*test.kept {
			t.Errorf("KeptLogBytes %d: %d bytes are in memory", test.kept, log.bytes)
		}
		if len(d.checks) != 0 {
			t.Errorf("KeptLogBytes %d: %d checkpoints, want none", test.kept, len(d.checks))
		}
	}
}
