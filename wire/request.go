package wire

// CreateRequest is the body of create, create2 and createContainer.
type CreateRequest struct {
	Path  string
	Data  []byte // nil is null, which a node keeps
	ACL   []ACL
	Flags int32 // one of the Flag constants
}

// AppendTo appends the request.
func (m *CreateRequest) AppendTo(b []byte) []byte {
	b = AppendString(b, m.Path)
	b = AppendBuffer(b, m.Data)
	b = AppendACLs(b, m.ACL)
	return AppendInt(b, m.Flags)
}

// Decode reads the request. Its strings and Data are views of the input.
func (m *CreateRequest) Decode(r *Reader) {
	m.Path = r.String()
	m.Data = r.Buffer()
	m.ACL = r.ACLs(m.ACL)
	m.Flags = r.Int()
}

// CreateTTLRequest is the body of createTTL.
type CreateTTLRequest struct {
	Path  string
	Data  []byte // nil is null, which a node keeps
	ACL   []ACL
	Flags int32 // FlagTTL or FlagTTLSequential
	TTLMs int64 // 1 to MaxTTLMs
}

// AppendTo appends the request.
func (m *CreateTTLRequest) AppendTo(b []byte) []byte {
	return AppendLong(m.appendCreate(b), m.TTLMs)
}

// appendCreate appends the request as a CreateRequest, which lacks the time to live.
func (m *CreateTTLRequest) appendCreate(b []byte) []byte {
	b = AppendString(b, m.Path)
	b = AppendBuffer(b, m.Data)
	b = AppendACLs(b, m.ACL)
	return AppendInt(b, m.Flags)
}

// Decode reads the request. Its strings and Data are views of the input.
func (m *CreateTTLRequest) Decode(r *Reader) {
	m.decodeCreate(r)
	m.TTLMs = r.Long()
}

// decodeCreate reads a CreateRequest, which lacks the time to live.
func (m *CreateTTLRequest) decodeCreate(r *Reader) {
	m.Path = r.String()
	m.Data = r.Buffer()
	m.ACL = r.ACLs(m.ACL)
	m.Flags = r.Int()
	m.TTLMs = 0
}

// DeleteRequest is the body of delete.
type DeleteRequest struct {
	Path    string
	Version int32 // AnyVersion matches all
}

// AppendTo appends the request.
func (m *DeleteRequest) AppendTo(b []byte) []byte {
	b = AppendString(b, m.Path)
	return AppendInt(b, m.Version)
}

// Decode reads the request. Path is a view of the input.
func (m *DeleteRequest) Decode(r *Reader) {
	m.Path = r.String()
	m.Version = r.Int()
}

// CheckRequest is the body of a check, which only stands inside a multi.
type CheckRequest struct {
	Path    string
	Version int32 // AnyVersion matches all
}

// AppendTo appends the request.
func (m *CheckRequest) AppendTo(b []byte) []byte {
	b = AppendString(b, m.Path)
	return AppendInt(b, m.Version)
}

// Decode reads the request. Path is a view of the input.
func (m *CheckRequest) Decode(r *Reader) {
	m.Path = r.String()
	m.Version = r.Int()
}

// PathRequest is the body of the operations that name a path and nothing else: getACL, sync,
// getEphemerals (a prefix), getAllChildrenNumber and deleteContainer.
type PathRequest struct {
	Path string
}

// AppendTo appends the request.
func (m *PathRequest) AppendTo(b []byte) []byte { return AppendString(b, m.Path) }

// Decode reads the request. Path is a view of the input.
func (m *PathRequest) Decode(r *Reader) { m.Path = r.String() }

// PathWatchRequest is the body of the reads that may leave a watch: exists, getData,
// getChildren and getChildren2.
type PathWatchRequest struct {
	Path  string
	Watch bool
}

// AppendTo appends the request.
func (m *PathWatchRequest) AppendTo(b []byte) []byte {
	b = AppendString(b, m.Path)
	return AppendBool(b, m.Watch)
}

// Decode reads the request. Path is a view of the input.
func (m *PathWatchRequest) Decode(r *Reader) {
	m.Path = r.String()
	m.Watch = r.Bool()
}

// SetDataRequest is the body of setData.
type SetDataRequest struct {
	Path    string
	Data    []byte // nil is null, which a node keeps
	Version int32  // AnyVersion matches all
}

// AppendTo appends the request.
func (m *SetDataRequest) AppendTo(b []byte) []byte {
	b = AppendString(b, m.Path)
	b = AppendBuffer(b, m.Data)
	return AppendInt(b, m.Version)
}

// Decode reads the request. Path and Data are views of the input.
func (m *SetDataRequest) Decode(r *Reader) {
	m.Path = r.String()
	m.Data = r.Buffer()
	m.Version = r.Int()
}

// SetACLRequest is the body of setACL.
type SetACLRequest struct {
	Path    string
	ACL     []ACL
	Version int32 // of the ACL, not of the data; AnyVersion matches all
}

// AppendTo appends the request.
func (m *SetACLRequest) AppendTo(b []byte) []byte {
	b = AppendString(b, m.Path)
	b = AppendACLs(b, m.ACL)
	return AppendInt(b, m.Version)
}

// Decode reads the request. Its strings are views of the input.
func (m *SetACLRequest) Decode(r *Reader) {
	m.Path = r.String()
	m.ACL = r.ACLs(m.ACL)
	m.Version = r.Int()
}

// ReconfigRequest is the body of reconfig; the answer is a GetDataResponse with the new
// configuration. Clients tell a null string from an empty one: a NewMembers that is there at
// all replaces the whole membership. So Decode sets the Has fields; AppendTo writes an empty
// string whose Has field is false as null.
type ReconfigRequest struct {
	Joining         string
	Leaving         string
	NewMembers      string
	HasJoining      bool
	HasLeaving      bool
	HasNewMembers   bool
	CurrentConfigID int64 // AnyVersion matches all
}

// AppendTo appends the request.
func (m *ReconfigRequest) AppendTo(b []byte) []byte {
	b = AppendNullableString(b, m.Joining, m.HasJoining)
	b = AppendNullableString(b, m.Leaving, m.HasLeaving)
	b = AppendNullableString(b, m.NewMembers, m.HasNewMembers)
	return AppendLong(b, m.CurrentConfigID)
}

// Decode reads the request. Its strings are views of the input.
func (m *ReconfigRequest) Decode(r *Reader) {
	m.Joining, m.HasJoining = r.NullableString()
	m.Leaving, m.HasLeaving = r.NullableString()
	m.NewMembers, m.HasNewMembers = r.NullableString()
	m.CurrentConfigID = r.Long()
}
