package replication

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

func twoCommands() []byte {
	b := core.AppendRequest(nil, 7, 1, core.Flags{}, 5, wire.OpSync, []byte("x"))
	return core.AppendRequest(b, 7, 1, core.Flags{}, 6, wire.OpSync, nil)
}

// golden is a message with its encoding.
type golden struct {
	name string
	m    peerMessage
	hex  string
}

// goldenPeer are messages with their encoding of version 1, which other releases read.
var goldenPeer = []golden{
	{"raft", peerMessage{kind: peerRaft, raft: &raftpb.Message{
		Type: raftpb.MsgHeartbeat.Enum(), To: new(uint64(2)), From: new(uint64(1)),
		Term: new(uint64(3)), Commit: new(uint64(300))}}, "010108081002180120034" + "0ac02"},
	{"hello", peerMessage{kind: peerHello, raftID: 3, nonce: [16]byte{1, 2, 15: 16},
		replaces: 300}, "010203" + "01020000000000000000000000000010" + "ac02"},
	{"batch", peerMessage{kind: peerBatch, registration: 300, seq: 9, count: 2,
		commands: twoCommands()},
		"0103ac020902" + "07040e01000a1278" + "06040e01000c12"},
	{"tick", peerMessage{kind: peerTick, wallMs: 1_700_000_000_000, stored: 77,
		news: tickNews{term: 4, number: 300, registration: 20, heardOf: 21, heard: 9, durable: 6,
			flags: tickLow, offsetMs: -2, digests: []indexDigest{{256, [16]byte{1, 15: 2}}}},
		touched: []core.SessionID{1 << 32, 5}},
		"010480a0abfef9624d" + "04ac021415090601" + "03" + "018002" +
			"01000000000000000000000000000002" + "02" + "00000001000000000000000000000005"},
	{"dropped", peerMessage{kind: peerDropped, registration: 300, seq: 10}, "0105ac020a"},
	{"first piece", peerMessage{kind: peerPiece, piece: &piece{term: 4, transfer: 300, seq: 1,
		at: position{3, 77}, of: &Checkpoint{Index: 77, Term: 3, ConfState: FoundingConf(1, 2),
			Digest: [16]byte{1, 15: 2}, Header: []byte("head")},
		records: []core.Record{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("b")}}}},
		"0110" + "02" + "04" + "ac02" + "01" + "034d" + "01000000000000000000000000000002" +
			"04" + "08010802" + "04" + "68656164" + "02" + "01610131" + "016200"},
	{"last piece", peerMessage{kind: peerPiece, piece: &piece{term: 4, transfer: 300, seq: 9,
		at: position{3, 77}, last: true}}, "0110" + "01" + "04" + "ac02" + "09" + "034d" + "00"},
	{"staged", peerMessage{kind: peerStaged, staged: staged{transfer: 300, seq: 9}},
		"0111" + "ac02" + "09" + "00"},
	{"refused", peerMessage{kind: peerStaged, staged: staged{transfer: 300, refused: true}},
		"0111" + "ac02" + "00" + "01"},
}

var comparePeer = []cmp.Option{cmp.AllowUnexported(peerMessage{}, tickNews{}, indexDigest{},
	piece{}, staged{}, position{}),
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b *raftpb.ConfState) bool { return a.Equivalent(b) == nil }),
	cmp.Comparer(func(a, b *raftpb.Message) bool {
		return a == b || a != nil && b != nil && proto.Equal(a, b)
	})}

func TestPeerGolden(t *testing.T) {
	for _, g := range goldenPeer {
		b, err := g.m.appendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := IsTick(b), g.m.kind == peerTick; got != want || IsTick(b[:1]) {
			t.Errorf("%s: it is a tick: %v, want %v; cut to a byte %v", g.name, got, want,
				IsTick(b[:1]))
		}
		if got := hex.EncodeToString(b); got != g.hex {
			t.Errorf("%s is encoded as %s, want %s", g.name, got, g.hex)
		}
		m, err := decodePeer(b)
		if err != nil {
			t.Errorf("%s: %v", g.name, err)
			continue
		}
		if diff := cmp.Diff(g.m, m, comparePeer...); diff != "" {
			t.Errorf("%s read back (-want +got):\n%s", g.name, diff)
		}
		for n := range b {
			if m, err := decodePeer(b[:n]); err == nil && g.name != "raft" {
				t.Errorf("the first %d bytes of %s are taken for %+v", n, g.name, m)
			}
		}
	}
}

