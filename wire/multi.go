package wire

// MultiHeader stands before each operation and each result of a multi, and once more, with
// Done set, at the end.
type MultiHeader struct {
	Op   OpCode
	Done bool
	Err  ErrorCode
}

// endOfMulti is the header that ends requests and responses.
var endOfMulti = MultiHeader{Op: OpError, Done: true, Err: -1}

// AppendTo appends the header.
func (m *MultiHeader) AppendTo(b []byte) []byte {
	b = AppendInt(b, int32(m.Op))
	b = AppendBool(b, m.Done)
	return AppendInt(b, int32(m.Err))
}

// Decode reads the header.
func (m *MultiHeader) Decode(r *Reader) {
	m.Op = OpCode(r.Int())
	m.Done = r.Bool()
	m.Err = ErrorCode(r.Int())
}

// MultiOp is one operation of a multi. Op says which of the other fields is meant.
type MultiOp struct {
	Op      OpCode
	Create  CreateTTLRequest // create, create2, createContainer (all without TTLMs), createTTL
	Delete  DeleteRequest
	SetData SetDataRequest
	Check   CheckRequest
	Read    PathWatchRequest // getData, getChildren
}

// MultiRequest is the body of multi and multiRead. It holds either writes or reads; whether
// they fit the opcode of the request is the receiver's to check, with Reads.
type MultiRequest struct {
	Ops []MultiOp
}

// Reads tells whether the request holds reads. An empty request fits both opcodes and
// is false.
func (m *MultiRequest) Reads() bool {
	return len(m.Ops) > 0 && m.Ops[0].reads()
}

// AppendTo appends the request. It panics on an operation that a multi cannot hold.
func (m *MultiRequest) AppendTo(b []byte) []byte {
	for i := range m.Ops {
		op := &m.Ops[i]
		header := MultiHeader{Op: op.Op, Err: -1}
		b = header.AppendTo(b)
		b = op.appendBody(b)
	}
	return endOfMulti.AppendTo(b)
}

// Decode reads the request. Strings and buffers are views of the input. An operation that may
// not stand in a multi, or a mixture of reads and writes, is ErrMultiOp.
func (m *MultiRequest) Decode(r *Reader) {
	m.Ops = m.Ops[:0]
	for {
		var header MultiHeader
		header.Decode(r)
		if header.Done || r.err != nil {
			return
		}
		m.Ops = append(m.Ops, MultiOp{Op: header.Op})
		op := &m.Ops[len(m.Ops)-1]
		op.decodeBody(r)
		if op.reads() != m.Ops[0].reads() {
			r.fail(ErrMultiOp)
		}
	}
}

// reads tells an operation of multiRead from one of multi.
func (m *MultiOp) reads() bool {
	return m.Op == OpGetData || m.Op == OpGetChildren
}

func (m *MultiOp) appendBody(b []byte) []byte {
	switch m.Op {
	case OpCreate, OpCreate2, OpCreateContainer:
		return m.Create.appendCreate(b)
	case OpCreateTTL:
		return m.Create.AppendTo(b)
	case OpDelete:
		return m.Delete.AppendTo(b)
	case OpSetData:
		return m.SetData.AppendTo(b)
	case OpCheck:
		return m.Check.AppendTo(b)
	case OpGetData, OpGetChildren:
		return m.Read.AppendTo(b)
	}
	panic("wire: a multi cannot hold " + m.Op.String())
}

func (m *MultiOp) decodeBody(r *Reader) {
	switch m.Op {
	case OpCreate, OpCreate2, OpCreateContainer:
		m.Create.decodeCreate(r)
	case OpCreateTTL:
		m.Create.Decode(r)
	case OpDelete:
		m.Delete.Decode(r)
	case OpSetData:
		m.SetData.Decode(r)
	case OpCheck:
		m.Check.Decode(r)
	case OpGetData, OpGetChildren:
		m.Read.Decode(r)
	default:
		r.fail(ErrMultiOp)
	}
}

// MultiResult is the result of one operation of a multi. Op says which of the other fields
// are on the wire:
//
//	OpCreate                                    Path
//	OpCreate2, OpCreateContainer, OpCreateTTL   Path, Stat
//	OpDelete, OpCheck                           nothing
//	OpSetData                                   Stat
//	OpGetData                                   Data, Stat
//	OpGetChildren                               Children
//	OpError                                     Err
//
// ZooKeeper answers createContainer and createTTL in a multi as OpCreate2.
type MultiResult struct {
	Op       OpCode
	Err      ErrorCode // of OpError: CodeOk for the operations before the one that failed
	Path     string
	Stat     Stat
	Data     []byte
	Children []string
}

// HasStat tells whether results of this kind carry a Stat.
func (m *MultiResult) HasStat() bool {
	switch m.Op {
	case OpCreate2, OpCreateContainer, OpCreateTTL, OpSetData, OpGetData:
		return true
	}
	return false
}

// MultiResponse answers multi and multiRead. A failed multi consists of OpError results only
// and stands under a reply header without error; a multiRead has them among the others.
type MultiResponse struct {
	Results []MultiResult
}

// AppendTo appends the response. It panics on a result that a multi cannot hold.
func (m *MultiResponse) AppendTo(b []byte) []byte {
	for i := range m.Results {
		res := &m.Results[i]
		header := MultiHeader{Op: res.Op}
		if res.Op == OpError {
			header.Err = res.Err
		}
		b = header.AppendTo(b)
		b = res.appendBody(b)
	}
	return endOfMulti.AppendTo(b)
}

// Decode reads the response. Strings and buffers are views of the input. A result that no
// operation of a multi has is ErrMultiOp.
func (m *MultiResponse) Decode(r *Reader) {
	m.Results = m.Results[:0]
	for {
		var header MultiHeader
		header.Decode(r)
		if header.Done || r.err != nil {
			return
		}
		m.Results = append(m.Results, MultiResult{Op: header.Op})
		m.Results[len(m.Results)-1].decodeBody(r)
	}
}

func (m *MultiResult) appendBody(b []byte) []byte {
	switch m.Op {
	case OpCreate:
		return AppendString(b, m.Path)
	case OpCreate2, OpCreateContainer, OpCreateTTL:
		b = AppendString(b, m.Path)
		return m.Stat.AppendTo(b)
	case OpDelete, OpCheck:
		return b
	case OpSetData:
		return m.Stat.AppendTo(b)
	case OpGetData:
		b = AppendBuffer(b, m.Data)
		return m.Stat.AppendTo(b)
	case OpGetChildren:
		return AppendStrings(b, m.Children)
	case OpError:
		return AppendInt(b, int32(m.Err))
	}
	panic("wire: a multi has no result for " + m.Op.String())
}

func (m *MultiResult) decodeBody(r *Reader) {
	switch m.Op {
	case OpCreate:
		m.Path = r.String()
	case OpCreate2, OpCreateContainer, OpCreateTTL:
		m.Path = r.String()
		m.Stat.Decode(r)
	case OpDelete, OpCheck:
	case OpSetData:
		m.Stat.Decode(r)
	case OpGetData:
		m.Data = r.Buffer()
		m.Stat.Decode(r)
	case OpGetChildren:
		m.Children = r.Strings(nil)
	case OpError:
		m.Err = ErrorCode(r.Int())
	default:
		r.fail(ErrMultiOp)
	}
}
