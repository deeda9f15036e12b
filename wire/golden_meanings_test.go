package wire

import "encoding/hex"

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

const (
	first = 1 << 32       // the zxid before the first of epoch 1
	start = 0x1a1fb6de000 // a time shortly before the captures
)

// stat of /j after the first setData and before the multi.
var statJ = Stat{Czxid: first + 0x17, Mzxid: first + 0x1f, Ctime: start + 0x3a3,
	Mtime: start + 0x3f8, Version: 1, Cversion: 8, DataLength: 6, NumChildren: 6,
	Pzxid: first + 0x24}

var world = ACL{PermAll, ID{"world", "anyone"}}

// goldenMeanings pairs frames of testdata/golden with their meaning. A name that stands here
// twice means the next frame of that name.
var goldenMeanings = []struct {
	name string
	want []record
}{
	{"java connect > connect", []record{&ConnectRequest{TimeoutMs: 12000,
		Password: make([]byte, 16), HasReadOnly: true}}},
	{"java connect < connect", []record{&ConnectResponse{TimeoutMs: 12000,
		SessionID: 0x010000160da10002, Password: unhex("3f751eaa4e6eaf246137f0b1e031e59d"),
		HasReadOnly: true}}},
	{"java drop > connect", []record{&ConnectRequest{LastZxidSeen: first + 0x27, TimeoutMs: 12000,
		SessionID: 0x010000160da10002, Password: unhex("3f751eaa4e6eaf246137f0b1e031e59d"),
		HasReadOnly: true}}},
	{"java33 connect > connect", []record{&ConnectRequest{TimeoutMs: 12000,
		Password: make([]byte, 16)}}},
	{"gozk connect < connect", []record{&ConnectResponse{TimeoutMs: 10000,
		SessionID: 0x010000160da10004, Password: unhex("b13bfba90e34ebc120c95bb6d666606c")}}},

	{"java whoami > auth", []record{&RequestHeader{XidAuth, OpAuth},
		&AuthRequest{Scheme: "digest", Auth: []byte("root:pass")}}},
	{"java whoami < auth", []record{&ReplyHeader{XidAuth, 0, CodeOk}}},
	{"gozk auth > auth", []record{&RequestHeader{1, OpAuth}, // go-zookeeper numbers it
		&AuthRequest{Scheme: "digest", Auth: []byte("gopher:go")}}},
	{"java whoami > whoAmI", []record{&RequestHeader{2, OpWhoAmI}}},
	{"java whoami < whoAmI", []record{&ReplyHeader{2, first + 0x16, CodeOk},
		&WhoAmIResponse{[]ClientInfo{{"digest", "root"}, {"ip", "127.0.0.1"}}}}},
	{"kazoo sasl > sasl", []record{&RequestHeader{1, OpSASL}, &SASLRequest{[]byte{}}}},
	{"java close > closeSession", []record{&RequestHeader{0x35, OpCloseSession}}},
	{"java close < closeSession", []record{&ReplyHeader{0x35, first + 0x30, CodeOk}}},
	{"java idle > ping", []record{&RequestHeader{XidPing, OpPing}}},
	{"java idle < ping", []record{&ReplyHeader{XidPing, first + 0x2c, CodeOk}}},

	{"java create > create", []record{&RequestHeader{3, OpCreate},
		&CreateRequest{"/j", []byte("hello"), []ACL{world}, FlagPersistent}}},
	{"java create < create", []record{&ReplyHeader{3, first + 0x17, CodeOk}, &PathResponse{"/j"}}},
	{"java create-null > create", []record{&RequestHeader{4, OpCreate},
		&CreateRequest{"/j/null", nil, []ACL{world}, FlagPersistent}}},
	{"java create-aclauth > create", []record{&RequestHeader{6, OpCreate},
		&CreateRequest{"/j/x", []byte{}, []ACL{{PermAll, ID{"auth", ""}}}, FlagEphemeral}}},
	{"kazoo create-exists < create", []record{&ReplyHeader{2, first + 3, CodeNodeExists}}},
	{"java create2 > create2", []record{&RequestHeader{7, OpCreate2},
		&CreateRequest{"/j/two", []byte("2"), []ACL{world}, FlagEphemeralSequential}}},
	{"java create2 < create2", []record{&ReplyHeader{7, first + 0x1b, CodeOk},
		&Create2Response{"/j/two0000000003", Stat{Czxid: first + 0x1b, Mzxid: first + 0x1b,
			Ctime: start + 0x3c2, Mtime: start + 0x3c2, EphemeralOwner: 0x010000160da10002,
			DataLength: 1, Pzxid: first + 0x1b}}}},
	{"java container > createContainer", []record{&RequestHeader{8, OpCreateContainer},
		&CreateRequest{"/j/c", []byte("c"), []ACL{world}, FlagContainer}}},
	{"java ttl > createTTL", []record{&RequestHeader{9, OpCreateTTL},
		&CreateTTLRequest{"/j/t", []byte("t"), []ACL{world}, FlagTTL, 3600000}}},
	{"java ttl-seq > createTTL", []record{&RequestHeader{10, OpCreateTTL},
		&CreateTTLRequest{"/j/t", []byte("t"), []ACL{world}, FlagTTLSequential, MaxTTLMs}}},
	{"java delete > delete", []record{&RequestHeader{0x11, OpDelete},
		&DeleteRequest{"/j/null", 1}}},
	{"java delete < delete", []record{&ReplyHeader{0x11, first + 0x24, CodeOk}}},
	{"java set > setData", []record{&RequestHeader{11, OpSetData},
		&SetDataRequest{"/j", []byte("world!"), 0}}},
	{"java set < setData", []record{&ReplyHeader{11, first + 0x1f, CodeOk},
		&StatResponse{Stat{Czxid: first + 0x17, Mzxid: first + 0x1f, Ctime: start + 0x3a3,
			Mtime: start + 0x3f8, Version: 1, Cversion: 7, DataLength: 6, NumChildren: 7,
			Pzxid: first + 0x1e}}}},
	{"java set-null > setData", []record{&RequestHeader{12, OpSetData},
		&SetDataRequest{"/j/null", nil, AnyVersion}}},
	{"java setacl > setACL", []record{&RequestHeader{14, OpSetACL},
		&SetACLRequest{"/j/t", []ACL{{PermAll, ID{"auth", ""}}}, 0}}},
	{"java getacl > getACL", []record{&RequestHeader{15, OpGetACL}, &PathRequest{"/j/t"}}},
	{"java getacl < getACL", []record{&ReplyHeader{15, first + 0x22, CodeOk},
		&GetACLResponse{[]ACL{{PermAll, ID{"digest", "root:9RIYjZZwJPEVFWoUcfcdkAlZkCo="}}},
			Stat{Czxid: first + 0x1d, Mzxid: first + 0x1d, Ctime: start + 0x3de,
				Mtime: start + 0x3de, Aversion: 1, DataLength: 1, Pzxid: first + 0x1d}}}},

	{"java get > getData", []record{&RequestHeader{0x12, OpGetData},
		&PathWatchRequest{"/j", false}}},
	{"java get < getData", []record{&ReplyHeader{0x12, first + 0x24, CodeOk},
		&GetDataResponse{[]byte("world!"), statJ}}},
	{"java watch-exists > exists", []record{&RequestHeader{0x21, OpExists},
		&PathWatchRequest{"/j/later", true}}},
	{"java watch-exists < exists", []record{&ReplyHeader{0x21, first + 0x27, CodeNoNode}}},
	{"java children-empty < getChildren", []record{&ReplyHeader{0x17, first + 0x24, CodeOk},
		&ChildrenResponse{[]string{}}}},
	{"java children2 > getChildren2", []record{&RequestHeader{0x16, OpGetChildren2},
		&PathWatchRequest{"/j", false}}},
	{"java children2 < getChildren2", []record{&ReplyHeader{0x16, first + 0x24, CodeOk},
		&Children2Response{[]string{"two0000000003", "c", "t", "x", "t0000000006", "s0000000001"},
			statJ}}},
	{"java ephemerals > getEphemerals", []record{&RequestHeader{0x18, OpGetEphemerals},
		&PathRequest{"/j"}}},
	{"java ephemerals < getEphemerals", []record{&ReplyHeader{0x18, first + 0x24, CodeOk},
		&EphemeralsResponse{[]string{"/j/two0000000003", "/j/x"}}}},
	{"java count < getAllChildrenNumber", []record{&ReplyHeader{0x1a, first + 0x24, CodeOk},
		&CountResponse{6}}},
	{"java sync < sync", []record{&ReplyHeader{0x1b, first + 0x24, CodeOk}, &PathResponse{"/j"}}},

	{"java multi > multi", []record{&RequestHeader{0x1c, OpMulti}, &MultiRequest{[]MultiOp{
		{Op: OpCreate, Create: CreateTTLRequest{"/j/m1", []byte("1"), []ACL{world}, 0, 0}},
		{Op: OpCreateContainer,
			Create: CreateTTLRequest{"/j/m2", []byte("2"), []ACL{world}, FlagContainer, 0}},
		{Op: OpCreateTTL,
			Create: CreateTTLRequest{"/j/m3", []byte("3"), []ACL{world}, FlagTTL, 5000}},
		{Op: OpCreate, Create: CreateTTLRequest{"/j/m4-", []byte("4"), []ACL{world},
			FlagEphemeralSequential, 0}},
		{Op: OpSetData, SetData: SetDataRequest{"/j/m1", []byte("one"), 0}},
		{Op: OpCheck, Check: CheckRequest{"/j/m1", 1}},
		{Op: OpDelete, Delete: DeleteRequest{"/j/m1", 1}},
	}}}},
	{"java multi < multi", []record{&ReplyHeader{0x1c, first + 0x25, CodeOk},
		&MultiResponse{[]MultiResult{
			{Op: OpCreate, Path: "/j/m1"},
			{Op: OpCreate2, Path: "/j/m2", Stat: statMulti(0)},
			{Op: OpCreate2, Path: "/j/m3", Stat: statMulti(0)},
			{Op: OpCreate, Path: "/j/m4-0000000010"},
			{Op: OpSetData, Stat: statMulti(1)},
			{Op: OpCheck},
			{Op: OpDelete},
		}}}},
	{"java multi-fails < multi", []record{&ReplyHeader{0x1d, first + 0x26, CodeOk},
		&MultiResponse{[]MultiResult{{Op: OpError}, {Op: OpError, Err: CodeNoNode},
			{Op: OpError, Err: CodeRuntimeInconsistency}}}}},
	{"kazoo multi-empty > multi", []record{&RequestHeader{0x14, OpMulti}, &MultiRequest{}}},
	{"java multiread > multiRead", []record{&RequestHeader{0x1e, OpMultiRead},
		&MultiRequest{[]MultiOp{
			{Op: OpGetData, Read: PathWatchRequest{Path: "/j"}},
			{Op: OpGetChildren, Read: PathWatchRequest{Path: "/j"}},
			{Op: OpGetData, Read: PathWatchRequest{Path: "/j/none"}},
			{Op: OpGetChildren, Read: PathWatchRequest{Path: "/j/m2"}},
		}}}},
	{"java multiread < multiRead", []record{&ReplyHeader{0x1e, first + 0x26, CodeOk},
		&MultiResponse{[]MultiResult{
			{Op: OpGetData, Data: []byte("world!"), Stat: Stat{Czxid: first + 0x17,
				Mzxid: first + 0x1f, Ctime: start + 0x3a3, Mtime: start + 0x3f8, Version: 1,
				Cversion: 13, DataLength: 6, NumChildren: 9, Pzxid: first + 0x25}},
			{Op: OpGetChildren, Children: []string{"two0000000003", "c", "t", "m2", "m3",
				"m4-0000000010", "x", "t0000000006", "s0000000001"}},
			{Op: OpError, Err: CodeNoNode},
			{Op: OpGetChildren, Children: []string{}},
		}}}},

	{"java drop > setWatches", []record{&RequestHeader{0x23, OpSetWatches}, // Java numbers it
		&SetWatchesRequest{first + 0x27, []string{"/j"}, []string{"/j/later"}, []string{"/j/m2"}}}},
	{"java drop < setWatches", []record{&ReplyHeader{0x23, first + 0x27, CodeOk}}},
	{"java drop2 > setWatches2", []record{&RequestHeader{0x2b, OpSetWatches2},
		&SetWatches2Request{first + 0x2a, []string{"/j"}, []string{}, []string{}, []string{"/j"},
			[]string{"/j/m2"}}}},
	{"java fire-create < notification", []record{
		&ReplyHeader{XidNotification, first + 0x29, CodeOk},
		&WatcherEvent{EventNodeCreated, StateSyncConnected, "/j/later"}}},
	{"java close < notification", []record{&ReplyHeader{XidNotification, first + 0x30, CodeOk},
		&WatcherEvent{EventNodeChildrenChanged, StateSyncConnected, "/j"}}},
	{"java close < notification", []record{&ReplyHeader{XidNotification, first + 0x30, CodeOk},
		&WatcherEvent{EventNodeChildrenChanged, StateSyncConnected, "/j"}}},
	{"java addwatch-recursive > addWatch", []record{&RequestHeader{0x2a, OpAddWatch},
		&AddWatchRequest{"/j/m2", ModePersistentRecursive}}},
	{"java addwatch < addWatch", []record{&ReplyHeader{0x29, first + 0x2a, CodeOk},
		&ErrorResponse{CodeOk}}},
	{"java remove-data > removeWatches", []record{&RequestHeader{0x30, OpRemoveWatches},
		&WatcherRequest{"/j", WatcherData}}},
	{"java remove-none < removeWatches", []record{&ReplyHeader{0x31, first + 0x2c, CodeNoWatcher}}},
	{"raw addwatch-badmode < addWatch", []record{
		&ReplyHeader{1, first + 0x42, CodeMarshallingError}}},

	{"java reconfig > reconfig", []record{&RequestHeader{0x34, OpReconfig},
		&ReconfigRequest{Leaving: "9", HasLeaving: true, CurrentConfigID: AnyVersion}}},
	{"java reconfig-noauth > reconfig", []record{&RequestHeader{0x32, OpReconfig},
		&ReconfigRequest{HasJoining: true, Leaving: "9", HasLeaving: true,
			CurrentConfigID: AnyVersion}}},
	{"java reconfig < reconfig", []record{&ReplyHeader{0x34, first + 0x2f, CodeOk},
		&GetDataResponse{
			[]byte("server.1=127.0.0.1:42231:36765:participant\nversion=10000002f"),
			Stat{Mzxid: first + 0x2f, Mtime: 0x1a1fb6e0861, Version: -1, Aversion: -1,
				DataLength: 60}}}},
}

// statMulti is the Stat of the nodes that the golden multi creates, after so many setData.
func statMulti(version int32) Stat {
	s := Stat{Czxid: first + 0x25, Mzxid: first + 0x25, Ctime: start + 0x499,
		Mtime: start + 0x499, DataLength: 1, Pzxid: first + 0x25}
	if version > 0 {
		s.Version, s.DataLength = version, 3
	}
	return s
}