// TestPeerFlags: of what nobody writes, nothing is passed over or cut to what it might have meant.
func TestPeerFlags(t *testing.T) {
	for _, test := range []struct {
		name, golden, part, by string
		ok                     bool
	}{
		{"all flags of a tick", "tick", "090601", "090607", true},
		{"an unknown flag of a tick", "tick", "090601", "090608", false},
		{"flags of a tick that are no byte", "tick", "090601", "09068102", false},
		{"a piece that is first and last", "first piece", "011002", "011003", true},
		{"an unknown flag of a piece", "first piece", "011002", "011006", false},
		{"a high flag of a piece", "last piece", "011001", "011081", false},
		{"refused", "staged", "0900", "0901", true},
		{"neither refused nor not", "staged", "0900", "0902", false},
	} {
		i := slices.IndexFunc(goldenPeer, func(g golden) bool { return g.name == test.golden })
		text := goldenPeer[i].hex
		if strings.Count(text, test.part) != 1 {
			t.Fatalf("%s: %s is not once in %s", test.name, test.part, text)
		}
		b, err := hex.DecodeString(strings.Replace(text, test.part, test.by, 1))
		if err != nil {
			t.Fatal(err)
		}
		if m, err := decodePeer(b); (err == nil) != test.ok {
			t.Errorf("%s: decodePeer(%x) = %+v, %v; want it accepted: %v", test.name, b, m, err,
				test.ok)
		}
	}
}

