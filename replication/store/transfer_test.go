package store

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
)

// stateAt is an empty State at a later index.
func stateAt(t *testing.T, index uint64) *core.State {
	t.Helper()
	state := core.NewState()
	var out core.Outcome
	for i := uint64(1); i <= index; i++ {
		if err := state.Begin(i, 3, nil); err != nil {
			t.Fatal(err)
		}
		for state.Next(core.Origin{}, &out) {
			t.Fatal("an empty entry has a command")
		}
	}
	return state
}

// checkpointAt is a whole checkpoint of stateAt.
func checkpointAt(t *testing.T, index uint64) Checkpoint {
	t.Helper()
	state := stateAt(t, index)
	state.Freeze()
	var capture core.Capture
	for !state.Capture(&capture, 100) {
		continue
	}
	return FromMember(&replication.Checkpoint{Index: index, Term: 3, Digest: state.Digest(),
		ConfState: replication.FoundingConf(1, 2, 3), Header: capture.Header,
		Records: capture.Records})
}

// TestTransfer sends a checkpoint from disk to disk in pieces of any size, while the sender writes
// another one, and installs it; the power fails at each boundary of that.
func TestTransfer(t *testing.T) {
	for name := range rigs(t) {
		for _, size := range []int{1, 100, 1 << 20} {
			for cut := range 3 {
				t.Run(fmt.Sprintf("%s/%d bytes/power fails at %d", name, size, cut),
					func(t *testing.T) { transfer(t, rigs(t)[name], rigs(t)[name], size, cut) })
			}
		}
	}
}

func transfer(t *testing.T, from, to rig, size, cut int) {
	sender, _ := mustOpen(t, from)
	mustLog(t, sender, hardState{3, 1, 20}, newEntries(3, 1, 20, 9))
	sent := checkpointAt(t, 12)
	if err := sender.WriteCheckpoint(sent); err != nil {
		t.Fatal(err)
	}
	receiver, _ := mustOpen(t, to)
	mustLog(t, receiver, hardState{3, 0, 2}, newEntries(2, 1, 5, 9))
	mustCheckpoint(t, receiver, 2, 2, "old=1")
	a := &replication.Append{HardState: hardState{3, 0, 12}.proto(),
		Entries: newEntries(3, 13, 2, 9)}
	a.Install = sendPieces(t, sender, receiver, size)
	if cut > 0 {
		if err := receiver.WriteCheckpoint(InstallCheckpoint(a)); err != nil {
			t.Fatal(err)
		}
	}
	if cut > 1 {
		mustAppend(t, receiver, InstallBatch(a))
	}
	to.powerCut(t)
	receiver, rec := mustOpen(t, to)
	entries := map[int][]plainEntry{0: flat(newEntries(2, 3, 3, 9)),
		2: flat(newEntries(3, 13, 2, 9))}[cut]
	at := map[int]Position{0: {2, 2}, 1: {3, 12}, 2: {3, 12}}[cut]
	if diff := cmp.Diff(entries, flat(rec.Entries)); diff != "" || rec.Checkpoint.Position != at {
		t.Fatalf("checkpoint of %v, entries (-want +got):\n%s", rec.Checkpoint.Position, diff)
	}
	if cut > 0 {
		checkInstalled(t, receiver, rec)
		return
	}
	a.Install = sendPieces(t, sender, receiver, size) // it begins again
	state, err := Install(receiver, a)
	if err != nil || state.Index() != 12 {
		t.Fatalf("Install() = %v", err)
	}
	to.powerCut(t)
	receiver, rec = mustOpen(t, to)
	checkInstalled(t, receiver, rec)
	if diff := cmp.Diff(flat(a.Entries), flat(rec.Entries)); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

// sendPieces sends all of the newest checkpoint, and returns what it is one of.
func sendPieces(t *testing.T, sender, receiver Disk, size int) *replication.Checkpoint {
	t.Helper()
	transfers := NewTransfers(sender)
	q := replication.CheckpointRead{Transfer: 7, MaxBytes: size}
	for first := true; ; first = false {
		p, err := transfers.Read(q)
		if err != nil {
			t.Fatalf("Read(%+v) = %v", q, err)
		}
		if err := receiver.Stage(p.Of.Records, first); err != nil {
			t.Fatalf("Stage() = %v", err)
		}
		if !p.More {
			q.Close = true
			if again, err := transfers.Read(q); again != nil || err != nil {
				t.Errorf("Read(Close) = %v, %v", again, err)
			}
			if err := transfers.Close(); err != nil {
				t.Errorf("Close() = %v", err)
			}
			of := p.Of
			of.Records = nil
			return &of
		}
		if first {
			whole := checkpointAt(t, 12)
			whole.Full = true
			for _, c := range []Checkpoint{checkpointOf(3, 12, "new=1"), whole} {
				if err := sender.WriteCheckpoint(c); err != nil {
					t.Fatal(err)
				}
			}
		}
		q.From = append(p.Of.Records[len(p.Of.Records)-1].Key, 0)
	}
}

func checkInstalled(t *testing.T, d Disk, rec *Recovered) {
	t.Helper()
	loaded, err := LoadMember(d, rec)
	if err != nil {
		t.Fatalf("LoadMember() = %v", err)
	}
	if want := stateAt(t, 12).Digest(); loaded.State.Digest() != want || loaded.Term != 3 {
		t.Errorf("loaded State of term %d has digest %x, want %x", loaded.Term,
			loaded.State.Digest(), want)
	}
	if _, err := replication.New(replication.Config{RaftID: 2}, loaded); err != nil {
		t.Errorf("New() = %v", err)
	}
}
