package linearizability

import (
	"fmt"
	"strconv"
)

// Op is a kind of request, by ZooKeeper's number.
type Op int32

// The requests of ZooKeeper's protocol.
const (
	OpCreate               Op = 1
	OpDelete               Op = 2
	OpExists               Op = 3
	OpGetData              Op = 4
	OpSetData              Op = 5
	OpGetACL               Op = 6
	OpSetACL               Op = 7
	OpGetChildren          Op = 8
	OpSync                 Op = 9
	OpPing                 Op = 11
	OpGetChildren2         Op = 12
	OpCheck                Op = 13
	OpMulti                Op = 14
	OpCreate2              Op = 15
	OpReconfig             Op = 16
	OpCheckWatches         Op = 17
	OpRemoveWatches        Op = 18
	OpCreateContainer      Op = 19
	OpDeleteContainer      Op = 20
	OpCreateTTL            Op = 21
	OpMultiRead            Op = 22
	OpAuth                 Op = 100
	OpSetWatches           Op = 101
	OpSASL                 Op = 102
	OpGetEphemerals        Op = 103
	OpGetAllChildrenNumber Op = 104
	OpSetWatches2          Op = 105
	OpAddWatch             Op = 106
	OpWhoAmI               Op = 107
	OpCloseSession         Op = -11
	OpError                Op = -1
)

var opNames = map[Op]string{
	OpCreate: "create", OpDelete: "delete", OpExists: "exists", OpGetData: "getData",
	OpSetData: "setData", OpGetACL: "getACL", OpSetACL: "setACL", OpGetChildren: "getChildren",
	OpSync: "sync", OpPing: "ping", OpGetChildren2: "getChildren2", OpCheck: "check",
	OpMulti: "multi", OpCreate2: "create2", OpReconfig: "reconfig",
	OpCheckWatches: "checkWatches", OpRemoveWatches: "removeWatches",
	OpCreateContainer: "createContainer", OpDeleteContainer: "deleteContainer",
	OpCreateTTL: "createTTL", OpMultiRead: "multiRead", OpAuth: "auth",
	OpSetWatches: "setWatches", OpSASL: "sasl", OpGetEphemerals: "getEphemerals",
	OpGetAllChildrenNumber: "getAllChildrenNumber", OpSetWatches2: "setWatches2",
	OpAddWatch: "addWatch", OpWhoAmI: "whoAmI", OpCloseSession: "closeSession",
	OpError: "error",
}

var opsByName = func() map[string]Op {
	m := make(map[string]Op, len(opNames))
	for op, name := range opNames {
		m[name] = op
	}
	return m
}()

func (o Op) String() string {
	if s, ok := opNames[o]; ok {
		return s
	}
	return strconv.Itoa(int(o))
}

// UnmarshalText accepts the name of an op, or its number when it has none.
func (o *Op) UnmarshalText(b []byte) error {
	if op, ok := opsByName[string(b)]; ok {
		*o = op
		return nil
	}
	n, err := strconv.ParseInt(string(b), 10, 32)
	if err != nil {
		return fmt.Errorf("unknown op %q", b)
	}
	*o = Op(n)
	return nil
}

// Write says whether the op is decided by the log: it changes the tree or a session, takes a zxid
// when it is executed, and has a commit line.
func (o Op) Write() bool {
	switch o {
	case OpCreate, OpDelete, OpSetData, OpSetACL, OpMulti, OpCreate2, OpReconfig,
		OpCreateContainer, OpDeleteContainer, OpCreateTTL, OpCloseSession:
		return true
	}
	return false
}

// Code is ZooKeeper's error code of an answer; 0 is success.
type Code int32

// The error codes that judges know by name.
const (
	CodeOk                      Code = 0
	CodeRuntimeInconsistency    Code = -2
	CodeConnectionLoss          Code = -4
	CodeMarshallingError        Code = -5
	CodeUnimplemented           Code = -6
	CodeBadArguments            Code = -8
	CodeNoNode                  Code = -101
	CodeNoAuth                  Code = -102
	CodeBadVersion              Code = -103
	CodeNoChildrenForEphemerals Code = -108
	CodeNodeExists              Code = -110
	CodeNotEmpty                Code = -111
	CodeSessionExpired          Code = -112
	CodeInvalidACL              Code = -114
	CodeAuthFailed              Code = -115
	CodeSessionMoved            Code = -118
	CodeNotReadOnly             Code = -119
	CodeNoWatcher               Code = -121
	CodeReconfigInProgress      Code = -14
	CodeReconfigDisabled        Code = -123
	CodeQuotaExceeded           Code = -125
	CodeThrottledOp             Code = -127
	// CodeUnreadable is nobody's code: a client could not decode the answer.
	CodeUnreadable Code = -99999
)

