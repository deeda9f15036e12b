package wire

import "strconv"

// OpCode says what a request asks for. The numbers are those of PROTOCOL 1.4.
type OpCode int32

// The operations a client may send, the server's notification, and the three negative codes:
// OpError marks a failed operation inside a multi, OpCreateSession never crosses a client's
// socket, and OpCloseSession is a client's goodbye.
const (
	OpNotification         OpCode = 0
	OpCreate               OpCode = 1
	OpDelete               OpCode = 2
	OpExists               OpCode = 3
	OpGetData              OpCode = 4
	OpSetData              OpCode = 5
	OpGetACL               OpCode = 6
	OpSetACL               OpCode = 7
	OpGetChildren          OpCode = 8
	OpSync                 OpCode = 9
	OpPing                 OpCode = 11
	OpGetChildren2         OpCode = 12
	OpCheck                OpCode = 13
	OpMulti                OpCode = 14
	OpCreate2              OpCode = 15
	OpReconfig             OpCode = 16
	OpCheckWatches         OpCode = 17
	OpRemoveWatches        OpCode = 18
	OpCreateContainer      OpCode = 19
	OpDeleteContainer      OpCode = 20
	OpCreateTTL            OpCode = 21
	OpMultiRead            OpCode = 22
	OpAuth                 OpCode = 100
	OpSetWatches           OpCode = 101
	OpSASL                 OpCode = 102
	OpGetEphemerals        OpCode = 103
	OpGetAllChildrenNumber OpCode = 104
	OpSetWatches2          OpCode = 105
	OpAddWatch             OpCode = 106
	OpWhoAmI               OpCode = 107
	OpCreateSession        OpCode = -10
	OpCloseSession         OpCode = -11
	OpError                OpCode = -1
)

// The xids that name a kind of packet instead of counting requests (PROTOCOL 1.1). Xids above
// zero count as outstanding requests, these do not.
//
// Clients do not all keep to the last two: the Java client and go-zookeeper number their
// setWatches, go-zookeeper its auth as well (testdata, steps drop and auth). So a request is told
// by its opcode, and a reply carries whatever xid the request had.
const (
	XidNotification int32 = -1
	XidPing         int32 = -2
	XidAuth         int32 = -4
	XidSetWatches   int32 = -8
)

// The flags of the create operations (PROTOCOL 1.4). They are an enumeration, not bits.
const (
	FlagPersistent           int32 = 0
	FlagEphemeral            int32 = 1
	FlagPersistentSequential int32 = 2
	FlagEphemeralSequential  int32 = 3
	FlagContainer            int32 = 4
	FlagTTL                  int32 = 5
	FlagTTLSequential        int32 = 6
)

const (
	// AnyVersion as the version of a delete, setData, setACL or check matches every version;
	// as the CurrentConfigID of a reconfig, every configuration.
	AnyVersion = -1

	// MaxTTLMs is the longest time to live of a TTL node, in milliseconds: 40 bits.
	MaxTTLMs = 1<<40 - 1
)

// String returns the operation's name as ZooKeeper writes it, or OpCode(n).
func (op OpCode) String() string {
	if name, ok := opNames[op]; ok {
		return name
	}
	return "OpCode(" + strconv.Itoa(int(op)) + ")"
}

var opNames = map[OpCode]string{
	OpNotification:         "notification",
	OpCreate:               "create",
	OpDelete:               "delete",
	OpExists:               "exists",
	OpGetData:              "getData",
	OpSetData:              "setData",
	OpGetACL:               "getACL",
	OpSetACL:               "setACL",
	OpGetChildren:          "getChildren",
	OpSync:                 "sync",
	OpPing:                 "ping",
	OpGetChildren2:         "getChildren2",
	OpCheck:                "check",
	OpMulti:                "multi",
	OpCreate2:              "create2",
	OpReconfig:             "reconfig",
	OpCheckWatches:         "checkWatches",
	OpRemoveWatches:        "removeWatches",
	OpCreateContainer:      "createContainer",
	OpDeleteContainer:      "deleteContainer",
	OpCreateTTL:            "createTTL",
	OpMultiRead:            "multiRead",
	OpAuth:                 "auth",
	OpSetWatches:           "setWatches",
	OpSASL:                 "sasl",
	OpGetEphemerals:        "getEphemerals",
	OpGetAllChildrenNumber: "getAllChildrenNumber",
	OpSetWatches2:          "setWatches2",
	OpAddWatch:             "addWatch",
	OpWhoAmI:               "whoAmI",
	OpCreateSession:        "createSession",
	OpCloseSession:         "closeSession",
	OpError:                "error",
}
