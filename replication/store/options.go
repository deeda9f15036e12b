package store

import (
	"errors"
	"fmt"
)

// Options says where a disk lives and how it behaves. Zero values are replaced by the defaults
// named here.
type Options struct {
	// DataDir and LogDir are where the directories called vivarium lie. LogDir is DataDir by
	// default; on a device of its own it does not wait for checkpoints.
	DataDir, LogDir string
	// DiskID is the id that an empty directory gets. It must be random and not zero.
	DiskID DiskID
	// UnsafeNoSync leaves it to the operating system when the log and the mark reach the disk
	// (ZooKeeper's forceSync=no). A power failure may then lose what was acknowledged; if the
	// mark shows it, the disk is refused as lost.
	UnsafeNoSync bool
	// RetainBytes is how many bytes of entries that the checkpoint covers Open still returns, the
	// last ones (none). A member with peers wants some, for those that are behind.
	RetainBytes int64
	// SegmentSize is the size of the log's files in bytes (64 MiB, at least 512).
	SegmentSize int64
	// ReadySegments is how many segments are written with zeros when the disk is founded (2; -1
	// for none). Without them the first writes are slow.
	ReadySegments int
	// SpareSegments is the most segments that are kept for reuse (4).
	SpareSegments int
	// MarkBytes and MarkMs say when Mark writes: after so many bytes of log (256 KiB), or so many
	// milliseconds (50: with a call per tick of 50 ms, no acknowledgement is older than 100).
	MarkBytes int64
	MarkMs    int64
	// MemTableSize is pebble's, in bytes (64 MiB). Small ones double the cost of checkpoints.
	MemTableSize int64
	// IngestSize is the size in bytes above which the changes of a checkpoint are written as
	// tables of their own rather than through the memtable (4 MiB, at most MemTableSize): the
	// memtable would hold all of them in memory at once.
	IngestSize int64
	// Quiet turns off pebble's work in the background, for simulated worlds.
	Quiet bool
	// Logf is told what pebble does, and what went wrong in the background (nobody).
	Logf func(format string, args ...any)
}

const minSegmentSize = 512

func (o Options) withDefaults() Options {
	if o.LogDir == "" {
		o.LogDir = o.DataDir
	}
	setDefault(&o.SegmentSize, 64<<20)
	setDefault(&o.ReadySegments, 2)
	setDefault(&o.SpareSegments, 4)
	setDefault(&o.MarkBytes, 256<<10)
	setDefault(&o.MarkMs, 50)
	setDefault(&o.MemTableSize, 64<<20)
	setDefault(&o.IngestSize, min(4<<20, o.MemTableSize))
	if o.Logf == nil {
		o.Logf = func(string, ...any) {}
	}
	return o
}

func setDefault[T int | int64](v *T, fallback T) {
	if *v == 0 {
		*v = fallback
	}
}

// Validate reports all faults of the options.
func (o Options) Validate() error {
	o = o.withDefaults()
	var faults []error
	if o.DataDir == "" {
		faults = append(faults, errors.New("DataDir is empty"))
	}
	if o.DiskID == (DiskID{}) {
		faults = append(faults, errors.New("DiskID is zero"))
	}
	if o.SegmentSize < minSegmentSize {
		faults = append(faults,
			fmt.Errorf("SegmentSize is %d, at least %d is needed", o.SegmentSize, minSegmentSize))
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"RetainBytes", o.RetainBytes},
		{"SpareSegments", int64(o.SpareSegments)}, {"MarkBytes", o.MarkBytes},
		{"MarkMs", o.MarkMs}, {"MemTableSize", o.MemTableSize}, {"IngestSize", o.IngestSize},
	} {
		if f.value < 0 {
			faults = append(faults, fmt.Errorf("%s is negative: %d", f.name, f.value))
		}
	}
	return errors.Join(faults...)
}
