package core

import (
	"fmt"
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

// follow is a State that applies the same entries as a desk, and more.
type follow struct {
	t *testing.T
	s *State
}

func (f *follow) apply(index uint64, entry []byte) {
	f.t.Helper()
	if err := f.s.Begin(index, 1, entry); err != nil {
		f.t.Fatal(err)
	}
	var out Outcome
	for f.s.Next(Origin{}, &out) {
		continue
	}
}

// mail is what waits in the inbox, as one entry.
func (d *desk) mail() []byte {
	var m Mail
	d.l.Inbox.Take(&m)
	entry := AppendBatchHeader(AppendEntryHeader(nil, d.now), d.l.Self(), m.FirstSeq,
		uint64(len(m.Ends)))
	return append(entry, m.Commands...)
}

// TestJump: a server goes on with a later State. Its connections end, what the State covers of its
// stream is waited for no longer, and a client that comes back is told what it missed.
func TestJump(t *testing.T) {
	d := newDesk(t, Settings{})
	other := &follow{t, NewState()}
	both := func(entry []byte) {
		d.apply(entry)
		other.apply(d.index, entry)
	}
	hello := AppendBatchHeader(AppendEntryHeader(nil, d.now), Origin{RaftID: 1}, 0, 1)
	other.apply(1, AppendHello(hello, 1, [16]byte{1}, 0))
	mail := d.mail
	c := d.connect(wire.ConnectRequest{TimeoutMs: 10000})
	both(mail())
	c.Take(nil)
	d.create(c, 1, "/watched", 0)
	d.create(c, 2, "/many", 0)
	for i := range int32(longList) {
		d.create(c, 3+i, fmt.Sprintf("/many/%d", i), 0)
	}
	both(mail())
	d.read(c, 500, wire.OpGetData, "/watched", true)
	d.read(c, 501, wire.OpGetChildren, "/many", false)
	seen := d.l.State.LastZxid()
	session, password := c.session, c.random
	if len(d.l.lists.of) == 0 {
		t.Fatal("no list is kept: the test shows nothing")
	}

	// What follows is applied elsewhere only; what is sent last, not even there.
	d.set(c, 502, "/watched", "1")
	d.create(c, 503, "/many/more", 0)
	other.apply(d.index+1, mail())
	other.apply(d.index+2, AppendEntryHeader(nil, d.now))
	d.set(c, 504, "/watched", "2")
	late := mail()
	handshake := d.connect(wire.ConnectRequest{TimeoutMs: 10000})
	last := mail()
	c.Take(nil)
	if n := d.l.Outstanding(); n != 4 {
		t.Fatalf("%d commands wait for their outcome, want 4", n)
	}
	if err := d.l.Jump(other.s); err != nil {
		t.Fatalf("Jump() = %v", err)
	}
	d.index += 2
	for _, conn := range []*Conn{c, handshake} {
		if conn.Cause() != CauseServerJumped || len(conn.Take(nil)) > 0 {
			t.Errorf("connection %d: %v", conn.id, conn.Cause())
		}
		d.l.Closed(conn)
	}
	if n := d.l.Outstanding(); n != 2 || len(d.l.lists.of) != 0 {
		t.Errorf("after the jump %d commands wait and %d lists are kept, want 2 and 0", n,
			len(d.l.lists.of))
	}
	d.apply(late)
	if n := d.l.Outstanding(); n != 1 {
		t.Errorf("an outcome after the jump leaves %d commands that wait, want 1", n)
	}
	d.apply(last)
	q := wire.ConnectRequest{TimeoutMs: 10000, SessionID: int64(session), Password: password[:],
		LastZxidSeen: int64(seen)}
	again := d.connect(q)
	d.apply(mail())
	again.Take(nil)
	d.send(again, wire.XidSetWatches, wire.OpSetWatches, &wire.SetWatchesRequest{
		RelativeZxid: int64(seen), Data: []string{"/watched"}})
	d.want(again, "what was missed", "event 3 /watched -1\n-8 0\n")
}

// TestJumpLevel: a State of a feature level that this release cannot follow is refused, and
// nothing happens.
func TestJumpLevel(t *testing.T) {
	d := newDesk(t, Settings{})
	c := d.client()
	if err := d.l.State.Follow(d.l.State.level); err != nil {
		t.Fatal(err)
	}
	later := NewState()
	later.index, later.level = d.index+1, d.l.State.level+1
	later.follows = later.level // as a later release's would
	if err := d.l.Jump(later); err == nil || c.Over() || d.l.State == later {
		t.Errorf("Jump() to a State of level %d = %v", later.level, err)
	}
}
