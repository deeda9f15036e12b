package store

import (
	"strings"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"pgregory.net/rapid"

	"github.com/vivariumdb/vivarium/internal/invariant"
)

// says tells whether err is the one wanted: none for "".
func says(err error, want string) bool {
	if err == nil || want == "" {
		return err == nil && want == ""
	}
	return strings.Contains(err.Error(), want)
}

func TestCheckBatch(t *testing.T) {
	was, last := hardState{term: 3, vote: 1, commit: 5}, Position{3, 9}
	gap := append(newEntries(3, 10, 1, 0), newEntries(3, 12, 1, 0)...)
	falls := append(newEntries(3, 10, 1, 0), newEntries(2, 11, 1, 0)...)
	for _, test := range []struct {
		says    string
		hs      hardState
		start   Position
		entries []*raftpb.Entry
		want    string
	}{
		{"nothing", was, Position{}, nil, ""},
		{"the next entry", was, Position{}, newEntries(3, 10, 1, 0), ""},
		{"an entry again", hardState{4, 0, 5}, Position{}, newEntries(4, 6, 1, 0), ""},
		{"a start ahead", hardState{3, 1, 50}, Position{3, 50}, newEntries(3, 51, 2, 0), ""},
		{"a lower term", hardState{2, 1, 5}, Position{}, nil, "term falls"},
		{"a second vote", hardState{3, 2, 5}, Position{}, nil, "changes from 1 to 2"},
		{"a gap", was, Position{}, newEntries(3, 11, 1, 0), "leaves a gap"},
		{"a gap within", was, Position{}, gap, "stands behind 3/10"},
		{"a falling term", was, Position{}, falls, "stands behind 3/10"},
		{"an entry of the future", was, Position{}, newEntries(4, 10, 1, 0), "in term 3"},
		{"a start of the future", was, Position{4, 50}, nil, "in term 3"},
		{"entries below the start", was, Position{3, 50}, newEntries(3, 50, 1, 0),
			"before the start"},
		{"commit behind the end", hardState{3, 1, 10}, Position{}, nil, "commit 10"},
	} {
		_, err := checkBatch(was, last, test.hs, test.start, test.entries)
		if !says(err, test.want) {
			t.Errorf("%s: checkBatch() = %v, want %q", test.says, err, test.want)
		}
	}
}

// TestUnlawfulAppend: a caller that breaks its obligations finds a broken invariant, on any disk,
// and nothing is written.
func TestUnlawfulAppend(t *testing.T) {
	for name, r := range rigs(t) {
		d, _ := mustOpen(t, r)
		mustLog(t, d, hardState{1, 1, 0}, newEntries(1, 1, 1, 0))
		func() {
			defer func() {
				if v, ok := recover().(invariant.Violation); !ok {
					t.Errorf("%s: Append() of a gap panicked with %v, want a Violation", name, v)
				}
			}()
			err := d.Append(Batch{Entries: newEntries(1, 5, 1, 0)})
			t.Errorf("%s: Append() of a gap = %v", name, err)
		}()
		r.powerCut(t)
		if _, rec := mustOpen(t, r); len(rec.Entries) != 1 {
			t.Errorf("%s: %d entries, want 1", name, len(rec.Entries))
		}
	}
}

