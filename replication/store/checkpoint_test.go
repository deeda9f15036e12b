package store

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestManyCheckpoints: without compactions nothing may wait for one.
func TestManyCheckpoints(t *testing.T) {
	r := crashRig{fs: vfs.NewCrashableMem()}
	d, _ := mustOpen(t, &r)
	mustLog(t, d, hardState{1, 1, 50}, newEntries(1, 1, 50, 5))
	for i := uint64(1); i <= 50; i++ {
		mustCheckpoint(t, d, 1, i, fmt.Sprintf("a=%d", i))
	}
	checkRecords(t, d, map[string]string{"a": "50"})
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLargeCheckpoints writes changes and whole states of several tables' and chunks' size.
func TestLargeCheckpoints(t *testing.T) {
	r := crashRig{fs: vfs.NewCrashableMem()}
	d, _ := mustOpen(t, &r)
	mustLog(t, d, hardState{1, 1, 9}, newEntries(1, 1, 9, 5))
	for i, full := range []bool{false, true, false} {
		c := checkpointOf(1, uint64(i+1))
		c.Full = full
		for k := range 100 {
			value := bytes.Repeat([]byte{byte(k), byte(i)}, 400<<10)
			key := fmt.Appendf(nil, "%d-%03d", i, k)
			c.Records = append(c.Records, Record{Key: key, Value: value})
		}
		if err := d.WriteCheckpoint(c); err != nil {
			t.Fatalf("WriteCheckpoint(%d) = %v", i, err)
		}
	}
	next := r.fs.CrashClone(vfs.CrashCloneCfg{})
	if err := r.disk.release(); err != nil {
		t.Fatal(err)
	}
	r.fs = next
	d, rec := mustOpen(t, &r)
	records, err := readAll(d)
	if err != nil || len(records) != 200 || rec.Checkpoint.Index != 3 {
		t.Errorf("checkpoint %v, %d records, %v", rec.Checkpoint.Position, len(records), err)
	}
	for key, value := range records {
		var i, k int
		if _, err := fmt.Sscanf(key, "%d-%d", &i, &k); err != nil || i == 0 ||
			value != string(bytes.Repeat([]byte{byte(k), byte(i)}, 400<<10)) {
			t.Errorf("record %q has another value", key)
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}
