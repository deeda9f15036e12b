package sim

import (
	"reflect"

	"github.com/vivariumdb/vivarium/client/protocol"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// conduct is how a session of the real client stands with its server: what it owes it and its
// caller besides requests and answers. It speaks often enough, gives up who is silent, goes from
// one server to the next and not too fast, and says truly how it stands.
type conduct struct {
	state    wire.KeeperState // as its caller was told
	served   bool             // the handshake was answered,
	readOnly bool             // by a server without its ensemble
	refused  bool             // an identity was
	timeout  int64            // granted, in microseconds
	saidAt   int64            // when a frame was given to the connection last,
	heardAt  int64            // and when the session was given bytes
	server   int64            // dialled last,
	tried    int64            // how often, without hearing from any,
	since    int64            // since when
}

// speaks notes that the session sends a frame.
func (t *twin) speaks(length int) {
	t.saidAt = t.c.w.clock.now
	if most := t.c.cfg.MaxRequest; most > 0 && length > most {
		t.bad("it sends a request of %d bytes, its server takes %d", length, most)
	}
}

// hears notes a frame that is about to be given to the session.
func (t *twin) hears(a *arrival) {
	t.tried = 0
	switch {
	case a.connect != nil && a.connect.TimeoutMs > 0:
		t.served, t.readOnly = true, a.connect.ReadOnly
		t.timeout = int64(a.connect.TimeoutMs) * millisecond
		t.saidAt, t.heardAt = t.c.w.clock.now, t.c.w.clock.now
	case a.xid == wire.XidAuth && a.result.Err != linearizability.CodeOk:
		t.refused = true
	}
}

// answeredAs judges an answer that came: it is told as it came.
func (t *twin) answeredAs(e *protocol.Reply) {
	a := t.answers[e.Tag]
	delete(t.answers, e.Tag)
	if a == nil || t.c.s.State() == wire.StateAuthFailed {
		return // what comes behind a refusal is not heard any more
	}
	told := resultOf(e.Op, e.Err, e.Body)
	if e.Zxid != a.zxid || !reflect.DeepEqual(told, a.result) {
		t.bad("the answer to %v at %#x is told as %+v at %#x, and was %+v", e.Op, a.zxid, told,
			e.Zxid, a.result)
	}
}

// dials judges whom the session turns to.
func (t *twin) dials(server int64) {
	now, all := t.c.w.clock.now, int64(len(t.c.cfg.Servers))
	if server == t.server && all > 1 {
		t.bad("it dials server %d again, and knows %d", server, all)
	}
	if t.server = server; t.tried == 0 || now-t.since > second {
		t.tried, t.since = 0, now
	}
	if t.tried++; t.tried > 20+10*all {
		t.bad("it dials %d times in %d ms, in vain", t.tried, (now-t.since)/millisecond)
	}
}

// behaves judges how the session stands once it has done what there was to do.
func (t *twin) behaves() {
	now, s := t.c.w.clock.now, t.c.s
	if t.state != s.State() {
		t.bad("it is %v, its caller was told %v", s.State(), t.state)
	}
	connected := t.state == wire.StateSyncConnected || t.state == wire.StateConnectedReadOnly
	switch {
	case t.refused && !s.Over():
		t.bad("an identity was refused, and it goes on")
	case !connected:
		return
	case !t.served:
		t.bad("it is %v without a connection", t.state)
		return
	case t.readOnly != (t.state == wire.StateConnectedReadOnly):
		t.bad("it is %v, its server is read-only: %v", t.state, t.readOnly)
	}
	const slack = 2 * millisecond // times are whole milliseconds
	if quiet := now - t.saidAt; quiet > min(t.timeout/3, 10*second)+slack {
		t.bad("it has said nothing for %d ms, of %d", quiet/millisecond, t.timeout/millisecond)
	}
	if quiet := now - t.heardAt; quiet > t.timeout*2/3+slack {
		t.bad("it has heard nothing for %d ms, of %d, and stays", quiet/millisecond,
			t.timeout/millisecond)
	}
}
