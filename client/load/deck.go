package load

import (
	"encoding/binary"
	"fmt"

	"github.com/vivariumdb/vivarium/wire"
)

// request is a frame that was encoded beforehand: head, then tail, which many requests share.
// The transaction id behind the length is patched as it is sent, and so are digits digits of a
// number at number in head, if there are any.
type request struct {
	head, tail []byte
	number     int
}

// digits is the length of the numbers in the names of znodes.
const digits = 10

// deck is what a connection draws its requests from, at random.
type deck struct {
	reads, writes []request
	// writesOf1024 is the share of writes.
	writesOf1024 uint64
}

// draw picks a request by a random number.
func (d *deck) draw(random uint64) *request {
	list := d.reads
	if random&1023 < d.writesOf1024 {
		list = d.writes
	}
	return &list[(random>>10)%uint64(len(list))]
}

// appendTo appends the frame.
func (q *request) appendTo(b []byte, xid int32, number int) []byte {
	at := len(b)
	b = append(b, q.head...)
	binary.BigEndian.PutUint32(b[at+wire.FrameHeaderLen:], uint32(xid))
	if q.number > 0 {
		for i := at + q.number + digits - 1; i >= at+q.number; i-- {
			b[i] = byte('0' + number%10)
			number /= 10
		}
	}
	return append(b, q.tail...)
}

// newRequest encodes a frame whose body is head and tail.
func newRequest(op wire.OpCode, head, tail []byte) request {
	b := wire.AppendInt(nil, int32(8+len(head)+len(tail)))
	header := wire.RequestHeader{Op: op}
	return request{head: append(header.AppendTo(b), head...), tail: tail}
}

// tree is where the znodes of a run lie.
type tree struct {
	root  string
	value []byte
}

func (t *tree) node(i int) string { return fmt.Sprintf("%s/n%0*d", t.root, digits, i) }

// own is the parent of what connection i creates.
func (t *tree) own(i int) string { return fmt.Sprintf("%s/c%06d", t.root, i) }

func getData(path string) request {
	body := wire.PathWatchRequest{Path: path}
	return newRequest(wire.OpGetData, body.AppendTo(nil), nil)
}

func list(path string) request {
	body := wire.PathWatchRequest{Path: path}
	return newRequest(wire.OpGetChildren2, body.AppendTo(nil), nil)
}

func addWatch(path string) request {
	body := wire.AddWatchRequest{Path: path, Mode: wire.ModePersistent}
	return newRequest(wire.OpAddWatch, body.AppendTo(nil), nil)
}

func remove(path string) request {
	body := wire.DeleteRequest{Path: path, Version: -1}
	return newRequest(wire.OpDelete, body.AppendTo(nil), nil)
}

// setData shares tail, which is setDataTail's.
func setData(path string, tail []byte) request {
	return newRequest(wire.OpSetData, wire.AppendString(nil, path), tail)
}

// setDataTail is a value and the version that fits all.
func setDataTail(value []byte) []byte {
	return wire.AppendInt(wire.AppendBuffer(nil, value), -1)
}

// create shares tail, which is createTail's.
func create(path string, tail []byte) request {
	return newRequest(wire.OpCreate, wire.AppendString(nil, path), tail)
}

// createTail is a value, the list of rights open to all, and the flags of a lasting znode.
func createTail(value []byte) []byte {
	q := wire.CreateRequest{Data: value, ACL: wire.OpenACL(), Flags: wire.FlagPersistent}
	empty := wire.AppendString(nil, "")
	return q.AppendTo(nil)[len(empty):]
}

// numbered makes the number in the name of a request its own each time: the path of head ends
// with digits digits.
func numbered(q request) request {
	q.number = len(q.head) - digits
	return q
}

// deckOf encodes what connection i of a workload sends.
func (t *tree) deckOf(o *Options, i int, shared *deck) deck {
	if o.Workload != Create {
		return *shared
	}
	path := fmt.Sprintf("%s/n%0*d", t.own(i), digits, 0)
	return deck{writes: []request{numbered(create(path, shared.writes[0].tail))},
		writesOf1024: 1024}
}

// sharedDeck encodes what all connections send.
func (t *tree) sharedDeck(o *Options) *deck {
	d := &deck{writesOf1024: 1024}
	tail := setDataTail(t.value)
	switch o.Workload {
	case Create:
		d.writes = []request{create(t.root, createTail(t.value))}
	case Lists:
		d.reads, d.writesOf1024 = []request{list(t.root)}, 0
	case Multi:
		for i := 0; i < o.Nodes; i += o.MultiOps {
			d.writes = append(d.writes, t.multi(o, i))
		}
	default:
		for i := range o.Nodes {
			d.reads = append(d.reads, getData(t.node(i)))
			d.writes = append(d.writes, setData(t.node(i), tail))
		}
		switch o.Workload {
		case Read:
			d.writesOf1024 = 0
		case Mixed:
			d.writesOf1024 = uint64(o.WritePercent) * 1024 / 100
		}
	}
	return d
}

// multi sets the znodes from i on.
func (t *tree) multi(o *Options, i int) request {
	var q wire.MultiRequest
	for k := range o.MultiOps {
		q.Ops = append(q.Ops, wire.MultiOp{Op: wire.OpSetData, SetData: wire.SetDataRequest{
			Path: t.node((i + k) % o.Nodes), Data: t.value, Version: -1}})
	}
	return newRequest(wire.OpMulti, q.AppendTo(nil), nil)
}
