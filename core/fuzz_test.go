package core

import (
	"bytes"
	"testing"

	"github.com/vivariumdb/vivarium/internal/frugal"
	"github.com/vivariumdb/vivarium/wire"
)

// appendCommand encodes a command that was decoded.
func appendCommand(b []byte, c *Command) []byte {
	switch c.Kind {
	case KindHello:
		return AppendHello(b, c.RaftID, c.Nonce, c.Replaces)
	case KindCreateSession:
		return AppendCreateSession(b, CreateSession{c.TimeoutMs, c.PasswordHash, c.LastZxidSeen,
			c.Identities})
	case KindAttach:
		return AppendAttach(b, Attach{c.Session, c.PasswordHash, c.TimeoutMs, c.LastZxidSeen,
			c.Identities})
	case KindRequest:
		return AppendRequest(b, c.Session, c.Generation, c.Flags, c.Xid, c.Op, c.Body)
	case KindAuth:
		return AppendAuth(b, c.Session, c.Generation, c.Xid, c.Identities)
	case KindExpire:
		return AppendExpire(b, c.Session, c.Generation)
	case KindReap:
		return AppendReap(b, c.Path, c.Czxid, c.NeverUsedMs)
	case KindAdmit:
		return AppendAdmit(b, c.Member.Server, c.Member.Disk, c.Member.Level)
	case KindConfigure:
		return AppendConfigure(b, c.Member)
	case KindGiveUp:
		return AppendGiveUp(b, c.Member.Target, c.Member.Code)
	case KindRaise:
		return AppendRaise(b, c.Member.Level)
	case KindAim:
		return AppendAim(b, c.Member.Version, c.Member.Servers)
	}
	panic(c.Kind)
}

// appendEntry encodes an entry that was decoded.
func appendEntry(b []byte, e *Entry) []byte {
	if e.NoGrowth {
		b = AppendNoGrowthHeader(b, e.StampMs)
	} else {
		b = AppendEntryHeader(b, e.StampMs)
	}
	for i := range e.Batches {
		p := &e.Batches[i]
		if n := uint64(len(p.Commands)); p.Origin.RaftID == 0 {
			b = AppendHousekeepingHeader(b, p.Term, n)
		} else {
			b = AppendBatchHeader(b, p.Origin, p.FirstSeq, n)
		}
		for j := range p.Commands {
			b = appendCommand(b, &p.Commands[j])
		}
	}
	return b
}

// FuzzDecodeEntry: what is decoded encodes to what decodes to the same, and from then on to the
// same bytes. No entry takes much more memory than its own size.
func FuzzDecodeEntry(f *testing.F) {
	ids := []wire.ID{{Scheme: "ip", ID: "10.0.0.1"}, {Scheme: "digest", ID: "u:x"}}
	hello := Batch{Origin: Origin{RaftID: 7}, Commands: []Command{{Kind: KindHello, RaftID: 7}}}
	stream := Batch{Origin: Origin{RaftID: 7, Registration: 9}, FirstSeq: 3, Commands: []Command{
		{Kind: KindCreateSession, TimeoutMs: 4000, Identities: ids},
		{Kind: KindAttach, Session: 1 << 40, LastZxidSeen: -1},
		{Kind: KindRequest, Session: 1 << 40, Generation: 2, Op: wire.OpSetData, Body: []byte{1}},
		{Kind: KindAuth, Session: 1 << 40, Identities: ids}}}
	s, err := ParseServer(1, "h1:1:2;9")
	if err != nil {
		f.Fatal(err)
	}
	own := Batch{Term: 12, Commands: []Command{{Kind: KindExpire, Session: 1, Generation: 3},
		{Kind: KindReap, Path: "/a", Czxid: 77},
		{Kind: KindAdmit, Member: &MemberCommand{Level: 1}},
		{Kind: KindConfigure, Member: &MemberCommand{Voters: []RaftID{1}, Ends: true}},
		{Kind: KindGiveUp, Member: &MemberCommand{Target: 5, Code: -3}},
		{Kind: KindRaise, Member: &MemberCommand{Level: 2}},
		{Kind: KindAim, Member: &MemberCommand{Version: 3, Servers: []Server{s}}}}}
	f.Add(appendEntry(nil, &Entry{StampMs: 1234, Batches: []Batch{hello, stream, own}}))
	f.Add(appendEntry(nil, &Entry{NoGrowth: true, Batches: []Batch{own, stream}}))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		var e Entry
		var err error
		// The shortest command has three bytes, and all of Command is there for it.
		const most = 400
		frugal.Check(t, data, most, func() { e, err = DecodeEntry(data) })
		if err != nil || len(data) == 0 {
			return
		}
		once := appendEntry(nil, &e)
		again, err := DecodeEntry(once)
		if err != nil {
			t.Fatalf("%x encodes to %x: %v", data, once, err)
		}
		if d := diff(e, again); d != "" {
			t.Fatalf("%x encodes to %x, which is another entry:\n%s", data, once, d)
		}
		if twice := appendEntry(nil, &again); !bytes.Equal(once, twice) {
			t.Fatalf("an entry encodes to %x and then to %x", once, twice)
		}
	})
}

