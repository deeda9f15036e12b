package zkdata

import (
	"fmt"
	"strings"

	"github.com/vivariumdb/vivarium/wire"
)

// Txn is a record of a transaction log.
type Txn struct {
	Session int64
	Cxid    int32
	Zxid    int64
	TimeMs  int64
	Type    wire.OpCode

	Op        Op       // of all but sessions and multis; its type is Type
	Ops       []Op     // of a multi
	TimeoutMs int32    // of createSession
	Paths     []string // of closeSession, since 3.6
	// Digest is that of the tree behind the transaction, as the leader foresaw it.
	Digest    int64
	HasDigest bool
}

// Op is one change. Its type says which fields are meant.
type Op struct {
	Type          wire.OpCode
	Path          string
	Data          []byte
	ACL           []wire.ACL
	Ephemeral     bool
	ParentCreated int32 // creates of the parent behind this one; -1 is not known
	TTLMs         int64
	Version       int32 // behind the change
	Err           wire.ErrorCode
}

// idle says whether the transaction leaves all znodes as they are.
func (x *Txn) idle() bool {
	switch x.Type {
	case wire.OpError, wire.OpCreateSession:
		return true
	case wire.OpMulti:
		return len(x.Ops) == 0 // apply has dropped those that failed
	}
	return false
}

// digestSize is the length of a TxnDigest: its version and a sum.
const digestSize = 12

// decodeTxn reads the payload of a record. What it returns are views of payload.
func decodeTxn(payload []byte) (*Txn, error) {
	r := wire.NewReader(payload)
	x := &Txn{Session: r.Long(), Cxid: r.Int(), Zxid: r.Long(), TimeMs: r.Long(),
		Type: wire.OpCode(r.Int())}
	if r.Err() != nil {
		return nil, r.Err()
	}
	switch x.Type {
	case wire.OpCreateSession:
		x.TimeoutMs = r.Int()
	case wire.OpCloseSession:
		x.decodeClose(&r)
	case wire.OpMulti:
		if err := x.decodeMulti(&r); err != nil {
			return nil, err
		}
	default:
		x.Op.Type = x.Type
		if err := x.decodeOp(&r); err != nil {
			return nil, err
		}
	}
	switch {
	case r.Err() != nil:
		return nil, r.Err()
	case r.Len() == digestSize:
		x.HasDigest = r.Int() == digestVersion
		x.Digest = r.Long()
	case r.Len() != 0:
		return nil, fmt.Errorf("%d bytes too many", r.Len())
	}
	return x, nil
}

// decodeClose reads the paths of a closeSession. Older releases wrote none, and newer ones that
// are told to (closeSessionTxn.enabled=false) a digest where they would be.
func (x *Txn) decodeClose(r *wire.Reader) {
	if r.Len() == 0 {
		return
	}
	try := *r
	paths := try.Strings(nil)
	if try.Err() == nil && (try.Len() == 0 || try.Len() == digestSize) {
		x.Paths, *r = paths, try
	}
}

func (x *Txn) decodeMulti(r *wire.Reader) error {
	n := r.Int()
	for i := int32(0); i < n && r.Err() == nil; i++ {
		op := Op{Type: wire.OpCode(r.Int())}
		inner := wire.NewReader(r.Buffer())
		if r.Err() != nil {
			break
		}
		if op.Type == wire.OpMulti || op.Type == wire.OpSetACL || op.Type == wire.OpReconfig {
			return fmt.Errorf("a multi with %v in it", op.Type)
		}
		if err := op.decode(&inner); err != nil {
			return err
		}
		if inner.Err() != nil {
			return inner.Err()
		}
		x.Ops = append(x.Ops, op)
	}
	return r.Err()
}

// decodeOp reads a change. A create of releases before 3.3 ends before the parent's counter.
func (x *Txn) decodeOp(r *wire.Reader) error {
	before := *r
	err := x.Op.decode(r)
	if err != nil || x.Type != wire.OpCreate || r.Err() == nil {
		return err
	}
	*r = before
	x.Op = Op{Type: x.Type, Path: r.String(), Data: r.Buffer(), ACL: r.ACLs(nil),
		Ephemeral: r.Bool(), ParentCreated: -1}
	return nil
}

func (op *Op) decode(r *wire.Reader) error {
	if op.Type == wire.OpError {
		op.Err = wire.ErrorCode(r.Int())
		return nil
	}
	op.Path = r.String()
	switch op.Type {
	case wire.OpCreate, wire.OpCreate2:
		op.Data, op.ACL, op.Ephemeral = r.Buffer(), r.ACLs(nil), r.Bool()
		op.ParentCreated = r.Int()
	case wire.OpCreateTTL:
		op.Data, op.ACL, op.ParentCreated, op.TTLMs = r.Buffer(), r.ACLs(nil), r.Int(), r.Long()
	case wire.OpCreateContainer:
		op.Data, op.ACL, op.ParentCreated = r.Buffer(), r.ACLs(nil), r.Int()
	case wire.OpDelete, wire.OpDeleteContainer:
	case wire.OpSetData, wire.OpReconfig:
		op.Data, op.Version = r.Buffer(), r.Int()
	case wire.OpSetACL:
		op.ACL, op.Version = r.ACLs(nil), r.Int()
	case wire.OpCheck:
		op.Version = r.Int()
	default:
		return fmt.Errorf("a transaction of unknown type %d", int32(op.Type))
	}
	if r.Err() == nil && !strings.HasPrefix(op.Path, "/") {
		return fmt.Errorf("%v of %q, which is no path", op.Type, op.Path)
	}
	return nil
}
