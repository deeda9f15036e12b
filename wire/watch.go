package wire

import "strconv"

// EventType says what happened to a watched znode.
type EventType int32

// The event types of PROTOCOL 1.6. The last three are made by clients for themselves and
// never sent.
const (
	EventNone                   EventType = -1
	EventNodeCreated            EventType = 1
	EventNodeDeleted            EventType = 2
	EventNodeDataChanged        EventType = 3
	EventNodeChildrenChanged    EventType = 4
	EventDataWatchRemoved       EventType = 5
	EventChildWatchRemoved      EventType = 6
	EventPersistentWatchRemoved EventType = 7
)

// String returns the event's name as ZooKeeper writes it, or EventType(n).
func (t EventType) String() string {
	if name, ok := eventNames[t]; ok {
		return name
	}
	return "EventType(" + strconv.Itoa(int(t)) + ")"
}

var eventNames = map[EventType]string{
	EventNone:                   "None",
	EventNodeCreated:            "NodeCreated",
	EventNodeDeleted:            "NodeDeleted",
	EventNodeDataChanged:        "NodeDataChanged",
	EventNodeChildrenChanged:    "NodeChildrenChanged",
	EventDataWatchRemoved:       "DataWatchRemoved",
	EventChildWatchRemoved:      "ChildWatchRemoved",
	EventPersistentWatchRemoved: "PersistentWatchRemoved",
}

// KeeperState is the state of a client's connection. Servers send StateSyncConnected only.
type KeeperState int32

// The states of PROTOCOL 1.6.
const (
	StateExpired           KeeperState = -112
	StateUnknown           KeeperState = -1
	StateDisconnected      KeeperState = 0
	StateNoSyncConnected   KeeperState = 1
	StateSyncConnected     KeeperState = 3
	StateAuthFailed        KeeperState = 4
	StateConnectedReadOnly KeeperState = 5
	StateSASLAuthenticated KeeperState = 6
	StateClosed            KeeperState = 7
)

// String returns the state's name as ZooKeeper writes it, or KeeperState(n).
func (s KeeperState) String() string {
	if name, ok := stateNames[s]; ok {
		return name
	}
	return "KeeperState(" + strconv.Itoa(int(s)) + ")"
}

var stateNames = map[KeeperState]string{
	StateExpired:           "Expired",
	StateUnknown:           "Unknown",
	StateDisconnected:      "Disconnected",
	StateNoSyncConnected:   "NoSyncConnected",
	StateSyncConnected:     "SyncConnected",
	StateAuthFailed:        "AuthFailed",
	StateConnectedReadOnly: "ConnectedReadOnly",
	StateSASLAuthenticated: "SaslAuthenticated",
	StateClosed:            "Closed",
}

// The modes of addWatch.
const (
	ModePersistent          int32 = 0
	ModePersistentRecursive int32 = 1
)

// The watcher types of checkWatches and removeWatches.
const (
	WatcherChildren            int32 = 1
	WatcherData                int32 = 2
	WatcherAny                 int32 = 3
	WatcherPersistent          int32 = 4
	WatcherPersistentRecursive int32 = 5
)

// WatcherEvent is the body of a notification.
type WatcherEvent struct {
	Type  EventType
	State KeeperState
	Path  string
}

// AppendTo appends the event.
func (m *WatcherEvent) AppendTo(b []byte) []byte {
	b = AppendInt(b, int32(m.Type))
	b = AppendInt(b, int32(m.State))
	return AppendString(b, m.Path)
}

// Decode reads the event. Path is a view of the input.
func (m *WatcherEvent) Decode(r *Reader) {
	m.Type = EventType(r.Int())
	m.State = KeeperState(r.Int())
	m.Path = r.String()
}

// AddWatchRequest sets a persistent watch.
type AddWatchRequest struct {
	Path string
	Mode int32 // ModePersistent or ModePersistentRecursive
}

// AppendTo appends the request.
func (m *AddWatchRequest) AppendTo(b []byte) []byte {
	b = AppendString(b, m.Path)
	return AppendInt(b, m.Mode)
}

// Decode reads the request. Path is a view of the input.
func (m *AddWatchRequest) Decode(r *Reader) {
	m.Path = r.String()
	m.Mode = r.Int()
}

// WatcherRequest is the body of checkWatches and removeWatches.
type WatcherRequest struct {
	Path string
	Type int32 // one of the Watcher constants
}

// AppendTo appends the request.
func (m *WatcherRequest) AppendTo(b []byte) []byte {
	b = AppendString(b, m.Path)
	return AppendInt(b, m.Type)
}

// Decode reads the request. Path is a view of the input.
func (m *WatcherRequest) Decode(r *Reader) {
	m.Path = r.String()
	m.Type = r.Int()
}

// SetWatchesRequest sets a client's watches again after a reconnect. RelativeZxid is the last
// transaction the client has seen; watches that fired since then fire at once.
type SetWatchesRequest struct {
	RelativeZxid int64
	Data         []string
	Exist        []string
	Child        []string
}

// AppendTo appends the request.
func (m *SetWatchesRequest) AppendTo(b []byte) []byte {
	b = AppendLong(b, m.RelativeZxid)
	b = AppendStrings(b, m.Data)
	b = AppendStrings(b, m.Exist)
	return AppendStrings(b, m.Child)
}

// Decode reads the request. Its strings are views of the input.
func (m *SetWatchesRequest) Decode(r *Reader) {
	m.RelativeZxid = r.Long()
	m.Data = r.Strings(m.Data)
	m.Exist = r.Strings(m.Exist)
	m.Child = r.Strings(m.Child)
}

// SetWatches2Request is SetWatchesRequest with the two kinds of persistent watches. These are
// only set; what they missed is lost.
type SetWatches2Request struct {
	RelativeZxid        int64
	Data                []string
	Exist               []string
	Child               []string
	Persistent          []string
	PersistentRecursive []string
}

// AppendTo appends the request.
func (m *SetWatches2Request) AppendTo(b []byte) []byte {
	b = AppendLong(b, m.RelativeZxid)
	b = AppendStrings(b, m.Data)
	b = AppendStrings(b, m.Exist)
	b = AppendStrings(b, m.Child)
	b = AppendStrings(b, m.Persistent)
	return AppendStrings(b, m.PersistentRecursive)
}

// Decode reads the request. Its strings are views of the input.
func (m *SetWatches2Request) Decode(r *Reader) {
	m.RelativeZxid = r.Long()
	m.Data = r.Strings(m.Data)
	m.Exist = r.Strings(m.Exist)
	m.Child = r.Strings(m.Child)
	m.Persistent = r.Strings(m.Persistent)
	m.PersistentRecursive = r.Strings(m.PersistentRecursive)
}
