package store

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.etcd.io/raft/v3/raftpb"
)

// BenchmarkAppend appends batches of one entry that holds 1, 16 or 256 writes of 1 KiB, or of
// that many entries of 1 KiB each, to files. The sync is part of it unless "nosync" stands in the
// name; the log is cut behind checkpoints so that segments are recycled.
func BenchmarkAppend(b *testing.B) {
	for _, sync := range []bool{true, false} {
		for _, n := range []int{1, 16, 256} {
			for _, one := range []bool{true, false}[:min(n, 2)] {
				name := fmt.Sprintf("%dKiB/entries=%d", n, n)
				if one {
					name = fmt.Sprintf("%dKiB/entries=1", n)
				}
				if !sync {
					name += "/nosync"
				}
				b.Run(name, func(b *testing.B) { benchmarkAppend(b, n, one, sync) })
			}
		}
	}
}

func benchmarkAppend(b *testing.B, n int, one, sync bool) {
	o := Options{DataDir: b.TempDir(), DiskID: testID, UnsafeNoSync: !sync, ReadySegments: 4}
	d, _, err := Open(vfs.Default, o)
	if err != nil {
		b.Fatal(err)
	}
	count, size := n, 1<<10
	if one {
		count, size = 1, n<<10
	}
	next, segment := uint64(1), d.journal.chain.segment
	batch := Batch{HardState: hardState{1, 1, 0}.proto(), Entries: newEntries(1, 1, count, size)}
	b.SetBytes(int64(n) << 10)
	b.ReportAllocs()
	for b.Loop() {
		renumber(batch.Entries, next)
		next += uint64(count)
		if err := d.Append(batch); err != nil {
			b.Fatal(err)
		}
		if d.journal.chain.segment != segment {
			b.StopTimer()
			segment = d.journal.chain.segment
			if err := d.WriteCheckpoint(checkpointOf(1, next-1, "a=1")); err != nil {
				b.Fatal(err)
			}
			if err := d.Cut(next - 1); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
	if err := d.Close(); err != nil {
		b.Fatal(err)
	}
}

func renumber(entries []*raftpb.Entry, first uint64) {
	for i, e := range entries {
		*e.Index = first + uint64(i)
	}
}

// BenchmarkMark writes the mark.
func BenchmarkMark(b *testing.B) {
	d, _, err := Open(vfs.Default, Options{DataDir: b.TempDir(), DiskID: testID, ReadySegments: -1})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := d.marker.write(d.current); err != nil {
			b.Fatal(err)
		}
	}
	if err := d.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkMemory is a day in the simulator: an append and, now and then, a checkpoint and a crash.
func BenchmarkMemory(b *testing.B) {
	mem := NewMemory()
	if _, err := mem.Open(testOptions()); err != nil {
		b.Fatal(err)
	}
	batch := Batch{HardState: hardState{1, 1, 0}.proto(), Entries: newEntries(1, 1, 1, 200)}
	next := uint64(1)
	b.ReportAllocs()
	for b.Loop() {
		renumber(batch.Entries, next)
		if err := mem.Append(batch); err != nil {
			b.Fatal(err)
		}
		if next%100 == 0 {
			if err := mem.WriteCheckpoint(checkpointOf(1, next, "a=1")); err != nil {
				b.Fatal(err)
			}
			if err := mem.Cut(next); err != nil {
				b.Fatal(err)
			}
			mem = mem.Crash()
			if _, err := mem.Open(testOptions()); err != nil {
				b.Fatal(err)
			}
		}
		next++
	}
}
