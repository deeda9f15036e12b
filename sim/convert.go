package sim

import (
	"bytes"
	"fmt"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// requestOf says in the words of a history what a request asks for. body stays referenced.
//
//tidy:flat one case an opcode
func requestOf(op wire.OpCode, body []byte) *linearizability.Request {
	q := &linearizability.Request{Op: linearizability.Op(op)}
	r := wire.NewReader(body)
	switch op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer:
		var m wire.CreateRequest
		m.Decode(&r)
		q.Path, q.Data, q.ACL, q.Flags = m.Path, m.Data, acls(m.ACL), m.Flags
	case wire.OpCreateTTL:
		var m wire.CreateTTLRequest
		m.Decode(&r)
		q.Path, q.Data, q.ACL, q.Flags, q.TTL = m.Path, m.Data, acls(m.ACL), m.Flags, m.TTLMs
	case wire.OpDelete:
		var m wire.DeleteRequest
		m.Decode(&r)
		q.Path, q.Version = m.Path, m.Version
	case wire.OpSetData:
		var m wire.SetDataRequest
		m.Decode(&r)
		q.Path, q.Data, q.Version = m.Path, m.Data, m.Version
	case wire.OpSetACL:
		var m wire.SetACLRequest
		m.Decode(&r)
		q.Path, q.ACL, q.Version = m.Path, acls(m.ACL), m.Version
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		var m wire.PathWatchRequest
		m.Decode(&r)
		q.Path, q.Watch = m.Path, m.Watch
	case wire.OpGetACL, wire.OpSync, wire.OpGetAllChildrenNumber, wire.OpGetEphemerals,
		wire.OpDeleteContainer:
		var m wire.PathRequest
		m.Decode(&r)
		q.Path = m.Path
	case wire.OpMulti, wire.OpMultiRead:
		var m wire.MultiRequest
		m.Decode(&r)
		q.Ops = []linearizability.Request{}
		for i := range m.Ops {
			q.Ops = append(q.Ops, partOf(&m.Ops[i]))
		}
	case wire.OpSetWatches:
		var m wire.SetWatchesRequest
		m.Decode(&r)
		q.Watches = &linearizability.Watches{RelativeZxid: m.RelativeZxid, Data: m.Data,
			Exist: m.Exist, Child: m.Child}
	case wire.OpSetWatches2:
		var m wire.SetWatches2Request
		m.Decode(&r)
		q.Watches = &linearizability.Watches{RelativeZxid: m.RelativeZxid, Data: m.Data,
			Exist: m.Exist, Child: m.Child, Persistent: m.Persistent,
			Recursive: m.PersistentRecursive}
	case wire.OpAddWatch:
		var m wire.AddWatchRequest
		m.Decode(&r)
		q.Path, q.Mode = m.Path, m.Mode
	case wire.OpCheckWatches, wire.OpRemoveWatches:
		var m wire.WatcherRequest
		m.Decode(&r)
		q.Path, q.Mode = m.Path, m.Type
	case wire.OpAuth:
		var m wire.AuthRequest
		m.Decode(&r)
		q.Scheme, q.Auth = m.Scheme, m.Auth
	case wire.OpReconfig:
		var m wire.ReconfigRequest
		m.Decode(&r)
		q.Reconfig = &linearizability.Reconfig{Joining: m.Joining, Leaving: m.Leaving,
			Members: m.NewMembers, Version: m.CurrentConfigID}
	}
	if r.Err() != nil {
		return &linearizability.Request{Op: q.Op, Malformed: true}
	}
	return q
}

// partOf says what one part of a multi asks for.
func partOf(m *wire.MultiOp) linearizability.Request {
	q := linearizability.Request{Op: linearizability.Op(m.Op)}
	switch m.Op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		c := &m.Create
		q.Path, q.Data, q.ACL, q.Flags, q.TTL = c.Path, c.Data, acls(c.ACL), c.Flags, c.TTLMs
	case wire.OpDelete:
		q.Path, q.Version = m.Delete.Path, m.Delete.Version
	case wire.OpSetData:
		q.Path, q.Data, q.Version = m.SetData.Path, m.SetData.Data, m.SetData.Version
	case wire.OpCheck:
		q.Path, q.Version = m.Check.Path, m.Check.Version
	case wire.OpGetData, wire.OpGetChildren:
		q.Path, q.Watch = m.Read.Path, m.Read.Watch
	}
	return q
}

