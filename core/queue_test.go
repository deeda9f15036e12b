package core

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

// asked is a request of a walk, and what its answer has to show.
type asked struct {
	xid     int32
	version int32 // of the client's own znode when it was sent; -1: nothing to look at
	err     wire.ErrorCode
	unnamed bool // its reply names no zxid
}

// walk leads one connection through a random conversation, in which commands are applied and
// syncs confirmed at any time, in any interleaving that a replica may give.
type walk struct {
	*desk
	r       *rand.Rand
	c       *Conn
	name    string // of the client's own znode
	version int32
	xid     int32
	asked   []asked
	zxid    int64

	log   []byte // commands taken from the inbox and not applied
	ends  []int
	first uint64
	syncs int
}

func (w *walk) ask(op wire.OpCode, q body, a asked) {
	if w.xid++; a.xid == 0 {
		a.xid = w.xid
	}
	if left := w.feed(w.c, frame(a.xid, op, q)); len(left) == 0 {
		w.asked = append(w.asked, a)
		if op == wire.OpSetData && a.err == wire.CodeOk {
			w.version++
		}
	}
}

// send asks for something at random.
func (w *walk) send() {
	switch w.r.IntN(12) {
	case 0, 1:
		w.ask(wire.OpSetData, &wire.SetDataRequest{Path: w.name, Version: -1},
			asked{version: w.version + 1})
	case 2:
		w.ask(wire.OpSetData, &wire.SetDataRequest{Path: w.name, Version: 1 << 30},
			asked{version: -1, err: wire.CodeBadVersion})
	case 3, 4, 5:
		w.ask(wire.OpExists, &wire.PathWatchRequest{Path: w.name}, asked{version: w.version})
	case 6, 7:
		w.ask(wire.OpSync, &wire.PathRequest{Path: w.name}, asked{version: -1})
	case 8:
		w.ask(wire.OpPing, nil, asked{xid: wire.XidPing, version: -1})
	case 9:
		q := &wire.AuthRequest{Scheme: "digest", Auth: []byte{byte('a' + w.r.IntN(20))}}
		w.ask(wire.OpAuth, q, asked{xid: wire.XidAuth, version: -1, unnamed: true})
	case 10:
		w.ask(wire.OpSASL, &wire.SASLRequest{Token: []byte{1}}, asked{version: -1, unnamed: true})
	case 11:
		w.ask(wire.OpGetData, &wire.PathWatchRequest{Path: "/nowhere"},
			asked{version: -1, err: wire.CodeNoNode})
	}
}

// take empties the inbox.
func (w *walk) take() {
	var mail Mail
	w.l.Inbox.Take(&mail)
	if len(w.ends) == 0 {
		w.log, w.first = w.log[:0], mail.FirstSeq
	}
	base := len(w.log)
	w.log = append(w.log, mail.Commands...)
	for _, end := range mail.Ends {
		w.ends = append(w.ends, base+end)
	}
	w.syncs += len(mail.Syncs)
}

// applySome applies the first n commands as one entry.
func (w *walk) applySome(n int) {
	cut := w.ends[n-1]
	entry := AppendBatchHeader(AppendEntryHeader(nil, w.now), w.l.Self(), w.first, uint64(n))
	w.apply(append(entry, w.log[:cut]...))
	w.log, w.ends, w.first = w.log[cut:], w.ends[n:], w.first+uint64(n)
	for i := range w.ends {
		w.ends[i] -= cut
	}
}

func (w *walk) confirm() {
	w.syncs--
	w.l.SyncConfirmed(w.c, w.now)
	w.l.TakeTouched(nil)
	w.l.Resume(w.c)
}

func (w *walk) step() {
	switch n := w.r.IntN(10); {
	case n < 5:
		w.send()
	case n < 6:
		w.take()
	case n < 8 && len(w.ends) > 0:
		w.applySome(1 + w.r.IntN(len(w.ends)))
	case w.syncs > 0:
		w.confirm()
	}
	w.check()
}

// check looks at the replies so far.
func (w *walk) check() {
	w.t.Helper()
	for out := w.c.Take(nil); len(out) > 0; {
		n := 4 + int(binary.BigEndian.Uint32(out))
		in := wire.NewReader(out[4:n])
		var h wire.ReplyHeader
		h.Decode(&in)
		a := w.asked[0]
		w.asked = w.asked[1:]
		if h.Xid != a.xid || h.Err != a.err {
			w.t.Fatalf("reply %d %v, want %d %v", h.Xid, h.Err, a.xid, a.err)
		}
		switch {
		case a.unnamed != (h.Zxid == 0):
			w.t.Fatalf("reply %d names zxid %#x", h.Xid, h.Zxid)
		case h.Zxid != 0 && h.Zxid < w.zxid:
			w.t.Fatalf("reply %d: zxid %#x after %#x", h.Xid, h.Zxid, w.zxid)
		}
		w.zxid = max(w.zxid, h.Zxid)
		if a.version >= 0 {
			var s wire.Stat
			if s.Decode(&in); s.Version != a.version {
				w.t.Fatalf("request %d sees version %d, want %d: every write sent before it and "+
					"none sent after it", h.Xid, s.Version, a.version)
			}
		}
		out = out[n:]
	}
	w.c.Wrote(w.c.produced)
}

// TestQueueWalks: requests of one connection take effect in the order sent, replies leave in
// that order, and everything is answered, whatever is applied or confirmed when.
func TestQueueWalks(t *testing.T) {
	for seed := range uint64(300) {
		s := Settings{}
		if seed%3 == 0 {
			s = Settings{MaxOutstanding: 3, MaxQueued: 10, MaxQueuedBytes: 200,
				MaxOutstandingBytes: 500}
		}
		w := &walk{desk: newDesk(t, s), r: rand.New(rand.NewPCG(seed, 0)), name: "/own"}
		w.c = w.client()
		w.create(w.c, 1, w.name, 0)
		w.commit()
		w.c.Take(nil)
		w.c.Wrote(w.c.produced)
		for range 400 {
			w.step()
		}
		for range 1000 {
			w.feed(w.c, nil)
			if w.take(); len(w.ends) > 0 {
				w.applySome(len(w.ends))
			}
			for w.syncs > 0 {
				w.confirm()
			}
			w.check()
		}
		if len(w.asked) > 0 || w.c.Cause() != CauseNone || w.c.overtaken != 0 || w.c.held != 0 {
			t.Fatalf("seed %d: %d requests are not answered; %v, %d syncs overtaken, %d held",
				seed, len(w.asked), w.c.Cause(), w.c.overtaken, w.c.held)
		}
		other := w.client()
		w.read(other, 1, wire.OpExists, w.name, false)
		w.want(other, "another client", "1 0\n")
	}
}