// FuzzCommands: what CheckCommands lets into the log is what an entry can hold, wherever it is
// cut.
func FuzzCommands(f *testing.F) {
	b := AppendRequest(nil, 7, 1, Flags{}, 1, wire.OpDelete, []byte("body"))
	b = AppendCreateSession(b, CreateSession{TimeoutMs: 1})
	b = AppendAuth(b, 1<<32, 1, wire.XidAuth, []wire.ID{{Scheme: "ip"}})
	f.Add(AppendAttach(b, Attach{Session: 9}), uint64(1), uint64(4), uint64(2))
	f.Add(AppendExpire(nil, 1, 1), uint64(1), uint64(1), uint64(1))
	f.Add(AppendRequest(nil, 7, 1, Flags{}, 1, wire.OpDelete, nil), ^uint64(0), uint64(1),
		uint64(0))
	f.Fuzz(func(t *testing.T, commands []byte, seq, count, cut uint64) {
		err := CheckCommands(commands, seq, count)
		e := AppendBatchHeader(AppendEntryHeader(nil, 1), Origin{1, 1}, seq, count)
		entry, decodes := DecodeEntry(append(e, commands...))
		if err != nil && decodes == nil && len(entry.Batches) == 1 || err == nil && decodes != nil {
			t.Fatalf("CheckCommands(%x, %d, %d) = %v, DecodeEntry %v", commands, seq, count, err,
				decodes)
		}
		if err != nil {
			return
		}
		AppendSpeakers(nil, commands)
		if cut %= count; cut > 0 {
			rest := CutCommands(commands, cut)
			if err := CheckCommands(rest, seq+cut, count-cut); err != nil {
				t.Fatalf("%d of %d commands cut off %x: %v", cut, count, commands, err)
			}
		}
	})
}

// FuzzWord: a founder's word that is taken says the same when it is told on, and makes a State.
func FuzzWord(f *testing.F) {
	w := &Word{Cluster: ClusterID{7}, Level: MaxFeatureLevel}
	for id := range ServerID(3) {
		s, err := ParseServer(id, "h"+string(rune('a'+id))+":1:2;9")
		if err != nil {
			f.Fatal(err)
		}
		w.Servers = append(w.Servers, s)
		w.Members = append(w.Members, MemberInfo{RaftID: RaftID(id + 1), Server: id,
			Disk: DiskID{byte(id)}, Role: RoleVoter, Level: MaxFeatureLevel})
	}
	f.Add(w.AppendTo(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		var w *Word
		var err error
		frugal.Check(t, data, 400, func() { w, err = DecodeWord(data) })
		if err != nil {
			return
		}
		again, err := DecodeWord(w.AppendTo(nil))
		if err != nil {
			t.Fatalf("%x told on: %v", data, err)
		}
		if d := diff(w, again); d != "" {
			t.Fatalf("%x told on (-first +second):\n%s", data, d)
		}
		s, err := NewEnsemble(w, 1, 1)
		if err != nil {
			t.Fatalf("%x makes no State: %v", data, err)
		}
		if s.Digest() != s.digestFromScratch() {
			t.Fatalf("%x makes a State with a wrong digest", data)
		}
	})
}

// FuzzConfig: a line server.N and a whole configuration that are taken are written in a form
// that is read back as the same.
func FuzzConfig(f *testing.F) {
	f.Add("h1:2888:3888:participant;0.0.0.0:2181",
		"server.1=h1:1:2;9,server.2=h2:1:2:observer", "2")
	f.Add("[::1]:1:2;[::]:9", "server.3=[fe80::1]:1:2;3\nversion=100", "1,7")
	f.Add("h1:1:2|h2:1:2;9", "", "x")
	f.Fuzz(func(t *testing.T, line, config, leaving string) {
		if s, err := ParseServer(5, line); err == nil {
			again, err := ParseServer(5, s.Text())
			if d := diff(s, again); err != nil || d != "" {
				t.Fatalf("ParseServer(%q).Text() = %q, which is %v, %v\n%s", line, s.Text(), again,
					err, d)
			}
		}
		servers, err := parseConfig(config)
		if err != nil {
			return
		}
		again, err := parseConfig(string(appendConfig(nil, servers, 7)))
		if d := diff(servers, again); err != nil || d != "" {
			t.Fatalf("%q is read back as %v, %v\n%s", config, again, err, d)
		}
		if left, err := changeConfig(servers, config, leaving); err == nil {
			if err := checkServers(left); err != nil {
				t.Fatalf("%q without %q: %v", config, leaving, err)
			}
		}
	})
}

// FuzzTexts gives texts of znodes and ACLs that have a meaning to those who read them.
func FuzzTexts(f *testing.F) {
	f.Add("count=5,bytes=-1=;byteHardLimit=10", "1.02.+3.4/24", "/a/b")
	f.Add("a=,=b;;count=9223372036854775808", "::ffff:1.2.3.4", "/\x00")
	f.Fuzz(func(t *testing.T, quota, network, path string) {
		q := parseQuota(nil, []byte(quota))
		text := formatQuota(q)
		if again := formatQuota(parseQuota(nil, text)); !bytes.Equal(text, again) {
			t.Fatalf("parseQuota(%q) is written as %q and then as %q", quota, text, again)
		}
		if addr, bits, ok := parseNetwork(network); ok && (bits < 0 || bits > addr.BitLen()) {
			t.Fatalf("parseNetwork(%q) = %v, %d", network, addr, bits)
		}
		matchesIP(network, quota)
		if !validPath(path) {
			return
		}
		if _, _, ok := splitPath(path); !ok {
			t.Fatalf("%q is valid and cannot be split", path)
		}
	})
}
