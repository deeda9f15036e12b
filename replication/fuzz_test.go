package replication

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/frugal"
	"github.com/vivariumdb/vivarium/internal/varint"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// FuzzDecodePeer: what a peer may have sent is refused with an ErrPeerMessage or encodes to what
// decodes to the same, and from then on to the same bytes.
func FuzzDecodePeer(f *testing.F) {
	for _, g := range goldenPeer {
		b, err := g.m.appendTo(nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m peerMessage
		var err error
		// An entry of raft's is large beside the two bytes that it may come in.
		frugal.Check(t, data, 256, func() { m, err = decodePeer(bytes.Clone(data)) })
		if err != nil {
			if !errors.Is(err, ErrPeerMessage) {
				t.Fatalf("%x: %v is no ErrPeerMessage", data, err)
			}
			return
		}
		once, err := m.appendTo(nil)
		if err != nil {
			t.Fatalf("%x cannot be encoded again: %v", data, err)
		}
		again, err := decodePeer(bytes.Clone(once))
		if err != nil {
			t.Fatalf("%x, encoded again as %x: %v", data, once, err)
		}
		if diff := cmp.Diff(m, again, comparePeer...); diff != "" {
			t.Fatalf("%x read back (-first +second):\n%s", data, diff)
		}
		if twice, err := again.appendTo(nil); err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("a message encodes to %x and then to %x, %v", once, twice, err)
		}
	})
}

// FuzzHandshake feeds one end of a handshake whatever the other may say, whole and in pieces: the
// verdict is the same, and no more is kept or said than belongs to a handshake.
func FuzzHandshake(f *testing.F) {
	word := fuzzWord(3)
	state, err := core.NewEnsemble(word, FoundingIndex, FoundingTerm)
	if err != nil {
		f.Fatal(err)
	}
	members := state.Membership()
	identity := func(n int) Identity {
		return Identity{Cluster: word.Cluster, Server: core.ServerID(n), Disk: diskOf(n),
			RaftID: core.RaftID(n), Level: core.MaxFeatureLevel}
	}
	who := [...]Who{
		{Identity: identity(1), StateLevel: core.MaxFeatureLevel, Membership: members,
			Known: []KnownMark{{2, Mark{3, 9}}}},
		{Identity: Identity{Server: 1, Disk: diskOf(9), Level: core.MaxFeatureLevel}},
	}
	for _, other := range []Who{{Identity: identity(2), Membership: members}, who[1],
		{Identity: identity(1)}} {
		a, b := newEnd(other, AnyServer), newEnd(who[0], AnyServer)
		said := a.Take()
		_ = b.hear(said) // a refusal is a seed as well
		if a.hear(b.Take()) == nil {
			said = append(said, a.Take()...)
		}
		f.Add(said, uint8(3), uint8(0))
		f.Add(append(said, "and more"...), uint8(1), uint8(3))
	}
	f.Fuzz(func(t *testing.T, said []byte, cut, how uint8) {
		run := func(piece int) (h end, out []byte, err error) {
			called := AnyServer
			if how&2 != 0 {
				called = 2
			}
			h = newEnd(who[how&1], called)
			for rest := said; len(rest) > 0 && err == nil; rest = rest[min(piece, len(rest)):] {
				err = h.hear(rest[:min(piece, len(rest))])
			}
			return h, h.Take(), err
		}
		var whole end
		var out []byte
		var err error
		frugal.Check(t, said, 16, func() { whole, out, err = run(len(said)) })
		parts, out2, err2 := run(1 + int(cut))
		if whole.Done() != parts.Done() || (err == nil) != (err2 == nil) ||
			!bytes.Equal(out, out2) {
			t.Fatalf("%x: %v, %v; in pieces of %d: %v, %v", said, whole.Done(), err, 1+int(cut),
				parts.Done(), err2)
		}
		if whole.Done() && err != nil || len(out) > 1<<10 {
			t.Fatalf("%x: done %v, %v, %d bytes are said", said, whole.Done(), err, len(out))
		}
		if diff := cmp.Diff(whole.Peer(), parts.Peer()); diff != "" {
			t.Fatalf("%x in pieces of %d (-whole +pieces):\n%s", said, 1+int(cut), diff)
		}
	})
}