// codeNames are what ZooKeeper calls them.
var codeNames = map[Code]string{
	CodeOk: "Ok", CodeRuntimeInconsistency: "RuntimeInconsistency",
	CodeConnectionLoss: "ConnectionLoss", CodeMarshallingError: "MarshallingError",
	CodeUnimplemented: "Unimplemented", CodeBadArguments: "BadArguments", CodeNoNode: "NoNode",
	CodeNoAuth: "NoAuth", CodeBadVersion: "BadVersion",
	CodeNoChildrenForEphemerals: "NoChildrenForEphemerals", CodeNodeExists: "NodeExists",
	CodeNotEmpty: "NotEmpty", CodeSessionExpired: "SessionExpired",
	CodeInvalidACL: "InvalidACL", CodeAuthFailed: "AuthFailed",
	CodeSessionMoved: "SessionMoved", CodeNotReadOnly: "NotReadOnly",
	CodeNoWatcher: "NoWatcher", CodeReconfigInProgress: "ReconfigInProgress",
	CodeReconfigDisabled: "ReconfigDisabled", CodeQuotaExceeded: "QuotaExceeded",
	CodeThrottledOp: "ThrottledOp", CodeUnreadable: "Unreadable",
}

func (c Code) String() string {
	if s, ok := codeNames[c]; ok {
		return s
	}
	return strconv.Itoa(int(c))
}

// EventType is ZooKeeper's type of a watch event.
type EventType int32

// The events that a server sends.
const (
	EventNodeCreated         EventType = 1
	EventNodeDeleted         EventType = 2
	EventNodeDataChanged     EventType = 3
	EventNodeChildrenChanged EventType = 4
)

var eventNames = [...]string{
	EventNodeCreated: "created", EventNodeDeleted: "deleted",
	EventNodeDataChanged: "dataChanged", EventNodeChildrenChanged: "childrenChanged",
}

func (e EventType) String() string {
	if e > 0 && int(e) < len(eventNames) {
		return eventNames[e]
	}
	return strconv.Itoa(int(e))
}

// UnmarshalText accepts the name of an event, or its number when it has none.
func (e *EventType) UnmarshalText(b []byte) error {
	for i, name := range eventNames {
		if name != "" && name == string(b) {
			*e = EventType(i)
			return nil
		}
	}
	n, err := strconv.ParseInt(string(b), 10, 32)
	if err != nil {
		return fmt.Errorf("unknown event %q", b)
	}
	*e = EventType(n)
	return nil
}

// Kind is the kind of a line.
type Kind uint8

// The kinds of lines. The comment names the fields that count besides No, At and Kind.
const (
	_ Kind = iota
	// KindConnect: a client opens a connection and sends its connect request. Server, Client,
	// Conn, Session (the one to resume, or 0) and Connect.
	KindConnect
	// KindConnected: the server's answer. Conn, Session and Connect. A time-out of 0 means that
	// the session is refused; Session then names the one that was to be resumed.
	KindConnected
	// KindCall: a request leaves the client. Client, Conn, Session, Xid, Request.
	KindCall
	// KindReturn: its reply arrives. Client, Conn, Session, Xid, Zxid (of the header), Result.
	KindReturn
	// KindEvent: a watch event arrives. Client, Conn, Session, Zxid (of the header), Event, Path.
	KindEvent
	// KindDisconnect: the connection is gone, as the client sees it. Conn and Text: CauseClient,
	// CauseServer or CauseNetwork.
	KindDisconnect
	// KindHeard: bytes of a connection have reached its server's host, whether or not the server
	// reads them. Conn. Such lines are needed only to judge that a client that is not read for
	// back-pressure is not taken for dead; they may be left out, or be rarer than the bytes.
	KindHeard
	// KindEnd: the client knows that its session is over. Client, Session, Text: EndClosed or
	// EndExpired.
	KindEnd
	// KindCommit: a command of the committed log and its outcome. Server (who applied it first),
	// Session, Xid, Zxid (0: took none), Request, Result, Commit.
	KindCommit
	// KindDigest: a member's digest. Server, Index, Digest, Text: one of the sources.
	KindDigest
	// KindLeader: a member has become leader. Server and Index, which holds the term.
	KindLeader
	// KindCrash: a server stops, with or without warning. Server.
	KindCrash
	// KindRestart: a server starts again. Server.
	KindRestart
	// KindPause: a server hangs, and KindResume: it goes on. Server.
	KindPause
	KindResume
	// KindQuiesce: from here on there are no more faults.
	KindQuiesce
	// KindNote: for people. Text.
	KindNote
)

