package store

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/replication"
	"go.etcd.io/raft/v3/raftpb"
)

// Found makes an empty disk that of a member of an ensemble of these voters, which begins with an
// empty State. Each of them is founded alike.
func Found(d Disk, voters ...core.RaftID) error {
	state := core.NewState()
	if err := state.Begin(replication.FoundingIndex, replication.FoundingTerm, nil); err != nil {
		return fmt.Errorf("found: %w", err)
	}
	var out core.Outcome
	for state.Next(core.Origin{}, &out) {
		invariant.Unreachable("the founding entry has a command")
	}
	return FoundWith(d, Founding(state, voters...))
}

// Founding is the checkpoint that all voters of an ensemble begin with (DESIGN section 5): of a
// State of the caller's, which must stand at the founding index and never have been captured. Its
// term is where the terms of the log go on from: later writes get larger zxids than those in it.
func Founding(state *core.State, voters ...core.RaftID) Checkpoint {
	invariant.Check(state.Index() == replication.FoundingIndex, "founding in the midst of a log")
	state.Freeze()
	var capture core.Capture
	for !state.Capture(&capture, 1024) {
		continue
	}
	at := Position{Term: state.Term(), Index: replication.FoundingIndex}
	return Checkpoint{
		Meta: Meta{Position: at, ConfState: replication.FoundingConf(voters...),
			Digest: state.Digest(), Header: capture.Header},
		Full:    true,
		Records: sortRecords(capture.Records),
	}
}

// FoundWith makes an empty disk that of a member of an ensemble that begins with c, the same on
// the disk of each: it is its first checkpoint, and the log begins behind it.
//
// A crash in between is harmless. Either the disk is still empty and is founded again, or the
// checkpoint counts, and the log that does not reach it is the one of a received checkpoint.
func FoundWith(d Disk, c Checkpoint) error {
	at := c.Position
	if err := d.WriteCheckpoint(c); err != nil {
		return fmt.Errorf("found: %w", err)
	}
	term, commit := at.Term, at.Index
	err := d.Append(Batch{Start: at,
		HardState: &raftpb.HardState{Term: &term, Commit: &commit}})
	if err != nil {
		return fmt.Errorf("found: %w", err)
	}
	return nil
}

// StartMember founds an ensemble of one on a disk that is empty, and loads the member of one
// that is not.
func StartMember(d Disk, found *Recovered, id core.RaftID) (replication.Recovered, error) {
	if !found.Empty {
		return LoadMember(d, found)
	}
	if err := Found(d, id); err != nil {
		return replication.Recovered{}, err
	}
	term, commit := uint64(replication.FoundingTerm), uint64(replication.FoundingIndex)
	return LoadMember(d, &Recovered{HardState: &raftpb.HardState{Term: &term, Commit: &commit}})
}

// LoadMember turns what Open found into what a member starts from. The State's digest is computed
// from what is loaded and compared with the one that was stored.
func LoadMember(d Disk, found *Recovered) (replication.Recovered, error) {
	state, meta, err := load(d)
	if err != nil {
		return replication.Recovered{}, err
	}
	return replication.Recovered{State: state, Term: meta.Term, ConfState: meta.ConfState,
		HardState: found.HardState, Entries: found.Entries}, nil
}

// LoadState reads back the State of the newest checkpoint, checked like LoadMember does.
func LoadState(d Disk) (*core.State, error) {
	state, _, err := load(d)
	return state, err
}

func load(d Disk) (*core.State, Meta, error) {
	var none Meta
	view, err := d.View()
	if err != nil {
		return nil, none, fmt.Errorf("load state: %w", err)
	}
	loader := core.NewLoader()
	err = view.Records(nil, loader.Add)
	meta := view.Meta()
	if closed := view.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return nil, none, fmt.Errorf("load state: %w", err)
	}
	state, err := loader.Finish(meta.Header)
	if err != nil {
		return nil, none, fmt.Errorf("load state: %w", err)
	}
	// What was written is read back: the pair of the check before writing.
	if digest := state.Digest(); digest != meta.Digest {
		return nil, none, fmt.Errorf("load state: %w", &core.DigestError{Stored: meta.Digest,
			Computed: digest})
	}
	if state.Index() != meta.Index {
		return nil, none, fmt.Errorf("load state: %w", &CorruptError{File: "checkpoint",
			What: fmt.Sprintf("it is of index %d, the State in it of %d",
				meta.Index, state.Index())})
	}
	return state, meta, nil
}

// MaxJoined bounds, in bytes of entries, what Join puts into one batch, but for the first append.
const MaxJoined = 64 << 20

// Join makes one batch of some appends of a member, as if each were written after the one before,
// and says how many of them it holds: all, or as many as have MaxJoined bytes together, and at
// least one. What waits behind a slow disk would be too much for one record otherwise. An append
// that installs a checkpoint cannot be joined.
func Join(appends []*replication.Append) (batch Batch, n int) { return join(appends, MaxJoined) }

func join(appends []*replication.Append, most int) (batch Batch, n int) {
	room := most
	for _, a := range appends {
		size := 0
		for _, e := range a.Entries {
			size += len(e.GetData())
		}
		if n > 0 && size > 0 && size > room {
			break
		}
		room -= size
		batch.Add(Batch{HardState: a.HardState, Entries: a.Entries})
		n++
	}
	return batch, n
}

// FromMember turns a checkpoint that a member has captured into one to be written.
func FromMember(c *replication.Checkpoint) Checkpoint {
	return Checkpoint{
		Meta: Meta{Position: Position{Term: c.Term, Index: c.Index}, ConfState: c.ConfState,
			Digest: c.Digest, Header: c.Header},
		Records: sortRecords(c.Records),
	}
}

// sortRecords puts records in the order of their keys, in place.
func sortRecords(records []Record) []Record {
	slices.SortFunc(records, func(a, b Record) int { return bytes.Compare(a.Key, b.Key) })
	if invariant.Enabled {
		for i := 1; i < len(records); i++ {
			invariant.Check(!bytes.Equal(records[i-1].Key, records[i].Key),
				"a checkpoint names a key twice")
		}
	}
	return records
}