// TestPeerErrors: what a peer should not have sent is an error that names it, and nothing else
// happens.
func TestPeerErrors(t *testing.T) {
	encode := func(m peerMessage) []byte {
		b, err := m.appendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	foreign := encode(goldenPeer[0].m)
	tests := []struct {
		name string
		from core.RaftID
		data []byte
	}{
		{"empty", 2, nil},
		{"another version", 2, []byte{9, 1}},
		{"an unknown kind", 2, []byte{1, 77}},
		{"a stranger's", 9, encode(goldenPeer[3].m)},
		{"itself's", 1, encode(goldenPeer[3].m)},
		{"raft message of another", 3, foreign},
		{"raft message that is local", 2, encode(peerMessage{kind: peerRaft,
			raft: &raftpb.Message{Type: raftpb.MsgHup.Enum(), From: new(uint64(2)),
				To: new(uint64(1)), Term: new(uint64(1))}})},
		{"entries out of order", 2, encode(peerMessage{kind: peerRaft, raft: &raftpb.Message{
			Type: raftpb.MsgApp.Enum(), From: new(uint64(2)), To: new(uint64(1)),
			Term: new(uint64(3)), Index: new(uint64(1)), LogTerm: new(uint64(1)),
			Entries: []*raftpb.Entry{{Index: new(uint64(3)), Term: new(uint64(3))}}}})},
		{"an entry of a kind that nobody proposes", 2, encode(peerMessage{kind: peerRaft,
			raft: &raftpb.Message{Type: raftpb.MsgApp.Enum(), From: new(uint64(2)),
				To: new(uint64(1)), Term: new(uint64(3)), Index: new(uint64(1)),
				LogTerm: new(uint64(1)), Entries: []*raftpb.Entry{{Index: new(uint64(2)),
					Term: new(uint64(3)), Type: raftpb.EntryType(256).Enum()}}}})},
		{"a heartbeat beyond all entries", 2, encode(peerMessage{kind: peerRaft,
			raft: &raftpb.Message{Type: raftpb.MsgHeartbeat.Enum(), From: new(uint64(2)),
				To: new(uint64(1)), Term: new(uint64(5)), Commit: new(uint64(1000))}})},
		{"a checkpoint of members that cannot be", 2, encode(peerMessage{kind: peerPiece,
			piece: &piece{term: 4, transfer: 1, seq: 1, at: position{3, 77}, of: &Checkpoint{
				ConfState: &raftpb.ConfState{Voters: []uint64{1, 2, 3}, Learners: []uint64{2}}}}})},
		{"hello of another", 3, encode(peerMessage{kind: peerHello, raftID: 2})},
		{"batch with one command less", 2, encode(peerMessage{kind: peerBatch, registration: 5,
			seq: 1, count: 3, commands: twoCommands()})},
		{"batch with one command more", 2, encode(peerMessage{kind: peerBatch, registration: 5,
			seq: 1, count: 1, commands: twoCommands()})},
		{"batch behind the end of all numbers", 2, encode(peerMessage{kind: peerBatch,
			registration: 5, seq: 1<<64 - 1, count: 2, commands: twoCommands()})},
		{"records out of order", 2, encode(peerMessage{kind: peerPiece, piece: &piece{term: 4,
			transfer: 1, seq: 2, at: position{3, 77}, records: []core.Record{{Key: []byte("b")},
				{Key: []byte("a")}}}})},
		{"a second piece that is a first", 2, encode(peerMessage{kind: peerPiece,
			piece: &piece{term: 4, transfer: 1, seq: 2, at: position{3, 77},
				of: &Checkpoint{ConfState: FoundingConf(1)}}})},
		{"a checkpoint of the future", 2, encode(peerMessage{kind: peerPiece,
			piece: &piece{term: 4, transfer: 1, seq: 2, at: position{5, 77}}})},
		{"batch with the leader's own command", 2, encode(peerMessage{kind: peerBatch,
			registration: 5, seq: 1, count: 1, commands: core.AppendExpire(nil, 1, 1)})},
	}
	for _, test := range tests {
		m := newVoter(t)
		var work Work
		m.Step(&Turn{Received: []Received{{test.from, test.data}}}, &work)
		if len(work.Errs) != 1 || work.Errs[0].From != test.from {
			t.Errorf("%s: errors %v, want one of member %v", test.name, work.Errs, test.from)
		}
		if len(work.Appends)+len(work.Apply)+len(work.Send) > 0 || m.Term() != FoundingTerm {
			t.Errorf("%s: it had an effect: %+v", test.name, work)
		}
	}
}

// TestLeadersErrors: a leader refuses the acknowledgement of what it has not sent.
func TestLeadersErrors(t *testing.T) {
	try(t, 1, 3, Config{}, func(w *world) {
		lead := w.settle()
		f, last := w.followers()[0], lead.member.replica.last
		for index, want := range map[uint64]int{last: 0, last + 1: 1} {
			m := peerMessage{kind: peerRaft, raft: &raftpb.Message{
				Type: raftpb.MsgAppResp.Enum(), From: new(uint64(f.id)), To: new(uint64(lead.id)),
				Term: new(lead.member.Term()), Index: &index}}
			data, err := m.appendTo(nil)
			if err != nil {
				t.Fatal(err)
			}
			var work Work
			lead.member.Step(&Turn{Received: []Received{{core.RaftID(f.id), data}}}, &work)
			if len(work.Errs) != want {
				t.Errorf("an acknowledgement of %d, the last is %d: errors %v, want %d", index,
					last, work.Errs, want)
			}
		}
	})
}

// TestNewcomersErrors: whoever is no member as far as is applied here may be one already, and its
// stream is ignored until that is known. What is malformed is an error from it too.
func TestNewcomersErrors(t *testing.T) {
	for _, test := range []struct {
		name  string
		count uint64
		errs  int
	}{{"whole", 2, 0}, {"one command less", 3, 1}} {
		state, err := core.NewEnsemble(fuzzWord(3), FoundingIndex, FoundingTerm)
		if err != nil {
			t.Fatal(err)
		}
		m := peerMessage{kind: peerBatch, registration: 5, seq: 1, count: test.count,
			commands: twoCommands()}
		data, err := m.appendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		var work Work
		voterOf(t, state).Step(&Turn{Received: []Received{{9, data}}}, &work)
		if len(work.Errs) != test.errs {
			t.Errorf("%s: errors %v, want %d", test.name, work.Errs, test.errs)
		}
		if len(work.Appends)+len(work.Apply)+len(work.Send) > 0 {
			t.Errorf("%s: it had an effect: %+v", test.name, work)
		}
	}
}
