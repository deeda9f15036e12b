package core

import (
	"errors"
	"slices"
	"testing"

	"github.com/vivariumdb/vivarium/internal/frugal"
	"github.com/vivariumdb/vivarium/wire"
)

func TestDecodeEntry(t *testing.T) {
	ids := []wire.ID{{Scheme: "ip", ID: "10.0.0.1"}, {Scheme: "digest", ID: "u:x"}}
	hash, nonce := [32]byte{1, 2}, [16]byte{3, 4}
	stream := Origin{RaftID: 7, Registration: 99}
	flags := Flags{SkipACL: true, ExtendedTypes: true, SASL: true}
	long := make([]byte, 300)

	e := AppendEntryHeader(nil, 1234)
	e = AppendBatchHeader(e, Origin{RaftID: 7}, 0, 1)
	e = AppendHello(e, 7, nonce, 55)
	e = AppendBatchHeader(e, stream, 3, 4)
	e = AppendCreateSession(e, CreateSession{TimeoutMs: 4000, PasswordHash: hash, LastZxidSeen: 5,
		Identities: ids})
	e = AppendAttach(e, Attach{Session: 1 << 40, PasswordHash: hash, TimeoutMs: 1,
		LastZxidSeen: -1, Identities: nil})
	e = AppendRequest(e, 1<<40, 2, flags, -8, wire.OpSetData, long)
	e = AppendAuth(e, 1<<40, 2, -4, ids)
	e = AppendHousekeepingHeader(e, 12, 2)
	e = AppendExpire(e, 1<<40, 3)
	e = AppendReap(e, "/a", 77, 500)
	want := Entry{StampMs: 1234, Batches: []Batch{
		{Origin: Origin{RaftID: 7}, Commands: []Command{
			{Kind: KindHello, RaftID: 7, Nonce: nonce, Replaces: 55}}},
		{Origin: stream, FirstSeq: 3, Commands: []Command{
			{Kind: KindCreateSession, TimeoutMs: 4000, PasswordHash: hash, LastZxidSeen: 5,
				Identities: ids},
			{Kind: KindAttach, Session: 1 << 40, PasswordHash: hash, TimeoutMs: 1,
				LastZxidSeen: -1},
			{Kind: KindRequest, Session: 1 << 40, Generation: 2, Flags: flags, Xid: -8,
				Op: wire.OpSetData, Body: long},
			{Kind: KindAuth, Session: 1 << 40, Generation: 2, Xid: -4, Identities: ids}}},
		{Term: 12, Commands: []Command{
			{Kind: KindExpire, Session: 1 << 40, Generation: 3},
			{Kind: KindReap, Path: "/a", Czxid: 77, NeverUsedMs: 500}}},
	}}
	got, err := DecodeEntry(e)
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(want, got); d != "" {
		t.Error(d)
	}
	if empty, err := DecodeEntry(nil); err != nil || len(empty.Batches) != 0 {
		t.Errorf("DecodeEntry(nil) = %+v, %v", empty, err)
	}
}

// A flag that nobody knows is no command: who passed over it would not do what the others do.
func TestUnknownFlag(t *testing.T) {
	entry := func(flags Flags) []byte {
		e := AppendBatchHeader(AppendEntryHeader(nil, 1), Origin{RaftID: 7, Registration: 1}, 1, 1)
		return AppendRequest(e, 1<<40, 2, flags, 3, wire.OpSetData, nil)
	}
	e, at := entry(Flags{}), 0
	for other := entry(Flags{SkipACL: true}); e[at] == other[at]; at++ {
		continue
	}
	if _, err := DecodeEntry(e); err != nil {
		t.Fatalf("without a flag: %v", err)
	}
	e[at] = 0x80
	if got, err := DecodeEntry(e); err == nil {
		t.Errorf("an unknown flag is passed over: %+v", got)
	}
}

func TestFlagsSurviveTheirBits(t *testing.T) {
	for bits := range byte(128) {
		if got := flagsOf(bits).bits(); got != bits {
			t.Errorf("flagsOf(%d).bits() = %d", bits, got)
		}
	}
}

