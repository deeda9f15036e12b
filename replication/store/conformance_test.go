package store

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/raft/v3/raftpb"
)

// conformance is what every Disk does. Each case quotes what it checks.
var conformance = []struct {
	says string
	run  func(t *testing.T, r rig)
}{
	{"an empty directory gets a disk id; it stays", func(t *testing.T, r rig) {
		_, rec := mustOpen(t, r)
		if !rec.Founded || !rec.Empty || rec.DiskID != testID {
			t.Errorf("first Open: founded %v, empty %v, id %v", rec.Founded, rec.Empty, rec.DiskID)
		}
		r.powerCut(t)
		o := testOptions()
		o.DiskID = DiskID{99}
		_, rec, err := r.open(o)
		if err != nil || rec.Founded || !rec.Empty || rec.DiskID != testID {
			t.Errorf("second Open: %v, %+v", err, rec)
		}
	}},
	{"when Append returns, the batch is durable", func(t *testing.T, r rig) {
		d, _ := mustOpen(t, r)
		for i := uint64(1); i <= 60; i++ { // several segments
			mustLog(t, d, hardState{2, 3, i - 1}, newEntries(2, i, 1, 200))
		}
		r.powerCut(t)
		_, rec := mustOpen(t, r)
		if diff := cmp.Diff(flat(newEntries(2, 1, 60, 200)), flat(rec.Entries)); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
		if got := plainHardState(rec.HardState); got != (hardState{2, 3, 59}) {
			t.Errorf("hard state = %+v", got)
		}
		if rec.Empty || len(rec.Damage) != 0 {
			t.Errorf("empty = %v, damage = %v", rec.Empty, rec.Damage)
		}
	}},
	{"the commit index rides on the next append", func(t *testing.T, r rig) {
		d, _ := mustOpen(t, r)
		mustLog(t, d, hardState{1, 1, 0}, newEntries(1, 1, 3, 9))
		mustAppend(t, d, Batch{HardState: hardState{1, 1, 2}.proto()})
		r.powerCut(t)
		d, rec := mustOpen(t, r)
		if got := rec.HardState.GetCommit(); got != 0 {
			t.Errorf("commit = %d, want 0", got)
		}
		mustAppend(t, d, Batch{HardState: hardState{1, 1, 3}.proto()})
		mustAppend(t, d, Batch{Entries: newEntries(1, 4, 1, 0)})
		r.powerCut(t)
		if _, rec = mustOpen(t, r); rec.HardState.GetCommit() != 3 {
			t.Errorf("commit = %d, want 3", rec.HardState.GetCommit())
		}
	}},
	{"a vote alone is durable", func(t *testing.T, r rig) {
		d, _ := mustOpen(t, r)
		mustAppend(t, d, Batch{HardState: hardState{7, 2, 0}.proto()})
		r.powerCut(t)
		_, rec := mustOpen(t, r)
		if got := plainHardState(rec.HardState); got != (hardState{7, 2, 0}) || rec.Empty {
			t.Errorf("hard state = %+v, empty %v", got, rec.Empty)
		}
		if want := (Mark{Term: 7, Vote: 2}); rec.Mark != want {
			t.Errorf("mark = %+v, want %+v", rec.Mark, want)
		}
	}},
	{"entries replace a conflicting suffix", func(t *testing.T, r rig) {
		d, _ := mustOpen(t, r)
		mustLog(t, d, hardState{1, 1, 3}, newEntries(1, 1, 9, 50))
		mustLog(t, d, hardState{2, 0, 4}, newEntries(2, 5, 2, 10))
		r.powerCut(t)
		d, rec := mustOpen(t, r)
		want := append(flat(newEntries(1, 1, 4, 50)), flat(newEntries(2, 5, 2, 10))...)
		if diff := cmp.Diff(want, flat(rec.Entries)); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
		mustAppend(t, d, Batch{Entries: newEntries(2, 7, 1, 1)})
	}},
	{"restart takes the newest checkpoint and drops the log it covers", func(t *testing.T, r rig) {
		d, _ := mustOpen(t, r)
		mustLog(t, d, hardState{1, 1, 2}, newEntries(1, 1, 9, 5))
		mustCheckpoint(t, d, 1, 4, "a=1", "b=2")
		mustCheckpoint(t, d, 1, 6, "a=3", "b", "c=4")
		r.powerCut(t)
		d, rec := mustOpen(t, r)
		if diff := cmp.Diff(flat(newEntries(1, 7, 3, 5)), flat(rec.Entries)); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
		checkRecords(t, d, map[string]string{"a": "3", "c": "4"})
		c := rec.Checkpoint
		if c.Position != (Position{1, 6}) || string(c.Header) != "header of 6" ||
			c.Digest[0] != 6 || c.Received || c.ConfState.Equivalent(testConf) != nil {
			t.Errorf("checkpoint = %+v", c)
		}
		if rec.HardState.GetCommit() != 6 {
			t.Errorf("commit = %d, want 6, the checkpoint's", rec.HardState.GetCommit())
		}
	}},
	{"log behind a counted checkpoint may go", func(t *testing.T, r rig) {
		d, _ := mustOpen(t, r)
		for i := uint64(1); i <= 90; i++ {
			mustLog(t, d, hardState{1, 1, i}, newEntries(1, i, 1, 300))
			if i%15 == 0 {
				mustCheckpoint(t, d, 1, i-2, fmt.Sprintf("k%d=v", i))
				if err := d.Cut(i - 2); err != nil {
					t.Fatalf("Cut(%d) = %v", i-2, err)
				}
			}
		}
		r.powerCut(t)
		_, rec := mustOpen(t, r)
		if diff := cmp.Diff(flat(newEntries(1, 89, 2, 300)), flat(rec.Entries)); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
	}},
	{"log before the checkpoint is read back without a gap, bounded", func(t *testing.T, r rig) {
		d, _ := mustOpen(t, r)
		for i := uint64(1); i <= 90; i++ { // several segments
			mustLog(t, d, hardState{1, 1, i}, newEntries(1, i, 1, 300))
		}
		mustCheckpoint(t, d, 1, 80, "a=1")
		if err := d.Cut(20); err != nil {
			t.Fatalf("Cut() = %v", err)
		}
		for _, test := range []struct {
			retain      int64
			first, most uint64 // the first entry is one of these
		}{{0, 81, 81}, {300, 81, 81}, {301, 80, 80}, {3100, 71, 71}, {1 << 30, 1, 21}} {
			r.powerCut(t)
			_, rec, err := r.open(retaining(test.retain))
			if err != nil {
				t.Fatalf("Open() = %v", err)
			}
			first := rec.Entries[0].GetIndex()
			want := flat(newEntries(1, first, int(91-first), 300))
			if diff := cmp.Diff(want, flat(rec.Entries)); diff != "" || first < test.first ||
				first > test.most {
				t.Errorf("RetainBytes %d: entries from %d on, want %d to %d (-want +got):\n%s",
					test.retain, first, test.first, test.most, diff)
			}
		}
	}},
	{"a log that starts behind a received checkpoint has nothing before it",
		func(t *testing.T, r rig) {
			d, _ := mustOpen(t, r)
			mustLog(t, d, hardState{3, 1, 9}, newEntries(1, 1, 9, 5))
			c := checkpointOf(3, 50, "b=3")
			c.Full = true
			if err := d.WriteCheckpoint(c); err != nil {
				t.Fatalf("WriteCheckpoint() = %v", err)
			}
			for range 2 { // the first Open makes the log begin there
				r.powerCut(t)
				_, rec, err := r.open(retaining(1 << 30))
				if err != nil || len(rec.Entries) != 0 {
					t.Fatalf("Open() = %v, %d entries", err, len(rec.Entries))
				}
			}
		}},
	{"a full log is told to begin behind a received checkpoint", func(t *testing.T, r rig) {
		o := testOptions()
		o.SegmentSize = minSegmentSize
		index := uint64(0)
		for term := uint64(1); term < 60; term++ {
			d, _, err := r.open(o)
			if err != nil {
				t.Fatalf("Open() in term %d = %v", term, err)
			}
			mustLog(t, d, hardState{term, 1, index}, newEntries(term, index+1, 1,
				int(term*13%100))) // so that it ends anywhere
			c := checkpointOf(term+1, index+10, "a=1")
			c.Full = true
			if err := d.WriteCheckpoint(c); err != nil {
				t.Fatalf("WriteCheckpoint() = %v", err)
			}
			r.powerCut(t) // before the log knows of it
			if _, _, err := r.open(o); err != nil {
				t.Fatalf("Open() behind the checkpoint of index %d = %v", index+10, err)
			}
			r.powerCut(t)
			index += 10
		}
	}},
	{"a received checkpoint replaces state and log", func(t *testing.T, r rig) {
		d, _ := mustOpen(t, r)
		mustLog(t, d, hardState{1, 1, 2}, newEntries(1, 1, 9, 5))
		mustCheckpoint(t, d, 1, 2, "a=1", "old=1")
		stale := []Record{{Key: []byte("stale"), Value: []byte("x")}}
		if err := d.Stage(stale, true); err != nil {
			t.Fatalf("Stage() = %v", err)
		}
		if err := d.Stage([]Record{{Key: []byte("a"), Value: []byte("2")}}, true); err != nil {
			t.Fatalf("Stage() = %v", err)
		}
		checkRecords(t, d, map[string]string{"a": "1", "old": "1"})
		c := checkpointOf(3, 50, "b=3")
		c.Full = true
		if err := d.WriteCheckpoint(c); err != nil {
			t.Fatalf("WriteCheckpoint() = %v", err)
		}
		checkRecords(t, d, map[string]string{"a": "2", "b": "3"})
		r.powerCut(t) // between the checkpoint and the record in the log
		d, rec := mustOpen(t, r)
		if len(rec.Entries) != 0 || plainHardState(rec.HardState) != (hardState{3, 0, 50}) ||
			rec.Checkpoint.Position != (Position{3, 50}) || !rec.Checkpoint.Received {
			t.Errorf("recovered %+v", rec)
		}
		mustLog(t, d, hardState{4, 0, 50}, newEntries(4, 51, 2, 5))
		r.powerCut(t)
		d, rec = mustOpen(t, r)
		if diff := cmp.Diff(flat(newEntries(4, 51, 2, 5)), flat(rec.Entries)); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
		checkRecords(t, d, map[string]string{"a": "2", "b": "3"})
	}},
	{"one log record holds hard state, new log start and entries", func(t *testing.T, r rig) {
		d, _ := mustOpen(t, r)
		mustLog(t, d, hardState{1, 1, 2}, newEntries(1, 1, 9, 5))
		c := checkpointOf(3, 50, "b=3")
		c.Full = true
		if err := d.WriteCheckpoint(c); err != nil {
			t.Fatalf("WriteCheckpoint() = %v", err)
		}
		mustAppend(t, d, Batch{HardState: hardState{3, 0, 50}.proto(), Start: Position{3, 50},
			Entries: newEntries(3, 51, 3, 5)})
		mustCheckpoint(t, d, 3, 52, "c=1")
		if err := d.Cut(52); err != nil {
			t.Fatalf("Cut() = %v", err)
		}
		r.powerCut(t)
		d, rec := mustOpen(t, r)
		if diff := cmp.Diff(flat(newEntries(3, 53, 1, 5)), flat(rec.Entries)); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
		checkRecords(t, d, map[string]string{"b": "3", "c": "1"})
	}},
	{"a view is unaffected by later checkpoints", func(t *testing.T, r rig) {
		d, _ := mustOpen(t, r)
		mustLog(t, d, hardState{1, 1, 2}, newEntries(1, 1, 9, 5))
		mustCheckpoint(t, d, 1, 2, "a=1", "b=1", "c=1")
		v, err := d.View()
		if err != nil {
			t.Fatalf("View() = %v", err)
		}
		c := checkpointOf(1, 3, "z=1")
		c.Full = true
		if err := d.WriteCheckpoint(c); err != nil {
			t.Fatalf("WriteCheckpoint() = %v", err)
		}
		var keys string
		errEnough := errors.New("enough")
		err = v.Records([]byte("b"), func(key, _ []byte) error {
			if keys += string(key); key[0] == 'c' {
				return errEnough
			}
			return nil
		})
		if keys != "bc" || !errors.Is(err, errEnough) || v.Meta().Index != 2 {
			t.Errorf("view of %v: keys %q, %v", v.Meta().Position, keys, err)
		}
		if err := v.Close(); err != nil {
			t.Errorf("Close() of view = %v", err)
		}
		checkRecords(t, d, map[string]string{"z": "1"})
	}},
	{"the mark is written after 50 ms or 256 KiB of log", func(t *testing.T, r rig) {
		d, _ := mustOpen(t, r)
		mark := func(nowMs int64) {
			if err := d.Mark(nowMs); err != nil {
				t.Fatalf("Mark() = %v", err)
			}
		}
		mark(1000)
		mustLog(t, d, hardState{1, 1, 0}, newEntries(1, 1, 1, 5))
		mustAppend(t, d, Batch{Entries: newEntries(1, 2, 1, 5)})
		mark(1049)
		r.powerCut(t)
		d, rec := mustOpen(t, r)
		if want := (Position{1, 1}); rec.Mark.Acked != want { // with the vote
			t.Errorf("mark after 49 ms = %v, want %v", rec.Mark.Acked, want)
		}
		mark(2000)
		r.powerCut(t)
		d, rec = mustOpen(t, r)
		if want := (Position{1, 2}); rec.Mark.Acked != want {
			t.Errorf("mark after 50 ms = %v, want %v", rec.Mark.Acked, want)
		}
		mark(2000)
		mustAppend(t, d, Batch{Entries: newEntries(1, 3, 1, 256<<10)})
		mark(2001)
		r.powerCut(t)
		if _, rec = mustOpen(t, r); rec.Mark.Acked != (Position{1, 3}) {
			t.Errorf("mark after 256 KiB = %v, want 1/3", rec.Mark.Acked)
		}
	}},
	{"a new leader may lawfully shorten a log", func(t *testing.T, r rig) {
		d, _ := mustOpen(t, r)
		mustLog(t, d, hardState{1, 1, 0}, newEntries(1, 1, 9, 5))
		mustLog(t, d, hardState{2, 0, 0}, newEntries(2, 2, 1, 5))
		r.powerCut(t)
		if _, rec := mustOpen(t, r); rec.Mark.Acked != (Position{2, 2}) {
			t.Errorf("mark = %v, want 2/2", rec.Mark.Acked)
		}
	}},
	{"a new leader may shorten a log in steps, to entries of a lower term",
		func(t *testing.T, r rig) {
			d, _ := mustOpen(t, r)
			mustLog(t, d, hardState{4, 0, 2}, append(newEntries(3, 1, 2, 5),
				newEntries(4, 3, 7, 5)...))
			// The leader of term 5 does not have what that of term 4 left here.
			mustAppend(t, d, Batch{HardState: hardState{5, 0, 2}.proto()})
			mustAppend(t, d, Batch{Entries: newEntries(3, 3, 4, 5)}) // the mark is not due
			r.powerCut(t)
			d, rec := mustOpen(t, r)
			if len(rec.Entries) != 6 || rec.Mark.Acked != (Position{4, 9}) {
				t.Errorf("%d entries, mark = %v", len(rec.Entries), rec.Mark.Acked)
			}
			if err := d.Close(); err != nil {
				t.Errorf("Close() = %v", err)
			}
			r.powerCut(t)
			if _, rec = mustOpen(t, r); rec.Mark.Acked != (Position{5, 6}) {
				t.Errorf("mark = %v, want 5/6", rec.Mark.Acked)
			}
		}},
	{"a new leader may shorten what came in one batch with its term",
		func(t *testing.T, r rig) {
			d, _ := mustOpen(t, r)
			mustAppend(t, d, Batch{HardState: hardState{1, 0, 0}.proto(),
				Entries: newEntries(1, 1, 1, 5)})
			// Entries of the leader of term 1, and a word of that of term 2.
			batch := Batch{Entries: newEntries(1, 2, 4, 5)}
			batch.Add(Batch{HardState: hardState{2, 0, 0}.proto()})
			mustAppend(t, d, batch)
			mustAppend(t, d, Batch{Entries: newEntries(2, 2, 1, 5)}) // the mark is not due
			r.powerCut(t)
			d, rec := mustOpen(t, r)
			if len(rec.Entries) != 2 || rec.Mark.Acked.Compare(Position{2, 2}) > 0 {
				t.Errorf("%d entries, mark = %v", len(rec.Entries), rec.Mark.Acked)
			}
			if err := d.Close(); err != nil {
				t.Errorf("Close() = %v", err)
			}
			r.powerCut(t)
			if _, rec = mustOpen(t, r); rec.Mark.Acked != (Position{2, 2}) {
				t.Errorf("mark = %v, want 2/2", rec.Mark.Acked)
			}
		}},
	{"Close is idempotent; nothing works after it", func(t *testing.T, r rig) {
		d, _ := mustOpen(t, r)
		mustLog(t, d, hardState{1, 1, 0}, newEntries(1, 1, 1, 5))
		for range 2 {
			if err := d.Close(); err != nil {
				t.Errorf("Close() = %v", err)
			}
		}
		for name, err := range everyMethod(d) {
			if !errors.Is(err, ErrClosed) {
				t.Errorf("%s after Close = %v, want ErrClosed", name, err)
			}
		}
	}},
	{"Close and restart lose nothing", func(t *testing.T, r rig) {
		d, _ := mustOpen(t, r)
		mustLog(t, d, hardState{1, 1, 0}, newEntries(1, 1, 1, 5))
		mustAppend(t, d, Batch{Entries: newEntries(1, 2, 1, 5)})
		r.restart(t)
		_, rec := mustOpen(t, r)
		if len(rec.Entries) != 2 {
			t.Errorf("%d entries, want 2", len(rec.Entries))
		}
	}},
	{"what is passed to a Disk is not kept", func(t *testing.T, r rig) {
		d, _ := mustOpen(t, r)
		entries := newEntries(1, 1, 1, 5)
		mustAppend(t, d, Batch{HardState: hardState{1, 1, 1}.proto(), Entries: entries})
		clear(entries[0].Data)
		c := checkpointOf(1, 1, "a=1")
		if err := d.WriteCheckpoint(c); err != nil {
			t.Fatal(err)
		}
		clear(c.Records[0].Key)
		clear(c.Records[0].Value)
		clear(c.Header)
		checkRecords(t, d, map[string]string{"a": "1"})
		r.powerCut(t)
		_, rec := mustOpen(t, r)
		if string(rec.Checkpoint.Header) != "header of 1" {
			t.Errorf("header = %q", rec.Checkpoint.Header)
		}
	}},
}

