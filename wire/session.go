package wire

// PasswordLen is the length of the password a server hands out with a session.
const PasswordLen = 16

// RequestHeader begins every frame of a client but its first.
type RequestHeader struct {
	Xid int32
	Op  OpCode
}

// AppendTo appends the header.
func (m *RequestHeader) AppendTo(b []byte) []byte {
	b = AppendInt(b, m.Xid)
	return AppendInt(b, int32(m.Op))
}

// Decode reads the header.
func (m *RequestHeader) Decode(r *Reader) {
	m.Xid = r.Int()
	m.Op = OpCode(r.Int())
}

// ReplyHeader begins every frame of a server but its first. A body follows only if Err is
// CodeOk, and not for every operation.
type ReplyHeader struct {
	Xid  int32
	Zxid int64 // the last transaction the serving server has applied
	Err  ErrorCode
}

// AppendTo appends the header.
func (m *ReplyHeader) AppendTo(b []byte) []byte {
	b = AppendInt(b, m.Xid)
	b = AppendLong(b, m.Zxid)
	return AppendInt(b, int32(m.Err))
}

// Decode reads the header.
func (m *ReplyHeader) Decode(r *Reader) {
	m.Xid = r.Int()
	m.Zxid = r.Long()
	m.Err = ErrorCode(r.Int())
}

// ConnectRequest is a client's first frame; it has no header.
type ConnectRequest struct {
	ProtocolVersion int32 // always 0, and ignored
	LastZxidSeen    int64
	TimeoutMs       int32
	SessionID       int64 // 0 asks for a new session
	Password        []byte
	ReadOnly        bool // the client would make do with a read-only server
	HasReadOnly     bool // false for clients up to 3.3: their frame ends a byte earlier
}

// AppendTo appends the request, without ReadOnly if HasReadOnly is false.
func (m *ConnectRequest) AppendTo(b []byte) []byte {
	b = AppendInt(b, m.ProtocolVersion)
	b = AppendLong(b, m.LastZxidSeen)
	b = AppendInt(b, m.TimeoutMs)
	b = AppendLong(b, m.SessionID)
	b = AppendBuffer(b, m.Password)
	if m.HasReadOnly {
		b = AppendBool(b, m.ReadOnly)
	}
	return b
}

// Decode reads the request. Password is a view of the input.
func (m *ConnectRequest) Decode(r *Reader) {
	m.ProtocolVersion = r.Int()
	m.LastZxidSeen = r.Long()
	m.TimeoutMs = r.Int()
	m.SessionID = r.Long()
	m.Password = r.Buffer()
	m.HasReadOnly = r.Len() > 0
	m.ReadOnly = m.HasReadOnly && r.Bool()
}

// ConnectResponse is a server's first frame; it has no header. TimeoutMs and SessionID are
// both 0 if the session asked for is gone; the server then closes the connection.
type ConnectResponse struct {
	ProtocolVersion int32
	TimeoutMs       int32
	SessionID       int64
	Password        []byte // PasswordLen bytes
	ReadOnly        bool   // the server is read-only
	HasReadOnly     bool   // as in the request
}

// AppendTo appends the response, without ReadOnly if HasReadOnly is false.
func (m *ConnectResponse) AppendTo(b []byte) []byte {
	b = AppendInt(b, m.ProtocolVersion)
	b = AppendInt(b, m.TimeoutMs)
	b = AppendLong(b, m.SessionID)
	b = AppendBuffer(b, m.Password)
	if m.HasReadOnly {
		b = AppendBool(b, m.ReadOnly)
	}
	return b
}

// Decode reads the response. Password is a view of the input.
func (m *ConnectResponse) Decode(r *Reader) {
	m.ProtocolVersion = r.Int()
	m.TimeoutMs = r.Int()
	m.SessionID = r.Long()
	m.Password = r.Buffer()
	m.HasReadOnly = r.Len() > 0
	m.ReadOnly = m.HasReadOnly && r.Bool()
}

// CreateSessionRequest is the body of OpCreateSession, which no client sends: it stands in
// logs and in the replication of sessions.
type CreateSessionRequest struct {
	TimeoutMs int32
}

// AppendTo appends the request.
func (m *CreateSessionRequest) AppendTo(b []byte) []byte { return AppendInt(b, m.TimeoutMs) }

// Decode reads the request.
func (m *CreateSessionRequest) Decode(r *Reader) { m.TimeoutMs = r.Int() }

// AuthRequest adds an identity to a connection. It is sent under XidAuth.
type AuthRequest struct {
	Type   int32 // always 0, and ignored
	Scheme string
	Auth   []byte
}

// AppendTo appends the request.
func (m *AuthRequest) AppendTo(b []byte) []byte {
	b = AppendInt(b, m.Type)
	b = AppendString(b, m.Scheme)
	return AppendBuffer(b, m.Auth)
}

// Decode reads the request. Scheme and Auth are views of the input.
func (m *AuthRequest) Decode(r *Reader) {
	m.Type = r.Int()
	m.Scheme = r.String()
	m.Auth = r.Buffer()
}

// SASLRequest carries a client's token of a SASL conversation.
type SASLRequest struct {
	Token []byte
}

// AppendTo appends the request.
func (m *SASLRequest) AppendTo(b []byte) []byte { return AppendBuffer(b, m.Token) }

// Decode reads the request. Token is a view of the input.
func (m *SASLRequest) Decode(r *Reader) { m.Token = r.Buffer() }

// SASLResponse carries a server's token of a SASL conversation.
type SASLResponse struct {
	Token []byte
}

// AppendTo appends the response.
func (m *SASLResponse) AppendTo(b []byte) []byte { return AppendBuffer(b, m.Token) }

// Decode reads the response. Token is a view of the input.
func (m *SASLResponse) Decode(r *Reader) { m.Token = r.Buffer() }

// ClientInfo is one identity of a connection, without its secret.
type ClientInfo struct {
	Scheme string
	User   string
}

// leastClientInfo is the shortest encoding of a ClientInfo: two empty strings.
const leastClientInfo = 8

// WhoAmIResponse lists the identities of the asking connection.
type WhoAmIResponse struct {
	Clients []ClientInfo
}

// AppendTo appends the response. A nil list is written as an empty one.
func (m *WhoAmIResponse) AppendTo(b []byte) []byte {
	b = AppendInt(b, int32(len(m.Clients)))
	for _, c := range m.Clients {
		b = AppendString(b, c.Scheme)
		b = AppendString(b, c.User)
	}
	return b
}

// Decode reads the response. Its strings are views of the input.
func (m *WhoAmIResponse) Decode(r *Reader) {
	n, ok := r.count(leastClientInfo)
	if !ok {
		m.Clients = nil
		return
	}
	m.Clients = reuse(m.Clients, n)
	for range n {
		m.Clients = append(m.Clients, ClientInfo{Scheme: r.String(), User: r.String()})
	}
}

// ErrorResponse is an error code as a body: the answer to addWatch, and a failed operation's
// result inside a multi.
type ErrorResponse struct {
	Err ErrorCode
}

// AppendTo appends the response.
func (m *ErrorResponse) AppendTo(b []byte) []byte { return AppendInt(b, int32(m.Err)) }

// Decode reads the response.
func (m *ErrorResponse) Decode(r *Reader) { m.Err = ErrorCode(r.Int()) }
