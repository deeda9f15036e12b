package core

import (
	"net/netip"
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

// connected decodes the answer to a handshake; ok is false if there is none.
func (d *desk) connected(c *Conn) (answer wire.ConnectResponse, ok bool) {
	d.t.Helper()
	out := c.Take(nil)
	if len(out) == 0 {
		return answer, false
	}
	r := wire.NewReader(out[4:])
	answer.Decode(&r)
	if r.Err() != nil {
		d.t.Fatal(r.Err())
	}
	return answer, true
}

// TestWhoIsServed goes through every kind of handshake in every state of a server.
func TestWhoIsServed(t *testing.T) {
	const mine = 1<<62 | 5<<54 | 1
	for _, test := range []struct {
		name    string
		serving Serving
		q       wire.ConnectRequest
		cause   Cause // CauseNone: it is served
		answer  bool
	}{
		{"nobody", ServingNobody, wire.ConnectRequest{}, CauseNoLeader, false},
		{"nobody", ServingNobody, wire.ConnectRequest{ReadOnly: true, HasReadOnly: true},
			CauseNoLeader, false},
		{"without the flag", ServingReadOnly, wire.ConnectRequest{HasReadOnly: true},
			CauseNoLeader, false},
		{"an old client", ServingReadOnly, wire.ConnectRequest{}, CauseNoLeader, false},
		{"with the flag", ServingReadOnly,
			wire.ConnectRequest{ReadOnly: true, HasReadOnly: true}, CauseNone, true},
		{"with a session of the log", ServingReadOnly,
			wire.ConnectRequest{ReadOnly: true, HasReadOnly: true, SessionID: 1 << 32},
			CauseNoLeader, false},
		{"with a read-only session", ServingReadOnly,
			wire.ConnectRequest{ReadOnly: true, HasReadOnly: true, SessionID: mine},
			CauseUnknownSession, true},
		{"from the future", ServingReadOnly,
			wire.ConnectRequest{ReadOnly: true, HasReadOnly: true, LastZxidSeen: 1 << 40},
			CauseAheadOfServer, false},
		{"with a read-only session", ServingAll, wire.ConnectRequest{HasReadOnly: true,
			SessionID: mine}, CauseUnknownSession, true},
	} {
		d := newDesk(t, Settings{ServerID: 5})
		d.l.SetServing(test.serving, CauseNoLeader)
		c := d.connect(test.q)
		d.commit()
		answer, ok := d.connected(c)
		if c.Cause() != test.cause || ok != test.answer {
			t.Errorf("%s, serving %v: ended for %q, answered %v; want %q, %v", test.name,
				test.serving, c.Cause(), ok, test.cause, test.answer)
		}
		switch served := test.cause == CauseNone; {
		case served && (answer.SessionID != mine || !answer.ReadOnly || answer.TimeoutMs != 4000):
			t.Errorf("%s, serving %v: %+v, want session %x", test.name, test.serving, answer, mine)
		case !served && (answer.SessionID != 0 || answer.TimeoutMs != 0):
			t.Errorf("%s, serving %v: %+v, want no session", test.name, test.serving, answer)
		}
	}
}

// A session that came from ZooKeeper may have an id like those of read-only sessions. Its client
// is not told by a server without a leader that it has expired.
func TestReadOnlyKnowsImportedSessions(t *testing.T) {
	for _, serverID := range []int64{1, 64, 127, 128, 192, 254} {
		id := SessionID(serverID<<56 | 0x7f_1234_5678_0003)
		b := NewBuilder()
		if err := b.AddSession(id, 10000, [32]byte{1}); err != nil {
			t.Fatal(err)
		}
		if err := b.AddNode(Image{Path: "/", ACL: wire.OpenACL()}); err != nil {
			t.Fatal(err)
		}
		state, err := b.Finish(Founding{LastZxid: 5})
		if err != nil {
			t.Fatal(err)
		}
		d := &desk{t: t, l: NewLocal(state, Settings{}), now: 1_000_000}
		d.l.SetServing(ServingReadOnly, CauseNoLeader)
		for _, session := range []SessionID{id, id + 1<<20} {
			c := d.connect(wire.ConnectRequest{TimeoutMs: 10000, SessionID: int64(session),
				ReadOnly: true, HasReadOnly: true})
			answer, ok := d.connected(c)
			expired := session != id && id.IsReadOnly()
			if c.Cause() == CauseNone || ok != expired || answer.SessionID != 0 {
				t.Errorf("session %v: ended for %q, answered %v, want %v", session, c.Cause(),
					ok, expired)
			}
		}
	}
}

// The ids of read-only sessions do not come again when their server was restarted.
func TestReadOnlyIDs(t *testing.T) {
	seen := map[SessionID]int{}
	for process := range 3 {
		d := newDesk(t, Settings{ServerID: 255})
		d.l.SetServing(ServingReadOnly, CauseNoLeader)
		for n := range 3 {
			random := [16]byte{8: 0xff, 9: byte(process), 15: 0xff - byte(n)}
			c, cause := d.l.Open(ConnInfo{ID: ConnID(n + 1), Random: random, NowMs: d.now,
				Remote: netip.MustParseAddrPort("10.0.0.1:4000")})
			if c == nil {
				t.Fatalf("Open: %v", cause)
			}
			q := wire.ConnectRequest{TimeoutMs: 10000, ReadOnly: true, HasReadOnly: true}
			b, at := wire.BeginFrame(nil)
			d.feed(c, wire.EndFrame(q.AppendTo(b), at))
			id := c.Session()
			if old, there := seen[id]; there || !id.IsReadOnly() || id>>54 != 1<<8|255 {
				t.Errorf("process %d has session %v (read-only %v), which process %d had: %v",
					process, id, id.IsReadOnly(), old, there)
			}
			seen[id] = process
		}
	}
}

func (d *desk) readOnly() *Conn {
	d.t.Helper()
	c := d.connect(wire.ConnectRequest{TimeoutMs: 10000, ReadOnly: true, HasReadOnly: true})
	if answer, ok := d.connected(c); !ok || !answer.ReadOnly {
		d.t.Fatalf("no read-only session: %v, %+v", ok, answer)
	}
	return c
}

func TestReadOnlySession(t *testing.T) {
	d := newDesk(t, Settings{})
	writer := d.client()
	d.create(writer, 1, "/a", 0)
	mine := []wire.ACL{{Perms: wire.PermAll,
		ID: wire.ID{Scheme: "digest", ID: DigestID("", "u:p")}}}
	d.send(writer, 2, wire.OpCreate, &wire.CreateRequest{Path: "/mine", ACL: mine})
	d.commit()
	d.l.SetServing(ServingReadOnly, CauseNoLeader)
	if got := writer.Cause(); got != CauseNoLeader {
		t.Errorf("the client that writes is ended for %q, want %q", got, CauseNoLeader)
	}
	var mail Mail
	d.l.Inbox.Take(&mail)

	c := d.readOnly()
	d.read(c, 1, wire.OpGetData, "/a", true)
	d.read(c, 2, wire.OpGetData, "/mine", false)
	d.create(c, 3, "/b", 0)
	d.set(c, 4, "/a", "1")
	d.send(c, 5, wire.OpMulti, nil)
	d.send(c, 6, wire.OpSync, &wire.PathRequest{Path: "/"})
	d.send(c, wire.XidAuth, wire.OpAuth, &wire.AuthRequest{Scheme: "digest", Auth: []byte("u:p")})
	d.read(c, 8, wire.OpGetData, "/mine", false)
	d.send(c, 9, wire.OpGetEphemerals, &wire.PathRequest{Path: "/"})
	d.send(c, wire.XidPing, wire.OpPing, nil)
	d.want(c, "a read-only session", `
		1 0
		2 -102
		3 -119
		4 -119
		5 -119
		6 -119
		-4 0
		8 0
		9 0
		-2 0
	`)
	d.now += 100
	d.l.TouchWaiting()
	if d.l.Inbox.Take(&mail); !mail.Empty() {
		t.Errorf("a read-only session left mail: %+v", mail)
	}
	d.send(c, 10, wire.OpCloseSession, nil)
	d.want(c, "its end", "10 0\n")
	if got := c.Cause(); got != CauseClosedByClient {
		t.Errorf("it ended for %q, want %q", got, CauseClosedByClient)
	}
	// A check is part of a multi. By itself it is no request, in ZooKeeper neither.
	c = d.readOnly()
	d.send(c, 1, wire.OpCheck, nil)
	d.want(c, "a check", "1 -6\n")
	if got := c.Cause(); got != CauseUnknownOpcode {
		t.Errorf("a check ends it for %q, want %q", got, CauseUnknownOpcode)
	}
}

// TestReadOnlyMovesOn: as soon as there is a leader again clients are sent on to a session of the
// log, and a silent one does not stay for ever.
func TestReadOnlyMovesOn(t *testing.T) {
	d := newDesk(t, Settings{})
	d.l.SetServing(ServingReadOnly, CauseNoLeader)
	silent, lively := d.readOnly(), d.readOnly()
	if silent.Session() == lively.Session() || !silent.Session().IsReadOnly() {
		t.Errorf("sessions %v and %v are no two read-only ones", silent.Session(),
			lively.Session())
	}
	for range 11 {
		d.now += 1000
		d.send(lively, wire.XidPing, wire.OpPing, nil)
		if silent.Over() {
			t.Fatal("a session expired before its time")
		}
		d.l.Sweep(d.now - 1000)
	}
	d.l.Sweep(d.now)
	if silent.Cause() != CauseSessionExpired || lively.Over() {
		t.Errorf("the silent client ended for %q, the lively one for %q", silent.Cause(),
			lively.Cause())
	}
	d.l.TakeTouched(nil)
	d.l.SetServing(ServingAll, CauseNone)
	if lively.Cause() != CauseLeaderBack {
		t.Errorf("the read-only client ended for %q, want %q", lively.Cause(), CauseLeaderBack)
	}
	if got := d.l.TakeTouched(nil); len(got) != 1 || got[0] != lively {
		t.Errorf("%d connections are to be closed, want that one", len(got))
	}
	if c := d.client(); c.Over() || c.Session().IsReadOnly() {
		t.Errorf("a new client has session %v, ended for %q", c.Session(), c.Cause())
	}
}

// TestWordWithoutLeader: four-letter words are answered whoever is served.
func TestWordWithoutLeader(t *testing.T) {
	d := newDesk(t, Settings{})
	d.l.SetServing(ServingNobody, CauseNoLeader)
	c, _ := d.l.Open(ConnInfo{ID: 77})
	if need := c.Next(d.l, []byte("ruok"), d.now); need != NeedWord {
		t.Errorf("Next(ruok) = %v, want NeedWord", need)
	}
	d.l.SetServing(ServingReadOnly, CauseNoLeader)
	if c.Over() {
		t.Error("a connection that has asked for nothing yet was ended")
	}
}

// TestHandshakesAreBounded: without a leader clients that come and go do not fill the memory.
func TestHandshakesAreBounded(t *testing.T) {
	d := newDesk(t, Settings{MaxOutstandingBytes: 10000})
	for range 1000 {
		d.l.Closed(d.connect(wire.ConnectRequest{TimeoutMs: 10000}))
	}
	var mail Mail
	if d.l.Inbox.Take(&mail); len(mail.Commands) > 11000 {
		t.Errorf("%d bytes of handshakes wait, want 10,000", len(mail.Commands))
	}
}

// TestLongPasswordsAreNotKept: a handshake may be as long as any frame, and waits for its judgement
// as long as there is no leader. What it holds meanwhile is not counted.
func TestLongPasswordsAreNotKept(t *testing.T) {
	d := newDesk(t, Settings{})
	known := d.client()
	password := append(known.random[:], make([]byte, 1<<20-100)...)
	q := wire.ConnectRequest{SessionID: int64(known.Session()), Password: password}
	c := d.connect(q)
	if n := cap(c.password); n > 1<<10 {
		t.Errorf("%d bytes of a password are kept", n)
	}
	d.commit()
	if c.Cause() != CauseUnknownSession || known.Cause() != CauseNone {
		t.Errorf("one that begins like the session's: %v, the session's own connection: %v",
			c.Cause(), known.Cause())
	}
}
