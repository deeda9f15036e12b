package wire

// StatLen is the length of an encoded Stat.
const StatLen = 68

// Stat is what a client may know about a znode besides its data, in the order of the wire.
type Stat struct {
	Czxid          int64 // the transaction that created the node
	Mzxid          int64 // the transaction that last set its data
	Ctime          int64 // milliseconds since 1970
	Mtime          int64 // milliseconds since 1970
	Version        int32 // number of times the data was set
	Cversion       int32 // number of children created and deleted
	Aversion       int32 // number of times the ACL was set
	EphemeralOwner int64 // the owning session; 0 for all other kinds of nodes
	DataLength     int32
	NumChildren    int32
	Pzxid          int64 // the transaction that last created or deleted a child
}

// AppendStat appends s.
func AppendStat(b []byte, s *Stat) []byte { return s.AppendTo(b) }

// AppendTo appends the stat.
func (s *Stat) AppendTo(b []byte) []byte {
	b = AppendLong(b, s.Czxid)
	b = AppendLong(b, s.Mzxid)
	b = AppendLong(b, s.Ctime)
	b = AppendLong(b, s.Mtime)
	b = AppendInt(b, s.Version)
	b = AppendInt(b, s.Cversion)
	b = AppendInt(b, s.Aversion)
	b = AppendLong(b, s.EphemeralOwner)
	b = AppendInt(b, s.DataLength)
	b = AppendInt(b, s.NumChildren)
	return AppendLong(b, s.Pzxid)
}

// Decode reads the stat.
func (s *Stat) Decode(r *Reader) {
	s.Czxid = r.Long()
	s.Mzxid = r.Long()
	s.Ctime = r.Long()
	s.Mtime = r.Long()
	s.Version = r.Int()
	s.Cversion = r.Int()
	s.Aversion = r.Int()
	s.EphemeralOwner = r.Long()
	s.DataLength = r.Int()
	s.NumChildren = r.Int()
	s.Pzxid = r.Long()
}

// PathResponse answers create and sync.
type PathResponse struct {
	Path string
}

// AppendTo appends the response.
func (m *PathResponse) AppendTo(b []byte) []byte { return AppendString(b, m.Path) }

// Decode reads the response. Path is a view of the input.
func (m *PathResponse) Decode(r *Reader) { m.Path = r.String() }

// Create2Response answers create2, createContainer and createTTL.
type Create2Response struct {
	Path string
	Stat Stat
}

// AppendTo appends the response.
func (m *Create2Response) AppendTo(b []byte) []byte {
	b = AppendString(b, m.Path)
	return m.Stat.AppendTo(b)
}

// Decode reads the response. Path is a view of the input.
func (m *Create2Response) Decode(r *Reader) {
	m.Path = r.String()
	m.Stat.Decode(r)
}

// StatResponse answers exists, setData and setACL.
type StatResponse struct {
	Stat Stat
}

// AppendTo appends the response.
func (m *StatResponse) AppendTo(b []byte) []byte { return m.Stat.AppendTo(b) }

// Decode reads the response.
func (m *StatResponse) Decode(r *Reader) { m.Stat.Decode(r) }

// GetDataResponse answers getData and reconfig.
type GetDataResponse struct {
	Data []byte // nil is null
	Stat Stat
}

// AppendTo appends the response.
func (m *GetDataResponse) AppendTo(b []byte) []byte {
	b = AppendBuffer(b, m.Data)
	return m.Stat.AppendTo(b)
}

// Decode reads the response. Data is a view of the input.
func (m *GetDataResponse) Decode(r *Reader) {
	m.Data = r.Buffer()
	m.Stat.Decode(r)
}

// GetACLResponse answers getACL.
type GetACLResponse struct {
	ACL  []ACL
	Stat Stat
}

// AppendTo appends the response.
func (m *GetACLResponse) AppendTo(b []byte) []byte {
	b = AppendACLs(b, m.ACL)
	return m.Stat.AppendTo(b)
}

// Decode reads the response. Its strings are views of the input.
func (m *GetACLResponse) Decode(r *Reader) {
	m.ACL = r.ACLs(m.ACL)
	m.Stat.Decode(r)
}

// ChildrenResponse answers getChildren: names, not paths, in no particular order.
type ChildrenResponse struct {
	Children []string
}

// AppendTo appends the response.
func (m *ChildrenResponse) AppendTo(b []byte) []byte { return AppendStrings(b, m.Children) }

// Decode reads the response. Its strings are views of the input.
func (m *ChildrenResponse) Decode(r *Reader) { m.Children = r.Strings(m.Children) }

// Children2Response answers getChildren2.
type Children2Response struct {
	Children []string
	Stat     Stat
}

// AppendTo appends the response.
func (m *Children2Response) AppendTo(b []byte) []byte {
	b = AppendStrings(b, m.Children)
	return m.Stat.AppendTo(b)
}

// Decode reads the response. Its strings are views of the input.
func (m *Children2Response) Decode(r *Reader) {
	m.Children = r.Strings(m.Children)
	m.Stat.Decode(r)
}

// CountResponse answers getAllChildrenNumber.
type CountResponse struct {
	Count int32
}

// AppendTo appends the response.
func (m *CountResponse) AppendTo(b []byte) []byte { return AppendInt(b, m.Count) }

// Decode reads the response.
func (m *CountResponse) Decode(r *Reader) { m.Count = r.Int() }

// EphemeralsResponse answers getEphemerals: whole paths, in no particular order.
type EphemeralsResponse struct {
	Paths []string
}

// AppendTo appends the response.
func (m *EphemeralsResponse) AppendTo(b []byte) []byte { return AppendStrings(b, m.Paths) }

// Decode reads the response. Its strings are views of the input.
func (m *EphemeralsResponse) Decode(r *Reader) { m.Paths = r.Strings(m.Paths) }
