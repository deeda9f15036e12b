package store

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"pgregory.net/rapid"
)

var errInjected = errors.New("injected")

// TestStoreErrors makes the n-th write to the file system fail, for every n. The operation fails
// or is not concerned; the first error is final; what was acknowledged before is there.
func TestStoreErrors(t *testing.T) {
	ops := faultOps()
	for n := int64(0); ; n++ {
		reached, err := failStore(ops, n)
		if err != nil {
			t.Errorf("write %d fails: %v", n, err)
		}
		if !reached {
			if n < 50 {
				t.Errorf("only %d writes", n)
			}
			return
		}
	}
}

// faultOps has everything in it: votes, rotations, checkpoints by batch and by table, cuts.
func faultOps() []op {
	long := make([]byte, 9<<10)
	batches := func(term, first uint64) op {
		return op{name: "append", batch: &Batch{HardState: hardState{term, 1, first - 1}.proto(),
			Entries: newEntries(term, first, 4, 300)}}
	}
	big := checkpointOf(2, 10, "a=2")
	big.Records = append(big.Records, Record{Key: []byte("b"), Value: long})
	full := checkpointOf(3, 40, "z=1")
	full.Full = true
	return []op{
		batches(1, 1), batches(1, 5), batches(2, 7), {name: "mark", markMs: 1000}, batches(2, 11),
		{name: "checkpoint", checkpoint: new(checkpointOf(2, 8, "a=1"))},
		batches(2, 15), batches(2, 19), {name: "cut", cut: 8},
		{name: "ingest", checkpoint: &big}, {name: "cut", cut: 10}, batches(2, 23),
		{name: "vote", batch: &Batch{HardState: hardState{3, 1, 22}.proto()}},
		{name: "install", checkpoint: &full},
		{name: "start", batch: &Batch{HardState: hardState{3, 1, 40}.proto(),
			Start: Position{3, 40}, Entries: newEntries(3, 41, 1, 10)}},
		{name: "cut", cut: 40}, batches(3, 42),
	}
}

// failStore runs ops on a Store whose n-th write fails. It says whether there were so many.
func failStore(ops []op, n int64) (reached bool, err error) {
	mem := vfs.NewCrashableMem()
	var count atomic.Int64
	count.Store(-1 << 40) // not while it is opened
	inject := errorfs.InjectorFunc(func(o errorfs.Op) error {
		if o.Kind.ReadOrWrite() == errorfs.OpIsWrite && o.Kind != errorfs.OpFileClose &&
			count.Add(1) == n+1 {
			return errInjected
		}
		return nil
	})
	disk, _, err := Open(errorfs.Wrap(mem, inject), testOptions())
	if err != nil {
		return false, err
	}
	count.Store(0)
	var done, next model
	for _, o := range ops {
		next = done.after(o)
		if err = o.run(disk); err != nil {
			break
		}
		done = next
	}
	image := fullClone(mem) // the process ends, the machine does not
	synced := mem.CrashClone(vfs.CrashCloneCfg{})
	reached = count.Load() > n
	count.Store(-1 << 40)
	if err != nil {
		if !errors.Is(err, errInjected) {
			return reached, fmt.Errorf("%v: want the injected error", err)
		}
		for name, got := range everyMethod(disk) {
			if !errors.Is(got, errInjected) {
				return reached, fmt.Errorf("%s after the error = %v", name, got)
			}
		}
	}
	if got := disk.Close(); !errors.Is(got, errInjected) && err != nil {
		return reached, fmt.Errorf("close after the error = %w", got)
	}
	for name, image := range map[string]*vfs.MemFS{"all": image, "synced": synced} {
		if err := checkImage(image, testOptions(), []model{done, next}); err != nil {
			return reached, fmt.Errorf("%s image: %w", name, err)
		}
	}
	return reached, nil
}

// TestMemoryErrors makes every effect of a memory disk fail, with every fate.
func TestMemoryErrors(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ops := drawOps(t, 12)
		for effect := EffectLogWrite; effect < effects; effect++ {
			for _, fate := range []Fate{Lost, Torn, Kept} {
				after := rapid.IntRange(0, 3).Draw(t, "after")
				fault := Fault{Effect: effect, After: after, Err: syscall.EIO}
				if err := failMemory(ops, fault, fate); err != nil {
					t.Fatalf("%+v, %v: %v", fault, fate, err)
				}
			}
		}
	})
}

