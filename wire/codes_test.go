package wire

import (
	"fmt"
	"strings"
	"testing"
)

// The tables of PROTOCOL 1.4, 1.5 and 1.6, written down a second time.
const opTable = `
	notification 0 create 1 delete 2 exists 3 getData 4 setData 5 getACL 6 setACL 7 getChildren 8
	sync 9 ping 11 getChildren2 12 check 13 multi 14 create2 15 reconfig 16 checkWatches 17
	removeWatches 18 createContainer 19 deleteContainer 20 createTTL 21 multiRead 22 auth 100
	setWatches 101 sasl 102 getEphemerals 103 getAllChildrenNumber 104 setWatches2 105
	addWatch 106 whoAmI 107 createSession -10 closeSession -11 error -1`

const codeTable = `
	Ok 0 SystemError -1 RuntimeInconsistency -2 DataInconsistency -3 ConnectionLoss -4
	MarshallingError -5 Unimplemented -6 OperationTimeout -7 BadArguments -8 UnknownSession -12
	NewConfigNoQuorum -13 ReconfigInProgress -14 APIError -100 NoNode -101 NoAuth -102
	BadVersion -103 NoChildrenForEphemerals -108 NodeExists -110 NotEmpty -111
	SessionExpired -112 InvalidCallback -113 InvalidACL -114 AuthFailed -115 SessionMoved -118
	NotReadOnly -119 EphemeralOnLocalSession -120 NoWatcher -121 RequestTimeout -122
	ReconfigDisabled -123 SessionClosedRequireSaslAuth -124 QuotaExceeded -125 ThrottledOp -127`

const eventTable = `
	None -1 NodeCreated 1 NodeDeleted 2 NodeDataChanged 3 NodeChildrenChanged 4
	DataWatchRemoved 5 ChildWatchRemoved 6 PersistentWatchRemoved 7`

const stateTable = `
	Expired -112 Unknown -1 Disconnected 0 NoSyncConnected 1 SyncConnected 3 AuthFailed 4
	ConnectedReadOnly 5 SaslAuthenticated 6 Closed 7`

func TestCodes(t *testing.T) {
	for _, test := range []struct {
		typ   string
		table string
		names int
		name  func(n int) string
	}{
		{"OpCode", opTable, len(opNames), func(n int) string { return OpCode(n).String() }},
		{"ErrorCode", codeTable, len(codeNames),
			func(n int) string { return ErrorCode(n).String() }},
		{"EventType", eventTable, len(eventNames),
			func(n int) string { return EventType(n).String() }},
		{"KeeperState", stateTable, len(stateNames),
			func(n int) string { return KeeperState(n).String() }},
	} {
		fields := strings.Fields(test.table)
		want := map[int]string{}
		for i := 0; i < len(fields); i += 2 {
			var n int
			if _, err := fmt.Sscan(fields[i+1], &n); err != nil {
				t.Fatal(err)
			}
			want[n] = fields[i]
		}
		if len(want) != test.names {
			t.Errorf("%s has %d names, want %d", test.typ, test.names, len(want))
		}
		for n := -200; n < 200; n++ {
			name, ok := want[n]
			if !ok {
				name = fmt.Sprintf("%s(%d)", test.typ, n)
			}
			if got := test.name(n); got != name {
				t.Errorf("%s(%d) is called %s, want %s", test.typ, n, got, name)
			}
		}
	}
}

func TestPermString(t *testing.T) {
	for p, want := range map[Perm]string{
		0: "-", PermRead: "r", PermWrite: "w", PermCreate: "c", PermDelete: "d", PermAdmin: "a",
		PermAll: "cdrwa", PermRead | PermCreate: "cr", 32: "Perm(32)", -1: "Perm(-1)",
	} {
		if got := p.String(); got != want {
			t.Errorf("Perm %d is called %s, want %s", int32(p), got, want)
		}
	}
}

// Limits and small enumerations, as PROTOCOL writes them.
func TestConstants(t *testing.T) {
	for _, test := range []struct {
		what      string
		got, want int64
	}{
		{"jute.maxbuffer", DefaultMaxBuffer, 1048575},
		{"longest TTL", MaxTTLMs, 1<<40 - 1},
		{"xid of notifications", int64(XidNotification), -1},
		{"xid of pings", int64(XidPing), -2},
		{"xid of auth", int64(XidAuth), -4},
		{"xid of setWatches", int64(XidSetWatches), -8},
		{"TTL-sequential", int64(FlagTTLSequential), 6},
		{"recursive mode", int64(ModePersistentRecursive), 1},
		{"recursive watcher", int64(WatcherPersistentRecursive), 5},
		{"telnet's close", int64(TelnetClose), 0xfff4fffd},
		{"all permissions", int64(PermRead | PermWrite | PermCreate | PermDelete | PermAdmin),
			int64(PermAll)},
	} {
		if test.got != test.want {
			t.Errorf("%s is %d, want %d", test.what, test.got, test.want)
		}
	}
	acl := OpenACL()
	acl[0].Perms = 0
	if got := OpenACL()[0]; got != (ACL{PermAll, ID{"world", "anyone"}}) {
		t.Errorf("OpenACL gives %v after a change to an earlier one", got)
	}
}