var kindNames = [...]string{
	KindConnect: "connect", KindConnected: "connected", KindCall: "call", KindReturn: "return",
	KindEvent: "event", KindDisconnect: "disconnect", KindHeard: "heard",
	KindEnd: "end", KindCommit: "commit",
	KindDigest: "digest", KindLeader: "leader", KindCrash: "crash", KindRestart: "restart",
	KindPause: "pause", KindResume: "resume", KindQuiesce: "quiesce", KindNote: "note",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "kind" + strconv.Itoa(int(k))
}

// UnmarshalText accepts the name of a kind.
func (k *Kind) UnmarshalText(b []byte) error {
	for i, name := range kindNames {
		if name != "" && name == string(b) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("unknown kind of line %q", b)
}

// What Text says on lines of the kinds disconnect, end and digest.
const (
	CauseClient   = "client"  // the client closed the connection
	CauseServer   = "server"  // the server did
	CauseNetwork  = "network" // the network lost it, or a host went down
	EndClosed     = "closed"  // the client's close was answered
	EndExpired    = "expired" // a server said that the session is no more
	SourceRunning = "running" // computed while applying
	SourceLoaded  = "loaded"  // computed anew from what was loaded
	SourceLog     = "log"     // of the committed log up to Index, as this server has it
	SourceFinal   = "final"   // running, at the end: all members are at one index then
)

// What Turn says on lines of commits.
const (
	TurnTaken   = "taken"
	TurnRefused = "refused"
)

// CommitKind is the kind of a committed command.
type CommitKind uint8

// The kinds of commits. A line of any other kind of command than these is CommitOther.
const (
	_ CommitKind = iota
	// CommitRequest is a client's write request other than closing its session.
	CommitRequest
	// CommitCreateSession begins Line.Session. TimeoutMs, Secret, Identities, Generation.
	CommitCreateSession
	// CommitAttach moves Line.Session to a connection. Secret, Identities (they replace the
	// session's), LastZxidSeen and Generation, the new one, or 0 when it was refused.
	CommitAttach
	// CommitClose is a client's request to end its session. Generation.
	CommitClose
	// CommitExpire is the service's own end of a session. Generation: the one that was silent.
	CommitExpire
	// CommitAuth adds Identities to the session. Generation.
	CommitAuth
	// CommitReap deletes the TTL or container node Line.Path.
	CommitReap
	// CommitConfig writes Line.Request.Data to /zookeeper/config, and takes a zxid if it ends a
	// reconfig or began an ensemble. If it ends one, Line.Session and Line.Xid name it, and
	// Line.Result is what its client is answered; one that fails writes nothing. If Pending, it
	// only begins a change that the service has set itself, to what Data holds; its end has no
	// session.
	CommitConfig
	// CommitOther has no effect on clients: housekeeping, or an entry without commands.
	CommitOther
)

var commitNames = [...]string{
	CommitRequest: "request", CommitCreateSession: "createSession", CommitAttach: "attach",
	CommitClose: "close", CommitExpire: "expire", CommitAuth: "auth", CommitReap: "reap",
	CommitConfig: "config", CommitOther: "other",
}

func (c CommitKind) String() string {
	if int(c) < len(commitNames) && commitNames[c] != "" {
		return commitNames[c]
	}
	return "commit" + strconv.Itoa(int(c))
}

// UnmarshalText accepts the name of a kind of commit.
func (c *CommitKind) UnmarshalText(b []byte) error {
	for i, name := range commitNames {
		if name != "" && name == string(b) {
			*c = CommitKind(i)
			return nil
		}
	}
	return fmt.Errorf("unknown kind of commit %q", b)
}