func everyMethod(d Disk) map[string]error {
	_, err := d.View()
	return map[string]error{
		"View":            err,
		"Append":          d.Append(Batch{}),
		"Mark":            d.Mark(1),
		"Stage":           d.Stage(nil, true),
		"WriteCheckpoint": d.WriteCheckpoint(checkpointOf(1, 1)),
		"Cut":             d.Cut(0),
	}
}

func TestConformance(t *testing.T) {
	for _, c := range conformance {
		for name, r := range rigs(t) {
			t.Run(c.says+"/"+name, func(t *testing.T) { c.run(t, r) })
		}
	}
}

var testConf = &raftpb.ConfState{Voters: []uint64{1, 2, 3}, Learners: []uint64{9},
	VotersOutgoing: []uint64{1, 2}, LearnersNext: []uint64{3}, AutoLeave: new(bool)}

// checkpointOf makes a checkpoint of records given as "key=value", or "key" for a deletion.
func checkpointOf(term, index uint64, records ...string) Checkpoint {
	c := Checkpoint{Meta: Meta{Position: Position{term, index}, ConfState: testConf,
		Header: fmt.Appendf(nil, "header of %d", index)}}
	c.Digest[0] = byte(index)
	for _, r := range records {
		record := Record{Key: []byte(r[:1]), Delete: len(r) == 1}
		for i := range r {
			if r[i] == '=' {
				record.Key, record.Value = []byte(r[:i]), []byte(r[i+1:])
			}
		}
		c.Records = append(c.Records, record)
	}
	return c
}

func mustCheckpoint(t *testing.T, d Disk, term, index uint64, records ...string) {
	t.Helper()
	if err := d.WriteCheckpoint(checkpointOf(term, index, records...)); err != nil {
		t.Fatalf("WriteCheckpoint(%d) = %v", index, err)
	}
}

func checkRecords(t *testing.T, d Disk, want map[string]string) {
	t.Helper()
	got, err := readAll(d)
	if err != nil {
		t.Fatalf("records: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}
