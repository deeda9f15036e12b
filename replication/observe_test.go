package replication

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
)

func TestDeadlines(t *testing.T) {
	d := newDriver(t, Config{})
	_, long := d.open(wire.ConnectRequest{TimeoutMs: 40000})
	_, short := d.open(wire.ConnectRequest{TimeoutMs: 4000})
	for range 10 {
		d.tick()
	}
	got := d.member.AppendDeadlines(nil)
	// A session lives for its time-out and up to one tick more.
	want := []Deadline{
		{core.SessionID(short.SessionID), 4000 + 50 - 500},
		{core.SessionID(long.SessionID), 40000 + 50 - 500}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("deadlines half a second after both were opened (-want +got):\n%s", diff)
	}
}

// TestDigests: two members that applied the same writes report the same digests, whatever
// steps they applied them in.
func TestDigests(t *testing.T) {
	run := func(step int) []ZxidDigest {
		d := newDriver(t, Config{})
		d.step = step
		c, _ := d.open(wire.ConnectRequest{TimeoutMs: 4000})
		for i := range int32(300) {
			q := create("/a")
			q.Flags = wire.FlagPersistentSequential
			d.feed(c, request(nil, i+1, wire.OpCreate, q))
			if i%50 == 0 {
				d.settle()
			}
		}
		d.settle()
		return d.digests
	}
	one, other := run(1), run(1000)
	if len(one) != 2 || one[0].Zxid%DigestInterval != 0 || one[0].Digest == one[1].Digest {
		t.Errorf("digests of 300 writes: %v, want 2", one)
	}
	if diff := cmp.Diff(one, other); diff != "" {
		t.Errorf("digests differ by the steps of apply (-1 +1000):\n%s", diff)
	}
}
