package main

import (
	"fmt"
	"strings"

	"github.com/vivariumdb/vivarium/wire"
)

// renderRequest tells a request to a person.
//
//tidy:flat one line an opcode
func renderRequest(q *Request) string {
	r := wire.NewReader(q.Body)
	var body any
	switch q.Op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer:
		body = decoded(&wire.CreateRequest{}, &r)
	case wire.OpCreateTTL:
		body = decoded(&wire.CreateTTLRequest{}, &r)
	case wire.OpDelete, wire.OpCheck:
		body = decoded(&wire.DeleteRequest{}, &r)
	case wire.OpSetData:
		body = decoded(&wire.SetDataRequest{}, &r)
	case wire.OpSetACL:
		body = decoded(&wire.SetACLRequest{}, &r)
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		body = decoded(&wire.PathWatchRequest{}, &r)
	case wire.OpGetACL, wire.OpSync, wire.OpGetAllChildrenNumber, wire.OpDeleteContainer,
		wire.OpGetEphemerals:
		body = decoded(&wire.PathRequest{}, &r)
	case wire.OpMulti, wire.OpMultiRead:
		var multi wire.MultiRequest
		multi.Decode(&r)
		return q.Op.String() + renderMulti(&multi, &r)
	case wire.OpCheckWatches, wire.OpRemoveWatches:
		body = decoded(&wire.WatcherRequest{}, &r)
	case wire.OpAddWatch:
		body = decoded(&wire.AddWatchRequest{}, &r)
	case wire.OpAuth:
		body = decoded(&wire.AuthRequest{}, &r)
	case wire.OpReconfig:
		body = decoded(&wire.ReconfigRequest{}, &r)
	case wire.OpSetWatches, wire.OpSetWatches2:
		return fmt.Sprintf("%v seen %d %s", q.Op, q.Seen, renderWatches(&r))
	default:
		return fmt.Sprintf("%v %x", q.Op, q.Body)
	}
	if r.Err() != nil || r.Len() > 0 {
		return fmt.Sprintf("%v %x", q.Op, q.Body)
	}
	return fmt.Sprintf("%v %s", q.Op, body)
}

func decoded(m interface{ Decode(*wire.Reader) }, r *wire.Reader) string {
	m.Decode(r)
	return readable(m)
}

// readable prints a record with strings instead of bytes.
func readable(m any) string {
	switch q := m.(type) {
	case *wire.CreateRequest:
		return fmt.Sprintf("%q data %s acl %s flags %d", q.Path, data(q.Data), acls(q.ACL),
			q.Flags)
	case *wire.CreateTTLRequest:
		return fmt.Sprintf("%q data %s acl %s flags %d ttl %d", q.Path, data(q.Data), acls(q.ACL),
			q.Flags, q.TTLMs)
	case *wire.SetDataRequest:
		return fmt.Sprintf("%q data %s version %d", q.Path, data(q.Data), q.Version)
	case *wire.SetACLRequest:
		return fmt.Sprintf("%q acl %s version %d", q.Path, acls(q.ACL), q.Version)
	case *wire.GetDataResponse:
		return fmt.Sprintf("data %s %s", data(q.Data), readable(&q.Stat))
	case *wire.AuthRequest:
		return fmt.Sprintf("%s %q", q.Scheme, q.Auth)
	case *wire.SASLResponse:
		return data(q.Token)
	case *wire.Stat:
		return fmt.Sprintf("{czxid %#x mzxid %#x ctime %d mtime %d version %d cversion %d "+
			"aversion %d owner %#x length %d children %d pzxid %#x}", q.Czxid, q.Mzxid, q.Ctime,
			q.Mtime, q.Version, q.Cversion, q.Aversion, q.EphemeralOwner, q.DataLength,
			q.NumChildren, q.Pzxid)
	}
	return strings.TrimPrefix(fmt.Sprintf("%+v", m), "&")
}

func acls(list []wire.ACL) string {
	if list == nil {
		return "null"
	}
	return fmt.Sprint(list)
}

func data(b []byte) string {
	switch {
	case b == nil:
		return "null"
	case len(b) > 80:
		return fmt.Sprintf("%q... of %d bytes", b[:20], len(b))
	}
	return fmt.Sprintf("%q", b)
}

func renderMulti(m *wire.MultiRequest, r *wire.Reader) string {
	var b strings.Builder
	for i := range m.Ops {
		op := &m.Ops[i]
		body := ""
		switch op.Op {
		case wire.OpDelete:
			body = fmt.Sprintf("%+q", op.Delete)
		case wire.OpSetData:
			body = readable(&op.SetData)
		case wire.OpCheck:
			body = fmt.Sprintf("%+q", op.Check)
		case wire.OpGetData, wire.OpGetChildren:
			body = fmt.Sprintf("%q", op.Read.Path)
		default:
			body = readable(&op.Create)
		}
		fmt.Fprintf(&b, "\n        %v %s", op.Op, body)
	}
	if r.Err() != nil || r.Len() > 0 {
		fmt.Fprintf(&b, "\n        then %v, %x", r.Err(), r.Rest())
	}
	return b.String()
}

func renderWatches(r *wire.Reader) string {
	var b strings.Builder
	for _, name := range []string{"data", "exist", "child", "persistent", "recursive"} {
		if r.Len() > 0 && r.Err() == nil {
			fmt.Fprintf(&b, " %s %q", name, r.Strings(nil))
		}
	}
	return b.String()
}

