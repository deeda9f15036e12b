package store

import (
	"errors"
	"fmt"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/replication"
)

// Transfers reads the checkpoints that a member sends to others. Each transfer has a View of its
// own, so that what is written meanwhile does not disturb it. It is used by one goroutine.
type Transfers struct {
	disk  Disk
	views map[uint64]View
}

// NewTransfers returns the transfers of a process that has begun none.
func NewTransfers(d Disk) *Transfers {
	return &Transfers{disk: d, views: map[uint64]View{}}
}

// Read answers what a member asks for, or closes the view of a transfer and returns nil.
func (t *Transfers) Read(q replication.CheckpointRead) (*replication.CheckpointPiece, error) {
	view := t.views[q.Transfer]
	switch {
	case q.Close && view == nil:
		return nil, nil
	case q.Close:
		delete(t.views, q.Transfer)
		if err := view.Close(); err != nil {
			return nil, fmt.Errorf("close checkpoint: %w", err)
		}
		return nil, nil
	case view == nil:
		invariant.Check(q.From == nil, "a transfer goes on that has not begun")
		var err error
		if view, err = t.disk.View(); err != nil {
			return nil, fmt.Errorf("open checkpoint: %w", err)
		}
		t.views[q.Transfer] = view
	}
	return readPiece(view, q)
}

// errFull ends a piece.
var errFull = errors.New("the piece is full")

func readPiece(view View, q replication.CheckpointRead) (*replication.CheckpointPiece, error) {
	meta := view.Meta()
	p := &replication.CheckpointPiece{Transfer: q.Transfer, From: q.From,
		Of: replication.Checkpoint{Index: meta.Index, Term: meta.Term, ConfState: meta.ConfState,
			Digest: meta.Digest, Header: meta.Header}}
	size := 0
	err := view.Records(q.From, func(key, value []byte) error {
		n := len(key) + len(value)
		if size > 0 && size+n > q.MaxBytes {
			return errFull
		}
		size += n
		b := append(append(make([]byte, 0, n), key...), value...)
		p.Of.Records = append(p.Of.Records,
			core.Record{Key: b[:len(key):len(key)], Value: b[len(key):]})
		return nil
	})
	p.More = errors.Is(err, errFull)
	if err != nil && !p.More {
		return nil, fmt.Errorf("read checkpoint: %w", err)
	}
	return p, nil
}

// Close closes all views.
func (t *Transfers) Close() error {
	var faults []error
	for _, view := range t.views { //order-free: all are closed
		faults = append(faults, view.Close())
	}
	clear(t.views)
	return errors.Join(faults...)
}

// InstallCheckpoint is what is to be written of an append with a checkpoint first: everything that
// was staged takes the place of the State. It counts before InstallBatch is appended.
func InstallCheckpoint(a *replication.Append) Checkpoint {
	c := a.Install
	return Checkpoint{Full: true, Meta: Meta{Position: Position{Term: c.Term, Index: c.Index},
		ConfState: c.ConfState, Digest: c.Digest, Header: c.Header}}
}

// InstallBatch is what is to be written of it next: the log begins behind the checkpoint.
func InstallBatch(a *replication.Append) Batch {
	return Batch{HardState: a.HardState, Entries: a.Entries,
		Start: Position{Term: a.Install.Term, Index: a.Install.Index}}
}

// Install does both, and returns the State for Member.Install. The appends before a are durable.
func Install(d Disk, a *replication.Append) (*core.State, error) {
	if err := d.WriteCheckpoint(InstallCheckpoint(a)); err != nil {
		return nil, fmt.Errorf("install checkpoint: %w", err)
	}
	if err := d.Append(InstallBatch(a)); err != nil {
		return nil, fmt.Errorf("install checkpoint: %w", err)
	}
	return LoadState(d)
}