// FuzzChange: an entry that changes raft's configuration is refused, or leads from any
// configuration to another one or to an error.
func FuzzChange(f *testing.F) {
	add := func(cc *raftpb.ConfChangeV2, voters, learners []byte) {
		b, err := proto.Marshal(cc)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint8(raftpb.EntryConfChangeV2), voters, learners)
	}
	single := func(kind raftpb.ConfChangeType, id uint64) *raftpb.ConfChangeSingle {
		return &raftpb.ConfChangeSingle{Type: kind.Enum(), NodeId: new(id)}
	}
	add(&raftpb.ConfChangeV2{Changes: []*raftpb.ConfChangeSingle{
		single(raftpb.ConfChangeAddLearnerNode, 4)}}, []byte{1, 2, 3}, nil)
	add(&raftpb.ConfChangeV2{Changes: []*raftpb.ConfChangeSingle{
		single(raftpb.ConfChangeAddNode, 4), single(raftpb.ConfChangeRemoveNode, 1)}},
		[]byte{1, 2, 3}, []byte{4})
	add(&raftpb.ConfChangeV2{}, []byte{1}, nil)
	f.Fuzz(func(t *testing.T, data []byte, kind uint8, voters, learners []byte) {
		e := &raftpb.Entry{Type: raftpb.EntryType(kind).Enum(), Data: data, Index: new(uint64(7))}
		cc, err := decodeChange(e)
		if err != nil {
			if !errors.Is(err, core.ErrEntry) {
				t.Fatalf("%x: %v is no ErrEntry", data, err)
			}
			return
		}
		conf := &raftpb.ConfState{}
		seen := map[byte]bool{}
		for i, id := range append(voters, learners...) {
			switch {
			case id == 0 || seen[id]:
			case i < len(voters):
				conf.Voters = append(conf.Voters, uint64(id))
			default:
				conf.Learners = append(conf.Learners, uint64(id))
			}
			seen[id] = true
		}
		if len(conf.Voters) == 0 {
			return
		}
		next, err := nextConf(conf, cc)
		if err == nil && len(next.GetVoters()) == 0 {
			t.Fatalf("%v leads from %v to %v, where nobody votes", cc, conf, next)
		}
	})
}

// FuzzRecords: a piece of a checkpoint whose records are arbitrary and in order is what it was
// when it comes back.
func FuzzRecords(f *testing.F) {
	f.Add([]byte("\x01a\x011\x01b\x00"), uint64(3), uint64(7), true)
	f.Fuzz(func(t *testing.T, raw []byte, term, index uint64, last bool) {
		p := &piece{term: term, transfer: 1, seq: 2, at: position{term, index}, last: last}
		var before []byte
		for r := varint.NewReader(raw); r.Len() > 0; {
			record := core.Record{Key: r.Sized(), Value: r.Sized()}
			if bytes.Compare(before, record.Key) < 0 {
				before = record.Key
				p.records = append(p.records, record)
			}
		}
		m := peerMessage{kind: peerPiece, piece: p}
		b, err := m.appendTo(nil)
		if err != nil || p.size() < len(b)-binary.MaxVarintLen64 {
			t.Fatalf("%d bytes, a size of %d; %v", len(b), p.size(), err)
		}
		again, err := decodePeer(b)
		if index == 0 {
			if err == nil {
				t.Fatal("a checkpoint of index 0 is taken")
			}
			return
		}
		if diff := cmp.Diff(m, again, comparePeer...); err != nil || diff != "" {
			t.Fatalf("%x: %v\n%s", b, err, diff)
		}
	})
}

// fuzzWord is the word of the founder of an ensemble.
func fuzzWord(n int) *core.Word {
	w := &core.Word{Cluster: core.ClusterID{7}, Level: core.MaxFeatureLevel}
	for i := 1; i <= n; i++ {
		w.Servers = append(w.Servers, server(i))
		w.Members = append(w.Members, core.MemberInfo{RaftID: core.RaftID(i),
			Server: core.ServerID(i), Disk: diskOf(i), Role: core.RoleVoter,
			Level: core.MaxFeatureLevel})
	}
	return w
}