// renderFrames tells what came back for requests.
func renderFrames(requests []Request, frames [][]byte) []string {
	var lines []string
	next := 0
	for _, frame := range frames {
		if isEvent(frame) {
			zxid, e := eventOf(frame)
			lines = append(lines, fmt.Sprintf("event %v %q zxid %#x", e.Type, e.Path, zxid))
			continue
		}
		op := wire.OpError
		if next < len(requests) {
			op = requests[next].Op
		}
		next++
		lines = append(lines, renderReply(op, frame))
	}
	return lines
}

// renderReply tells a reply to a person.
//
//tidy:flat one line an opcode
func renderReply(op wire.OpCode, frame []byte) string {
	r := wire.NewReader(frame)
	var h wire.ReplyHeader
	h.Decode(&r)
	body := ""
	if h.Err == wire.CodeOk {
		switch op {
		case wire.OpCreate, wire.OpSync:
			body = decoded(&wire.PathResponse{}, &r)
		case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
			var a wire.Create2Response
			a.Decode(&r)
			body = fmt.Sprintf("%q %s", a.Path, readable(&a.Stat))
		case wire.OpExists, wire.OpSetData, wire.OpSetACL:
			body = decoded(&wire.Stat{}, &r)
		case wire.OpGetData, wire.OpReconfig:
			body = decoded(&wire.GetDataResponse{}, &r)
		case wire.OpGetACL:
			var a wire.GetACLResponse
			a.Decode(&r)
			body = fmt.Sprintf("%v %s", a.ACL, readable(&a.Stat))
		case wire.OpGetChildren, wire.OpGetEphemerals:
			body = decoded(&wire.ChildrenResponse{}, &r)
		case wire.OpGetChildren2:
			var a wire.Children2Response
			a.Decode(&r)
			body = fmt.Sprintf("%q %s", a.Children, readable(&a.Stat))
		case wire.OpMulti, wire.OpMultiRead:
			body = renderResults(&r)
		case wire.OpSASL:
			body = decoded(&wire.SASLResponse{}, &r)
		case wire.OpWhoAmI:
			body = decoded(&wire.WhoAmIResponse{}, &r)
		}
	}
	line := fmt.Sprintf("%v xid %d zxid %#x %v %s", op, h.Xid, h.Zxid, h.Err, body)
	if r.Err() != nil || r.Len() > 0 {
		line += fmt.Sprintf(" then %v, %x", r.Err(), r.Rest())
	}
	return strings.TrimRight(line, " ")
}

func renderResults(r *wire.Reader) string {
	var a wire.MultiResponse
	a.Decode(r)
	var b strings.Builder
	for i := range a.Results {
		res := &a.Results[i]
		fmt.Fprintf(&b, "\n        %v", res.Op)
		switch res.Op {
		case wire.OpError:
			fmt.Fprintf(&b, " %v", res.Err)
		case wire.OpGetData:
			fmt.Fprintf(&b, " data %s", data(res.Data))
		case wire.OpGetChildren:
			fmt.Fprintf(&b, " %q", res.Children)
		}
		if res.Path != "" {
			fmt.Fprintf(&b, " %q", res.Path)
		}
		if res.HasStat() {
			fmt.Fprintf(&b, " %s", readable(&res.Stat))
		}
	}
	return b.String()
}

// renderStep tells a step to a person.
func renderStep(s *Step) string {
	if s.Kind != burst {
		text := fmt.Sprintf("session %d: %v", s.Session, s.Kind)
		if s.Kind != drop {
			text += fmt.Sprintf(", time-out %d, seen %d, old %v", s.TimeoutMs, s.Seen, s.Old)
		}
		return text
	}
	lines := []string{fmt.Sprintf("session %d: burst", s.Session)}
	for i := range s.Requests {
		lines = append(lines, "    "+renderRequest(&s.Requests[i]))
	}
	return strings.Join(lines, "\n")
}

func renderCase(c *Case) string {
	var b strings.Builder
	for i := range c.Steps {
		fmt.Fprintf(&b, "%3d %s\n", i, renderStep(&c.Steps[i]))
	}
	return b.String()
}

func renderConnect(frames [][]byte) string {
	if len(frames) == 0 {
		return "closed without an answer"
	}
	r := wire.NewReader(frames[0])
	return decoded(&wire.ConnectResponse{}, &r)
}

func renderHandshake(step *Step, x *exchange) string {
	text := renderStep(step)
	for side, name := range sideNames {
		text += "\n      " + name + ": " + renderConnect(x.frames[side])
	}
	return text
}

// logBurst prints a burst with all that came of it.
func (y *player) logBurst(i int, requests []Request, x *exchange) {
	y.log("%s", renderStep(&Step{Kind: burst, Session: i, Requests: requests}))
	for side, name := range sideNames {
		for _, line := range renderFrames(requests, x.frames[side]) {
			y.log("      %-9s %s", name, line)
		}
		if x.ended[side] {
			y.log("      %-9s end of connection", name)
		}
	}
}

// String tells a difference to a person.
func (d *Difference) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "step %d, session %d: %s\n", d.Step, d.Session, d.What)
	for side, name := range sideNames {
		for _, line := range d.Frames[side] {
			fmt.Fprintf(&b, "    %-9s %s\n", name, line)
		}
	}
	return b.String()
}