// resultOf says in the words of a history what a reply says. body stays referenced. A body that
// is not that of the operation shows as a result that nothing else has.
//
//tidy:flat one case an opcode
func resultOf(op wire.OpCode, code wire.ErrorCode, body []byte) *linearizability.Result {
	res := &linearizability.Result{Err: linearizability.Code(code)}
	r := wire.NewReader(body)
	if code != wire.CodeOk {
		return whole1(res, &r)
	}
	switch op {
	case wire.OpCreate, wire.OpSync:
		var m wire.PathResponse
		m.Decode(&r)
		res.Path = m.Path
	case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		var m wire.Create2Response
		m.Decode(&r)
		res.Path, res.Stat = m.Path, statOf(&m.Stat)
	case wire.OpExists, wire.OpSetData, wire.OpSetACL:
		var m wire.StatResponse
		m.Decode(&r)
		res.Stat = statOf(&m.Stat)
	case wire.OpGetData, wire.OpReconfig:
		var m wire.GetDataResponse
		m.Decode(&r)
		res.Data, res.Stat = m.Data, statOf(&m.Stat)
	case wire.OpGetACL:
		var m wire.GetACLResponse
		m.Decode(&r)
		res.ACL, res.Stat = acls(m.ACL), statOf(&m.Stat)
	case wire.OpGetChildren:
		var m wire.ChildrenResponse
		m.Decode(&r)
		res.Children = m.Children
	case wire.OpGetChildren2:
		var m wire.Children2Response
		m.Decode(&r)
		res.Children, res.Stat = m.Children, statOf(&m.Stat)
	case wire.OpGetAllChildrenNumber:
		var m wire.CountResponse
		m.Decode(&r)
		res.Count = m.Count
	case wire.OpGetEphemerals:
		var m wire.EphemeralsResponse
		m.Decode(&r)
		res.Children = m.Paths
	case wire.OpMulti, wire.OpMultiRead:
		var m wire.MultiResponse
		m.Decode(&r)
		res.Parts = []linearizability.Result{}
		for i := range m.Results {
			res.Parts = append(res.Parts, partResult(&m.Results[i]))
		}
	case wire.OpWhoAmI:
		var m wire.WhoAmIResponse
		m.Decode(&r)
		for _, c := range m.Clients {
			res.Clients = append(res.Clients, linearizability.ID{Scheme: c.Scheme, ID: c.User})
		}
	case wire.OpAddWatch:
		var m wire.ErrorResponse
		m.Decode(&r)
		res.Err = linearizability.Code(m.Err)
	}
	return whole1(res, &r)
}

// codeUnreadable marks a reply that cannot be decoded, or has bytes left over.
const codeUnreadable = linearizability.CodeUnreadable

func whole1(res *linearizability.Result, r *wire.Reader) *linearizability.Result {
	if r.Err() != nil || r.Len() != 0 {
		return &linearizability.Result{Err: codeUnreadable}
	}
	return res
}

func partResult(m *wire.MultiResult) linearizability.Result {
	res := linearizability.Result{Op: linearizability.Op(m.Op),
		Err: linearizability.Code(m.Err), Path: m.Path, Data: m.Data, Children: m.Children}
	if m.HasStat() {
		res.Stat = statOf(&m.Stat)
	}
	return res
}

func statOf(s *wire.Stat) *linearizability.Stat {
	return &linearizability.Stat{Czxid: s.Czxid, Mzxid: s.Mzxid, Ctime: s.Ctime, Mtime: s.Mtime,
		Version: s.Version, Cversion: s.Cversion, Aversion: s.Aversion,
		EphemeralOwner: s.EphemeralOwner, DataLength: s.DataLength, NumChildren: s.NumChildren,
		Pzxid: s.Pzxid}
}

func acls(list []wire.ACL) []linearizability.ACL {
	var out []linearizability.ACL
	for _, a := range list {
		out = append(out, linearizability.ACL{Perms: int32(a.Perms),
			ID: linearizability.ID{Scheme: a.ID.Scheme, ID: a.ID.ID}})
	}
	return out
}

// tap watches the bytes of one client connection and writes the history's lines about them.
type tap struct {
	w       *World
	client  int64
	conn    int64
	link    *link
	session int64
	address string     // the client's, as servers see it
	flagged bool       // it says whether it would take a read-only server
	waiting []sentCall // in the order sent
	in      []byte     // the beginning of a frame
	hello   bool       // the connect request was sent
	open    bool       // and answered
	ended   bool
}

type sentCall struct {
	xid     int32
	op      wire.OpCode
	request *linearizability.Request
}

// arrival is a frame that came from the server.
type arrival struct {
	connect *wire.ConnectResponse // the answer to the handshake, or nil
	event   *wire.WatcherEvent    // or nil
	xid     int32
	op      wire.OpCode
	zxid    int64
	request *linearizability.Request // that is answered; nil if nothing waits for it
	result  *linearizability.Result
}

func (t *tap) line(kind linearizability.Kind) linearizability.Line {
	return linearizability.Line{At: t.w.clock.now, Kind: kind, Client: t.client, Conn: t.conn,
		Session: t.session}
}

