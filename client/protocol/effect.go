package protocol

import "github.com/vivariumdb/vivarium/wire"

// ConnID names one attempt to connect, from its Dial to its Lost. It counts from 1.
type ConnID uint64

// WatcherID is the caller's name for who is told of events. It may stand for one watch or for
// many. 0 is nobody in particular: such a watch is kept and set again like any other.
type WatcherID uint64

// An Effect is something for the driver to do or to hand on: a Dial, HangUp, StateChange, Reply
// or Event.
type Effect interface{ effect() }

// Dial asks for a connection to Server, one of Config.Servers.
type Dial struct {
	Conn   ConnID
	Server string
}

// HangUp asks to close a connection, or to stop connecting. Bytes of Output taken after it are
// for the next connection.
type HangUp struct {
	Conn  ConnID
	Cause Cause
}

// StateChange tells where the session stands: SyncConnected, ConnectedReadOnly, Disconnected, or,
// as the last word, Expired, AuthFailed or Closed.
type StateChange struct {
	State wire.KeeperState
	Cause Cause
}

// Reply answers the request with this Tag.
type Reply struct {
	Tag  uint64
	Op   wire.OpCode
	Zxid int64          // of the header; 0 if the answer was made here
	Err  wire.ErrorCode // of the header, or CodeConnectionLoss, CodeSessionExpired, CodeAuthFailed
	Body []byte         // what follows the header; empty unless Err is CodeOk
}

// Event tells Watchers what happened to Path. One-shot watches among them are spent.
type Event struct {
	Type     wire.EventType
	Path     string
	Zxid     int64       // of the change; -1 if the server found it in a setWatches
	Watchers []WatcherID // in the order of their watches; nobody if the last was removed meanwhile
}

func (Dial) effect()        {}
func (HangUp) effect()      {}
func (StateChange) effect() {}
func (Reply) effect()       {}
func (Event) effect()       {}

// Cause says why a connection or a session ended.
type Cause uint8

// The causes. CauseViolation is a server that does not keep to the protocol.
const (
	CauseNone        Cause = iota
	CauseLost              // the connection ended
	CauseSilence           // no word from the server for two thirds of the time-out
	CauseSlowConnect       // no connection and handshake in time
	CauseViolation         // bytes that are not an answer to what was asked
	CauseRefused           // the server does not know the session any more
	CauseAuth              // the server refused credentials
	CauseClosed            // the caller wished it
)

// String returns the cause in words.
func (c Cause) String() string {
	switch c {
	case CauseNone:
		return "no cause"
	case CauseLost:
		return "connection lost"
	case CauseSilence:
		return "server silent for too long"
	case CauseSlowConnect:
		return "no connection in time"
	case CauseViolation:
		return "server broke the protocol"
	case CauseRefused:
		return "session expired"
	case CauseAuth:
		return "credentials refused"
	case CauseClosed:
		return "closed"
	}
	return "unknown cause"
}