func failMemory(ops []op, fault Fault, fate Fate) error {
	mem := NewMemory()
	if _, err := mem.Open(testOptions()); err != nil {
		return err
	}
	mem.Inject(fault)
	var done, next model
	for _, o := range ops {
		if o.restart {
			continue // a new process has no faults planted
		}
		next = done.after(o)
		if err := o.run(mem); err != nil {
			var failed *FailedError
			if !errors.Is(err, syscall.EIO) || !errors.As(err, &failed) {
				return fmt.Errorf("%v = %w", o, err)
			}
			for name, got := range everyMethod(mem) {
				if !errors.Is(got, syscall.EIO) {
					return fmt.Errorf("%s after the error = %w", name, got)
				}
			}
			break
		}
		done = next
	}
	fates := make([]Fate, len(mem.Pending()))
	for i := range fates {
		fates[i] = fate
	}
	mem = mem.Crash(fates...)
	rec, err := mem.Open(testOptions())
	if err != nil {
		return err
	}
	got, err := snapshotOf(mem, rec)
	if err != nil {
		return err
	}
	return checkOneOf(got, done, next)
}

// TestMemoryFull fills a disk.
func TestMemoryFull(t *testing.T) {
	mem := NewMemory()
	if _, err := mem.Open(testOptions()); err != nil {
		t.Fatal(err)
	}
	mem.SetCapacity(10_000)
	var err error
	i := uint64(1)
	for ; err == nil && i < 100; i++ {
		err = mem.Append(Batch{HardState: hardState{1, 1, 0}.proto(),
			Entries: newEntries(1, i, 1, 1000)})
	}
	if !errors.Is(err, syscall.ENOSPC) || i < 9 || i > 11 {
		t.Errorf("append %d = %v, want ENOSPC at the tenth", i, err)
	}
	if u, err := mem.Usage(); err != nil || u.TotalBytes != 10_000 || u.AvailBytes > 1000 {
		t.Errorf("Usage() = %+v, %v", u, err)
	}
}

// TestMemoryRot damages what was durable.
func TestMemoryRot(t *testing.T) {
	for _, test := range []struct {
		rot  Rot
		lost bool
	}{
		{Rot{Log: true, Record: 0}, true},
		{Rot{Log: true, Record: -2}, true},
		{Rot{Log: true, Record: -1}, false}, // torn: the mark does not know it
		{Rot{Mark: true}, false},
		{Rot{Mark: true, Both: true}, true},
		{Rot{Checkpoint: true}, true},
	} {
		r := &memoryRig{mem: NewMemory()}
		d, _ := mustOpen(t, r)
		for i := uint64(1); i <= 4; i++ {
			mustLog(t, d, hardState{1, 1, i}, newEntries(1, i, 1, 5))
		}
		mustCheckpoint(t, d, 1, 1, "a=1")
		if !r.mem.Rot(test.rot) {
			t.Errorf("Rot(%+v) found nothing", test.rot)
		}
		r.powerCut(t)
		_, rec, err := r.open(testOptions())
		if errors.Is(err, ErrDiskLost) != test.lost || !test.lost && len(rec.Damage) != 1 {
			t.Errorf("Open() after %+v = %+v, %v", test.rot, rec, err)
		}
	}
}

// TestHole loses a write in front of one that survives, which only a disk without syncs can.
func TestHole(t *testing.T) {
	o := testOptions()
	o.UnsafeNoSync = true
	for _, test := range []struct {
		fates []Fate
		lost  bool
		want  int
	}{
		{[]Fate{Lost, Kept, Lost}, true, 0},
		{[]Fate{Torn, Kept, Lost}, true, 0},
		{[]Fate{Kept, Kept, Lost}, false, 2},
		{[]Fate{Kept, Torn, Lost}, false, 1},
		{nil, false, 0},
	} {
		mem := NewMemory()
		if _, err := mem.Open(o); err != nil {
			t.Fatal(err)
		}
		for i := uint64(1); i <= 3; i++ {
			mustLog(t, mem, hardState{1, 0, 0}, newEntries(1, i, 1, 5))
		}
		var fates []Fate // the first append wrote the mark as well; that is lost
		for _, e := range mem.Pending() {
			if e == EffectLogWrite && len(test.fates) > 0 {
				fates = append(fates, test.fates[0])
				test.fates = test.fates[1:]
			} else {
				fates = append(fates, Lost)
			}
		}
		mem = mem.Crash(fates...)
		rec, err := mem.Open(o)
		if errors.Is(err, ErrDiskLost) != test.lost || !test.lost && len(rec.Entries) != test.want {
			t.Errorf("Crash(%v): Open() = %+v, %v, want %d entries", fates, rec, err, test.want)
		}
	}
}