// sent notes that a frame is given to the network. wrong says that the password of a connect
// request is not the session's.
func (t *tap) sent(frame []byte, wrong bool) {
	w := t.w
	w.trace.add(w.clock.now, traceCall, t.conn, frame)
	r := wire.NewReader(frame[wire.FrameHeaderLen:])
	if !t.hello {
		t.hello = true
		var q wire.ConnectRequest
		q.Decode(&r)
		t.session, t.flagged = q.SessionID, q.HasReadOnly
		l := t.line(linearizability.KindConnect)
		l.Server = t.link.host
		l.Connect = &linearizability.Connect{TimeoutMs: q.TimeoutMs, LastZxidSeen: q.LastZxidSeen,
			Address: t.address,
			Resumed: q.SessionID != 0, WrongPassword: wrong, ReadOnly: q.ReadOnly}
		w.history.Add(l)
		t.link.reel.call(w, len(frame))
		w.count.add(countConnects)
		return
	}
	var q wire.RequestHeader
	q.Decode(&r)
	if r.Err() != nil {
		return // not even a header: it is answered by closing
	}
	w.count.add(countCalls)
	l := t.line(linearizability.KindCall)
	l.Xid, l.Request = q.Xid, requestOf(q.Op, r.Rest())
	w.history.Add(l)
	t.link.reel.call(w, len(frame))
	t.waiting = append(t.waiting, sentCall{q.Xid, q.Op, l.Request})
	w.inFlight++
	w.count[countMostInFlight] = max(w.count[countMostInFlight], w.inFlight)
}

// received takes bytes from the network and gives the frames in them to each.
func (t *tap) received(b []byte, each func(*arrival)) {
	t.in = append(t.in, b...)
	for !t.ended {
		n, err := wire.FrameLength(t.in, 1<<30)
		if err != nil {
			t.w.violate("protocol", "a frame from the server has a negative length")
			return
		}
		if n == 0 || len(t.in) < n {
			return
		}
		frame := bytes.Clone(t.in[:n])
		t.in = t.in[n:]
		t.w.trace.add(t.w.clock.now, traceReply, t.conn, frame)
		var a arrival
		if t.frame(frame[wire.FrameHeaderLen:], &a) {
			t.link.reel.reply(t.w, len(frame))
			each(&a)
		}
	}
}

func (t *tap) frame(b []byte, a *arrival) bool {
	if !t.open {
		return t.connected(b, a)
	}
	w := t.w
	r := wire.NewReader(b)
	var header wire.ReplyHeader
	header.Decode(&r)
	if r.Err() != nil {
		w.violate("protocol", "a reply without a header")
		return false
	}
	a.xid, a.zxid = header.Xid, header.Zxid
	if header.Xid == wire.XidNotification {
		w.count.add(countWatchEvents)
		a.event = &wire.WatcherEvent{}
		a.event.Decode(&r)
		if r.Err() != nil || r.Len() != 0 {
			w.violate("protocol", "an event that cannot be read")
		}
		if a.event.State != wire.StateSyncConnected {
			w.violate("protocol", fmt.Sprintf("an event says that its client is %v", a.event.State))
		}
		l := t.line(linearizability.KindEvent)
		l.Zxid, l.Event, l.Path = header.Zxid, linearizability.EventType(a.event.Type), a.event.Path
		w.history.Add(l)
		return true
	}
	w.count.add(countReturns)
	for i, c := range t.waiting {
		if c.xid == header.Xid {
			a.op, a.request = c.op, c.request
			t.waiting = append(t.waiting[:i], t.waiting[i+1:]...)
			w.inFlight--
			break
		}
	}
	a.result = resultOf(a.op, header.Err, r.Rest())
	if a.request != nil && a.request.Op.Write() && a.result.Err == linearizability.CodeOk {
		w.count.add(countAcknowledged)
	}
	l := t.line(linearizability.KindReturn)
	l.Xid, l.Zxid, l.Result = header.Xid, header.Zxid, a.result
	w.history.Add(l)
	return true
}

func (t *tap) connected(b []byte, a *arrival) bool {
	r := wire.NewReader(b)
	a.connect = &wire.ConnectResponse{}
	a.connect.Decode(&r)
	if r.Err() != nil || r.Len() != 0 {
		t.w.violate("protocol", "the answer to a handshake cannot be read")
		return false
	}
	if a.connect.HasReadOnly != t.flagged {
		t.w.violate("protocol", "the answer to a handshake is of another release's form")
	}
	t.open = true
	resumed := t.session != 0
	if a.connect.TimeoutMs > 0 {
		t.session = a.connect.SessionID
	}
	l := t.line(linearizability.KindConnected)
	l.Connect = &linearizability.Connect{TimeoutMs: a.connect.TimeoutMs, Resumed: resumed,
		ReadOnly: a.connect.ReadOnly}
	if a.connect.TimeoutMs > 0 {
		l.Connect.Generation = t.link.generation
	}
	t.w.history.Add(l)
	return true
}

// gone notes the end of the connection.
func (t *tap) gone(cause string) {
	if t.ended {
		return
	}
	t.ended = true
	if !t.hello {
		return
	}
	t.w.count.add(countConnectionsLost)
	t.w.inFlight -= int64(len(t.waiting))
	t.w.count[countUnanswered] += int64(len(t.waiting))
	l := t.line(linearizability.KindDisconnect)
	l.Text = cause
	t.w.history.Add(l)
}
