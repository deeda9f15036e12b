package core

import (
	"fmt"
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

// The tests of this file quote DESIGN section 4, "Sessions".

// "Session ids are the zxid of the creation: unique for ever, positive."
func TestSessionIDIsItsZxid(t *testing.T) {
	m := newMachine(t)
	before := m.s.LastZxid()
	out := m.command(AppendCreateSession(nil, CreateSession{TimeoutMs: 4000}))
	if out.Zxid != before+1 || out.Session != SessionID(out.Zxid) || out.Generation != 1 {
		t.Errorf("create session: %+v", out)
	}
	want := []Fact{{Kind: FactSessionStarted, Session: out.Session, Generation: 1, TimeoutMs: 4000}}
	if d := diff(want, out.Facts); d != "" {
		t.Error(d)
	}
}

// "Attach checks id and password, makes the server the owner, counts up the generation and
// replaces the session's identities by those of the new connection"
func TestAttach(t *testing.T) {
	m := newMachine(t)
	u, v := wire.ID{Scheme: "digest", ID: "u:x"}, wire.ID{Scheme: "ip", ID: "10.0.0.2"}
	c := m.connect(u)
	must(t, c.create("/e", "", wire.FlagEphemeral))
	zxid := m.s.LastZxid()
	second := m.register(2)
	e := AppendBatchHeader(m.header(), second, 1, 1)
	out := m.entry(AppendAttach(e, Attach{Session: c.id, PasswordHash: c.password, TimeoutMs: 77,
		LastZxidSeen: zxid, Identities: []wire.ID{v}}))[0]
	if out.Attach != AttachOK || out.Generation != 2 || out.Zxid != 0 || m.s.LastZxid() != zxid {
		t.Errorf("attach: %+v", out)
	}
	want := []Fact{{Kind: FactSessionAttached, Session: c.id, Generation: 2, TimeoutMs: 77}}
	if d := diff(want, out.Facts); d != "" {
		t.Error(d)
	}
	info := SessionInfo{ID: c.id, Generation: 2, Owner: 2, TimeoutMs: 77, Identities: []wire.ID{v},
		Ephemerals: 1}
	if d := diff([]SessionInfo{info}, m.s.AppendSessions(nil)); d != "" {
		t.Error(d)
	}
	m.checkDigest()
}

// "Once it is applied the server is at least as fresh as anything that client can have seen";
// "That a session does not exist, that a password is wrong, that a lastZxidSeen is from the
// future: all are judged at that point"
func TestAttachRefused(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	good := Attach{Session: c.id, PasswordHash: c.password, LastZxidSeen: m.s.LastZxid()}
	for _, test := range []struct {
		name   string
		change func(a *Attach)
		want   AttachResult
	}{
		{"unknown session", func(a *Attach) { a.Session++ }, AttachExpired},
		{"session 0", func(a *Attach) { a.Session = 0 }, AttachExpired},
		{"wrong password", func(a *Attach) { a.PasswordHash[31]++ }, AttachExpired},
		{"from the future", func(a *Attach) { a.LastZxidSeen++ }, AttachFuture},
		{"unknown and from the future", func(a *Attach) { a.Session++; a.LastZxidSeen++ },
			AttachFuture},
	} {
		a := good
		test.change(&a)
		before := dumpTree(m.s)
		out := m.command(AppendAttach(nil, a))
		if out.Attach != test.want || !out.Own || out.Skipped || len(out.Facts) != 0 {
			t.Errorf("%s: %+v, want %v", test.name, out, test.want)
		}
		if d := diff(before, dumpTree(m.s)); d != "" {
			t.Errorf("%s has changed the State: %s", test.name, d)
		}
	}
	out := m.command(AppendCreateSession(nil, CreateSession{LastZxidSeen: m.s.LastZxid() + 1}))
	if out.Attach != AttachFuture || out.Zxid != 0 || m.s.SessionCount() != 1 {
		t.Errorf("a new session from the future: %+v", out)
	}
}

// "apply accepts it only if owner and generation are the session's"
func TestFencing(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	old := *c
	second := m.register(2)
	c.attach()
	want := func(what string, out Outcome, reason Reason) {
		t.Helper()
		if !out.Skipped || out.Reason != reason || out.Own || out.Zxid != 0 ||
			len(out.Changes) > 0 {
			t.Errorf("%s: %+v, want it skipped as %v", what, out, reason)
		}
	}
	want("a request of the connection before", old.create("/a", "", 0), ReasonGeneration)
	want("a close of the connection before", old.close(), ReasonGeneration)
	want("an auth of the connection before", m.command(AppendAuth(nil, old.id, old.generation, 1,
		nil)), ReasonGeneration)
	want("an expiry of the connection before", m.housekeep(0, AppendExpire(nil, old.id,
		old.generation)), ReasonGeneration)
	want("a request through another member", m.entry(createAs(m, second, 1, c, "/a"))[0],
		ReasonOwner)
	old.id++
	want("a request of no session", old.create("/a", "", 0), ReasonSession)
	want("an expiry of no session", m.housekeep(0, AppendExpire(nil, old.id, 1)), ReasonSession)

	// w1 and w2 on one member, a move to another, back to the first: w2 of the first connection
	// comes after the move and must not count (VERIFICATION, "owner without generation").
	first := *c
	must(t, first.create("/w1", "", 0))
	e := AppendBatchHeader(m.header(), second, 2, 1)
	m.entry(AppendAttach(e, Attach{Session: c.id, PasswordHash: c.password}))
	c.attach()
	want("w2 of the first connection", first.create("/w2", "", 0), ReasonGeneration)
	must(t, c.create("/w2", "", 0))
}

// "Closing deletes the ephemerals in the same zxid."
func TestCloseDeletesEphemerals(t *testing.T) {
	for _, how := range []string{"close", "expire"} {
		m := newMachine(t)
		c, other := m.connect(), m.connect()
		must(t, c.create("/b", "", wire.FlagEphemeral))
		must(t, c.multi(
			wire.MultiOp{Op: wire.OpCreate, Create: wire.CreateTTLRequest{Path: "/d",
				ACL: wire.OpenACL(), Flags: wire.FlagEphemeral}},
			wire.MultiOp{Op: wire.OpCreate, Create: wire.CreateTTLRequest{Path: "/c",
				ACL: wire.OpenACL(), Flags: wire.FlagEphemeral}}))
		must(t, c.create("/a", "", wire.FlagEphemeral))
		must(t, c.create("/stays", "", 0))
		must(t, other.create("/others", "", wire.FlagEphemeral))
		before := m.s.LastZxid()
		var out Outcome
		if how == "close" {
			out = must(t, c.close())
		} else {
			out = must(t, m.housekeep(0, AppendExpire(nil, c.id, c.generation)))
		}
		// In the order of their creation, those of one multi by path.
		var want []string
		for _, path := range []string{"/b", "/c", "/d", "/a"} {
			want = append(want, "NodeDeleted "+path, "NodeChildrenChanged /")
		}
		if d := diff(want, events(out)); d != "" {
			t.Errorf("%s: %s", how, d)
		}
		pzxid := Zxid(m.stat("/").Pzxid)
		if out.Zxid != before+1 || m.s.LastZxid() != before+1 || pzxid != out.Zxid {
			t.Errorf("%s: zxid %v after %v, pzxid of / %v", how, out.Zxid, before, pzxid)
		}
		ended := []Fact{{Kind: FactSessionEnded, Session: c.id, Generation: 1}}
		if d := diff(ended, out.Facts); d != "" {
			t.Errorf("%s: %s", how, d)
		}
		if m.s.EphemeralCount() != 1 || m.s.session(c.id) != nil || m.s.lookup("/stays") == nil {
			t.Errorf("%s: %d ephemerals, session %v", how, m.s.EphemeralCount(), m.s.session(c.id))
		}
		m.checkDigest()
	}
}

func TestAuth(t *testing.T) {
	m := newMachine(t)
	c := m.connect(wire.ID{Scheme: "ip", ID: "10.0.0.1"})
	u := wire.ID{Scheme: "digest", ID: "u:x"}
	before := m.s.LastZxid()
	for range 2 { // the second time it is there already
		out := m.command(AppendAuth(nil, c.id, c.generation, -4, []wire.ID{u}))
		if out.Err != wire.CodeOk || !out.Own || out.Zxid != 0 || out.Xid != -4 ||
			out.Op != wire.OpAuth {
			t.Errorf("auth: %+v", out)
		}
	}
	want := []wire.ID{{Scheme: "ip", ID: "10.0.0.1"}, u}
	if d := diff(want, m.s.session(c.id).identities); d != "" || m.s.LastZxid() != before {
		t.Errorf("zxid %v, was %v: %s", m.s.LastZxid(), before, d)
	}
	for i := range maxIdentities {
		id := wire.ID{Scheme: "digest", ID: fmt.Sprint("u:", i)}
		out := m.command(AppendAuth(nil, c.id, c.generation, -4, []wire.ID{id}))
		if full := i >= maxIdentities-2; (out.Err == wire.CodeAuthFailed) != full {
			t.Fatalf("identity %d: %v", i, out.Err)
		}
	}
	m.checkDigest()
}

// TestIdentitiesHoldForWhatComesAfter: an auth counts for the requests behind it.
func TestIdentitiesHoldForWhatComesAfter(t *testing.T) {
	m, owner, stranger, _ := garden(t)
	if out := stranger.set("/private", "", -1); out.Err != wire.CodeNoAuth {
		t.Errorf("before auth: %v", out.Err)
	}
	m.command(AppendAuth(nil, stranger.id, 1, -4, m.s.session(owner.id).identities[1:]))
	must(t, stranger.set("/private", "", -1))
	stranger.attach()
	if out := stranger.set("/private", "", -1); out.Err != wire.CodeNoAuth {
		t.Errorf("after an attach without the identity: %v", out.Err)
	}
}