func TestSettle(t *testing.T) {
	received := func(term, index uint64) Meta {
		return Meta{Position: Position{term, index}, Received: true}
	}
	local := func(term, index uint64) Meta { return Meta{Position: Position{term, index}} }
	// The log holds 5/3 to 5/8, after a base of 5/2, in term 6 with a vote for 1, commit 4.
	for _, test := range []struct {
		says    string
		meta    Meta
		mark    Mark
		want    string // in the error
		entries int
		commit  uint64
		restart bool
	}{
		{"checkpoint within the log", local(5, 4), Mark{}, "", 4, 4, false},
		{"checkpoint at its base", local(5, 2), Mark{}, "", 6, 4, false},
		{"checkpoint at its end", local(5, 8), Mark{}, "", 0, 8, false},
		{"mark at its end", local(5, 4), Mark{6, 1, Position{5, 8}}, "", 4, 4, false},
		{"longer log of an older term acknowledged", local(5, 4), Mark{6, 1, Position{4, 99}},
			"", 4, 4, false},
		{"longer log of an earlier term acknowledged", local(5, 4), Mark{6, 1, Position{5, 99}},
			"", 4, 4, false},
		{"received checkpoint ahead", received(6, 20), Mark{6, 1, Position{5, 8}}, "", 0, 20, true},
		{"received checkpoint that conflicts", received(6, 7), Mark{}, "", 0, 7, true},
		{"received checkpoint within the log", received(5, 7), Mark{}, "", 1, 7, false},
		{"received checkpoint of a later term", received(9, 20), Mark{}, "", 0, 20, true},
		{"no checkpoint, log was cut", Meta{}, Mark{}, "begins behind 5/2", 0, 0, false},
		{"checkpoint is older than the log", local(5, 1), Mark{}, "begins behind 5/2", 0, 0, false},
		{"log does not reach the checkpoint", local(5, 9), Mark{}, "before the checkpoint",
			0, 0, false},
		{"checkpoint conflicts", local(6, 7), Mark{}, "in the checkpoint it has 6", 0, 0, false},
		{"acknowledged entry is gone", local(5, 4), Mark{6, 1, Position{6, 9}},
			"9 was acknowledged in term 6", 0, 0, false},
		{"acknowledged entry of a later term is gone", local(5, 4), Mark{6, 1, Position{7, 6}},
			"6 was acknowledged in term 7", 0, 0, false},
		{"term is gone", local(5, 4), Mark{7, 0, Position{}}, "term 7 was promised", 0, 0, false},
		{"vote is gone", local(5, 4), Mark{6, 2, Position{}}, "2 was promised", 0, 0, false},
	} {
		r := replay{keep: test.meta.Index}
		r.begin(hardState{term: 5, vote: 0, commit: 2}, Position{5, 2})
		if err := r.apply(hardState{6, 1, 4}, Position{}, newEntries(5, 3, 6, 0)); err != nil {
			t.Fatal(err)
		}
		restart, err := r.settle(test.meta, test.mark)
		if !says(err, test.want) {
			t.Errorf("%s: settle() = %v, want %q", test.says, err, test.want)
		}
		if err == nil && (restart != test.restart || len(r.entries) != test.entries ||
			r.hs.commit != test.commit || r.hs.term != max(6, test.meta.Term)) {
			t.Errorf("%s: restart %v, %d entries, %+v", test.says, restart, len(r.entries), r.hs)
		}
	}
}

// TestDecodeAnything: bytes that pass their checksum by chance do not bring the reader down.
func TestDecodeAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := appendBatch(nil, hardState{3, 2, 1}, Position{1, 1}, newEntries(3, 4, 2, 20))
		if rapid.Bool().Draw(t, "meta") {
			b = appendMeta(nil, checkpointOf(3, 4).Meta)
		}
		for range rapid.IntRange(0, 4).Draw(t, "harm") {
			b[rapid.IntRange(0, len(b)-1).Draw(t, "at")] = rapid.Byte().Draw(t, "byte")
		}
		b = b[:rapid.IntRange(0, len(b)).Draw(t, "size")]
		_, _, _, _ = decodeBatch(b)
		_, _, _, _ = decodeBase(b)
		_, _ = decodeMeta(b)
	})
}

// TestDecodeEntryKinds: an entry holds commands or is a change of members as replication makes it.
// Any other could not be applied, and the log that holds it is damaged.
func TestDecodeEntryKinds(t *testing.T) {
	for _, kind := range []byte{0, 1, 2, 3, 77, 255} {
		ok := kind == byte(raftpb.EntryNormal) || kind == byte(raftpb.EntryConfChangeV2)
		b := appendBatch(nil, hardState{3, 2, 1}, Position{}, newEntries(3, 4, 1, 0))
		b[len(b)-2] = kind // behind the term, before the length of nothing
		_, _, entries, err := decodeBatch(b)
		if (err == nil) != ok || ok && entries[0].GetType() != raftpb.EntryType(kind) {
			t.Errorf("kind %d: decodeBatch(%x) = %v, %v; want it accepted: %v", kind, b, entries,
				err, ok)
		}
	}
}