func TestStrings(t *testing.T) {
	for _, test := range []struct {
		v    interface{ String() string }
		want string
	}{
		{SessionID(255), "0xff"}, {Zxid(1<<32 | 1), "0x100000001"}, {RaftID(3), "0x3"},
		{Registration(16), "0x10"}, {Generation(2), "0x2"},
		{KindReap, "reap"}, {CommandKind(99), "CommandKind(99)"},
		{ReasonGap, "gap"}, {ReasonNone, ""}, {Reason(99), "Reason(99)"},
		{AttachOK, "ok"}, {AttachExpired, "expired"}, {AttachFuture, "future"},
		{AttachResult(9), "AttachResult(9)"},
	} {
		if got := test.v.String(); got != test.want {
			t.Errorf("%T.String() = %q, want %q", test.v, got, test.want)
		}
	}
}

// FuzzBegin applies arbitrary entries: those that Begin takes are applied to their end, the
// digest is that of what is there, and DecodeEntry takes the same ones and those that raise the
// feature level too far.
func FuzzBegin(f *testing.F) {
	m := newMachine(f)
	c := m.connect(wire.ID{Scheme: "digest", ID: "u:x"})
	start := m.seq + 1
	request := func(op wire.OpCode, r record) {
		e := AppendBatchHeader(AppendEntryHeader(nil, 5), m.origin, start, 1)
		f.Add(AppendRequest(e, c.id, c.generation, m.flags, 1, op, r.AppendTo(nil)))
	}
	request(wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: wire.OpenACL(), Flags: 3})
	request(wire.OpCreateTTL, &wire.CreateTTLRequest{Path: "/a", ACL: wire.OpenACL(), Flags: 5,
		TTLMs: 5})
	request(wire.OpDelete, &wire.DeleteRequest{Path: "/base", Version: -1})
	request(wire.OpSetData, &wire.SetDataRequest{Path: "/base", Data: []byte("x"), Version: 0})
	request(wire.OpSetACL, &wire.SetACLRequest{Path: "/base", ACL: wire.OpenACL(), Version: -1})
	request(wire.OpDeleteContainer, &wire.PathRequest{Path: "/base"})
	request(wire.OpReconfig, &wire.ReconfigRequest{})
	request(wire.OpCloseSession, nothing{})
	request(wire.OpMulti, &wire.MultiRequest{Ops: []wire.MultiOp{
		{Op: wire.OpCreate, Create: wire.CreateTTLRequest{Path: "/m", ACL: wire.OpenACL()}},
		{Op: wire.OpCheck, Check: wire.CheckRequest{Path: "/m"}},
		{Op: wire.OpDelete, Delete: wire.DeleteRequest{Path: "/missing"}}}})
	e := AppendHousekeepingHeader(AppendEntryHeader(nil, 5), 0, 2)
	f.Add(AppendReap(AppendExpire(e, c.id, c.generation), "/base", 5, 1))
	e = AppendHousekeepingHeader(AppendEntryHeader(nil, 5), 0, 4)
	e = AppendAdmit(e, 4, diskOf(4), MaxFeatureLevel)
	server, err := ParseServer(4, "h4:1:2;9")
	if err != nil {
		f.Fatal(err)
	}
	e = AppendAim(e, 1, []Server{server})
	f.Add(AppendRaise(AppendGiveUp(e, 1, wire.CodeReconfigInProgress), MaxFeatureLevel))
	e = AppendHousekeepingHeader(AppendEntryHeader(nil, 5), 0, 1)
	f.Add(AppendConfigure(e, &MemberCommand{Voters: []RaftID{1, 2}, Ends: true, Target: 1}))
	e = AppendBatchHeader(AppendEntryHeader(nil, 5), m.origin, start, 2)
	e = AppendCreateSession(e, CreateSession{TimeoutMs: 5, Identities: []wire.ID{{Scheme: "ip"}}})
	f.Add(AppendAttach(e, Attach{Session: c.id, PasswordHash: c.password}))
	f.Add(AppendHello(AppendBatchHeader(AppendEntryHeader(nil, 5), Origin{RaftID: 1}, 0, 1), 1,
		[16]byte{}, 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := newMachine(t)
		m.connect(wire.ID{Scheme: "digest", ID: "u:x"})
		m.seq = start - 1
		entry, decodes := DecodeEntry(data)
		err := m.s.Begin(m.index+1, 0, data)
		beyond := decodes == nil && raisesBeyond(entry)
		if (err == nil) != (decodes == nil && !beyond) || beyond && !errors.Is(err, ErrLevel) {
			t.Fatalf("Begin: %v, DecodeEntry: %v, raises too far: %t", err, decodes, beyond)
		}
		if err != nil {
			return
		}
		var out Outcome
		for m.s.Next(m.origin, &out) {
			if out.Skipped && (out.Zxid != 0 || len(out.Changes) > 0 || out.Own) {
				t.Fatalf("skipped with effects: %+v", out)
			}
		}
		m.checkDigest()
		d := newStore()
		d.checkpoint(m.s)
		if _, err := d.load(); err != nil {
			t.Fatal(err)
		}
	})
}

// raisesBeyond says whether e raises the feature level above the highest that there is.
func raisesBeyond(e Entry) bool {
	for _, b := range e.Batches {
		if slices.ContainsFunc(b.Commands, func(c Command) bool {
			return c.Kind == KindRaise && c.Member.Level > MaxFeatureLevel
		}) {
			return true
		}
	}
	return false
}

// FuzzLoader gives arbitrary records to a Loader, which must not panic or take much memory. What
// it takes is a State that its own checkpoint says as much of.
func FuzzLoader(f *testing.F) {
	m := newMachine(f)
	c := m.connect()
	must(f, c.create("/a", "x", 0))
	d := newStore()
	d.checkpoint(m.s)
	keys := d.keys()
	f.Add(uint8(len(keys)), []byte(keys[0]), d.records[keys[0]], d.header)
	f.Add(uint8(2), []byte("\x03"), d.records[keys[len(keys)-1]], d.header)
	f.Fuzz(func(t *testing.T, whole uint8, key, value, header []byte) {
		var s *State
		// The records of d need less than frugal.Slack; an ACL's identities are strings.
		frugal.Check(t, slices.Concat(key, value, header), 256,
			func() { s, _ = load(d, int(whole), key, value, header) })
		if s == nil {
			// Whoever can compute the digest gets further, but finds no panic.
			var wrong *DigestError
			if _, err := load(d, int(whole), key, value, header); errors.As(err, &wrong) {
				header = append(header[:len(header)-16:len(header)-16], wrong.Computed[:]...)
				_, _ = load(d, int(whole), key, value, header)
			}
			return
		}
		again := NewLoader()
		end, err := s.Dump(func(r Record) error { return again.Add(r.Key, r.Value) })
		if err == nil {
			_, err = again.Finish(end)
		}
		if err != nil {
			t.Fatalf("%x=%x, %x is taken, but not when dumped: %v", key, value, header, err)
		}
	})
}

// load loads a checkpoint with one more record at some place.
func load(d *store, at int, key, value, header []byte) (*State, error) {
	l := NewLoader()
	for i, k := range d.keys() {
		if i == at {
			_ = l.Add(key, value) // the first error sticks
		}
		_ = l.Add([]byte(k), d.records[k])
	}
	return l.Finish(header)
}

func TestAppendSpeakers(t *testing.T) {
	b := AppendRequest(nil, 7, 1, Flags{}, 1, wire.OpDelete, nil)
	b = AppendRequest(b, 7, 1, Flags{}, 2, wire.OpDelete, []byte("body"))
	b = AppendCreateSession(b, CreateSession{TimeoutMs: 1})
	b = AppendAuth(b, 1<<32, 1, wire.XidAuth, nil)
	b = AppendAttach(b, Attach{Session: 9})
	b = AppendRequest(b, 7, 1, Flags{}, 3, wire.OpDelete, nil)
	got := AppendSpeakers([]SessionID{7}, b)
	if want := []SessionID{7, 7, 1 << 32, 7}; !slices.Equal(got, want) {
		t.Errorf("AppendSpeakers([7], ...) = %v, want %v", got, want)
	}
}
