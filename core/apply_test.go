package core

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

// garden returns a State with one of everything, and three sessions: the owner of what is
// protected, a stranger, and the super user.
//
//	/plain (version 2) with child /plain/kid     /ephemeral     /container     /ttl
//	/private: all for the owner only             /readable: everybody may read
func garden(t *testing.T) (m *machine, owner, stranger, super *client) {
	t.Helper()
	m = newMachine(t)
	owner = m.connect(wire.ID{Scheme: "ip", ID: "10.0.0.1"}, wire.ID{Scheme: "digest", ID: "u:x"})
	stranger = m.connect(wire.ID{Scheme: "ip", ID: "10.0.0.2"})
	super = m.connect(wire.ID{Scheme: "super"})
	must(t, owner.create("/plain", "", 0))
	must(t, owner.set("/plain", "1", 0))
	must(t, owner.set("/plain", "data", 1))
	must(t, owner.create("/plain/kid", "", 0))
	must(t, owner.create("/ephemeral", "", wire.FlagEphemeral))
	must(t, owner.do(wire.OpCreateContainer, &wire.CreateRequest{Path: "/container",
		ACL: wire.OpenACL()}))
	must(t, owner.do(wire.OpCreateTTL, &wire.CreateTTLRequest{Path: "/ttl", ACL: wire.OpenACL(),
		Flags: wire.FlagTTL, TTLMs: 1000}))
	for path, perms := range map[string]wire.Perm{"/private": 0, "/readable": wire.PermRead} {
		acl := []wire.ACL{{Perms: wire.PermAll, ID: wire.ID{Scheme: "auth"}}}
		if perms != 0 {
			acl = append(acl, wire.ACL{Perms: perms, ID: worldAnyone})
		}
		must(t, owner.do(wire.OpCreate, &wire.CreateRequest{Path: path, ACL: acl}))
	}
	return m, owner, stranger, super
}

// TestErrors has a line for each error of each write. The order of the checks is that of
// PROTOCOL 1.4: a request with several faults has the first one's error.
func TestErrors(t *testing.T) {
	create := func(path string) *wire.CreateRequest {
		return &wire.CreateRequest{Path: path, ACL: wire.OpenACL()}
	}
	flagged := func(path string, flags int32) *wire.CreateRequest {
		return &wire.CreateRequest{Path: path, ACL: wire.OpenACL(), Flags: flags}
	}
	withTTL := func(flags int32, ms int64) *wire.CreateTTLRequest {
		return &wire.CreateTTLRequest{Path: "/new", ACL: wire.OpenACL(), Flags: flags, TTLMs: ms}
	}
	del := func(path string, version int32) *wire.DeleteRequest {
		return &wire.DeleteRequest{Path: path, Version: version}
	}
	set := func(path string, version int32) *wire.SetDataRequest {
		return &wire.SetDataRequest{Path: path, Version: version}
	}
	acl := func(path string, version int32, acl ...wire.ACL) *wire.SetACLRequest {
		return &wire.SetACLRequest{Path: path, Version: version, ACL: acl}
	}
	open := wire.OpenACL()[0]
	const (
		owner = iota
		stranger
		super
	)
	tests := []struct {
		by   int
		op   wire.OpCode
		r    record
		want wire.ErrorCode
	}{
		{owner, wire.OpCreate, create("/new"), wire.CodeOk},
		{owner, wire.OpCreate, flagged("/no/where", 7), wire.CodeBadArguments},
		{owner, wire.OpCreate, flagged("/new", -1), wire.CodeBadArguments},
		{owner, wire.OpCreate, flagged("/new", wire.FlagTTL), wire.CodeBadArguments},
		{owner, wire.OpCreate, flagged("/new", wire.FlagContainer), wire.CodeOk},
		{owner, wire.OpCreate, create("new"), wire.CodeBadArguments},
		{owner, wire.OpCreate, create(""), wire.CodeBadArguments},
		{owner, wire.OpCreate, create("/a\x00b"), wire.CodeBadArguments},
		{owner, wire.OpCreate, &wire.CreateRequest{Path: "/no/where"}, wire.CodeInvalidACL},
		{owner, wire.OpCreate, create("/no/where"), wire.CodeNoNode},
		{owner, wire.OpCreate, create("/no//where"), wire.CodeNoNode},
		{owner, wire.OpCreate, create("/plain//x"), wire.CodeNoNode},
		{owner, wire.OpCreate, create("/plain/"), wire.CodeBadArguments},
		{owner, wire.OpCreate, create("/plain/.."), wire.CodeBadArguments},
		{stranger, wire.OpCreate, create("/private/.."), wire.CodeNoAuth},
		{stranger, wire.OpCreate, create("/readable/x"), wire.CodeNoAuth},
		{super, wire.OpCreate, create("/private/x"), wire.CodeOk},
		{owner, wire.OpCreate, create("/plain"), wire.CodeNodeExists},
		{owner, wire.OpCreate, create("/"), wire.CodeNodeExists},
		{owner, wire.OpCreate, flagged("/", wire.FlagPersistentSequential), wire.CodeOk},
		{owner, wire.OpCreate, create("/ephemeral/x"), wire.CodeNoChildrenForEphemerals},
		{owner, wire.OpCreate, create("/ttl/x"), wire.CodeOk},
		{owner, wire.OpCreate, create("/zookeeper/x"), wire.CodeOk},
		{owner, wire.OpCreate, create("/zookeeper/config/x"), wire.CodeNoAuth},
		{owner, wire.OpCreateTTL, withTTL(wire.FlagTTL, 1), wire.CodeOk},
		{owner, wire.OpCreateTTL, withTTL(wire.FlagTTLSequential, 1<<40-1), wire.CodeOk},
		{owner, wire.OpCreateTTL, withTTL(wire.FlagTTL, 0), wire.CodeBadArguments},
		{owner, wire.OpCreateTTL, withTTL(wire.FlagTTL, -5), wire.CodeBadArguments},
		{owner, wire.OpCreateTTL, withTTL(wire.FlagTTL, 1<<40), wire.CodeBadArguments},
		{owner, wire.OpCreateTTL, withTTL(wire.FlagEphemeral, 5), wire.CodeBadArguments},
		{owner, wire.OpCreateTTL, withTTL(wire.FlagPersistent, -1), wire.CodeBadArguments},

		{owner, wire.OpDelete, del("/plain/kid", 0), wire.CodeOk},
		{owner, wire.OpDelete, del("/ephemeral", -1), wire.CodeOk},
		{owner, wire.OpDelete, del("/", -1), wire.CodeBadArguments},
		{owner, wire.OpDelete, del("/zookeeper", -1), wire.CodeBadArguments},
		{owner, wire.OpDelete, del("/zookeeper/quota", -1), wire.CodeBadArguments},
		{owner, wire.OpDelete, del("/zookeeper/config", -1), wire.CodeBadArguments},
		{owner, wire.OpDelete, del("", -1), wire.CodeBadArguments},
		{owner, wire.OpDelete, del("plain", -1), wire.CodeBadArguments},
		{owner, wire.OpDelete, del("/no/where", -1), wire.CodeNoNode},
		{stranger, wire.OpDelete, del("/private/none", -1), wire.CodeNoAuth},
		{stranger, wire.OpDelete, del("/private", -1), wire.CodeOk},
		{owner, wire.OpDelete, del("/none", -1), wire.CodeNoNode},
		{owner, wire.OpDelete, del("/plain/", -1), wire.CodeNoNode},
		{owner, wire.OpDelete, del("/plain", 0), wire.CodeBadVersion},
		{owner, wire.OpDelete, del("/plain", -2), wire.CodeBadVersion},
		{owner, wire.OpDelete, del("/plain", 2), wire.CodeNotEmpty},

		{owner, wire.OpSetData, set("/plain", 2), wire.CodeOk},
		{stranger, wire.OpSetData, set("/ephemeral", -1), wire.CodeOk},
		{owner, wire.OpSetData, set("/", -1), wire.CodeOk},
		{owner, wire.OpSetData, set("", -1), wire.CodeBadArguments},
		{owner, wire.OpSetData, set("/plain/", -1), wire.CodeBadArguments},
		{owner, wire.OpSetData, set("/none", 3), wire.CodeNoNode},
		{stranger, wire.OpSetData, set("/private", 3), wire.CodeNoAuth},
		{stranger, wire.OpSetData, set("/readable", 3), wire.CodeNoAuth},
		{owner, wire.OpSetData, set("/zookeeper/config", -1), wire.CodeNoAuth},
		{owner, wire.OpSetData, set("/plain", 0), wire.CodeBadVersion},

		{owner, wire.OpSetACL, acl("/plain", 0, open), wire.CodeOk},
		{owner, wire.OpSetACL, acl("/none/", -1), wire.CodeBadArguments},
		{owner, wire.OpSetACL, acl("/none", -1), wire.CodeInvalidACL},
		{owner, wire.OpSetACL, acl("/none", -1, open), wire.CodeNoNode},
		{stranger, wire.OpSetACL, acl("/readable", 5, open), wire.CodeNoAuth},
		{owner, wire.OpSetACL, acl("/readable", 5, open), wire.CodeBadVersion},

		{owner, wire.OpDeleteContainer, &wire.PathRequest{Path: "/container"}, wire.CodeOk},
		{owner, wire.OpDeleteContainer, &wire.PathRequest{Path: "/ephemeral"}, wire.CodeBadVersion},
		{owner, wire.OpDeleteContainer, &wire.PathRequest{Path: "/plain"}, wire.CodeNotEmpty},
		{owner, wire.OpDeleteContainer, &wire.PathRequest{Path: "/none"}, wire.CodeNoNode},
		{owner, wire.OpDeleteContainer, &wire.PathRequest{Path: "/"}, wire.CodeBadArguments},
		{owner, wire.OpReconfig, &wire.ReconfigRequest{}, wire.CodeReconfigDisabled},
		{owner, wire.OpGetData, nothing{}, wire.CodeUnimplemented},
		{owner, wire.OpCheck, &wire.CheckRequest{Path: "/plain"}, wire.CodeUnimplemented},
	}
	for _, op := range []wire.OpCode{wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer,
		wire.OpCreateTTL, wire.OpDelete, wire.OpSetData, wire.OpSetACL, wire.OpMulti,
		wire.OpReconfig, wire.OpDeleteContainer} {
		tests = append(tests, struct {
			by   int
			op   wire.OpCode
			r    record
			want wire.ErrorCode
		}{owner, op, &wire.ErrorResponse{Err: 1 << 30}, wire.CodeMarshallingError})
	}
	for _, test := range tests {
		m, o, s, root := garden(t)
		before, digest := m.s.LastZxid(), m.s.Digest()
		out := []*client{o, s, root}[test.by].do(test.op, test.r)
		if out.Err != test.want || out.Skipped {
			t.Errorf("%v %+v by %d: %v, want %v", test.op, test.r, test.by, out.Err, test.want)
		}
		if out.Zxid != before+1 || m.s.LastZxid() != before+1 {
			t.Errorf("%v %+v takes zxid %v after %v: every write takes one", test.op, test.r,
				out.Zxid, before)
		}
		if test.want != wire.CodeOk && (len(out.Changes) > 0 || len(out.Body) > 0) {
			t.Errorf("%v %+v fails with effects: %+v", test.op, test.r, out)
		}
		if m.s.streams[1].seq--; test.want != wire.CodeOk && m.s.Digest() != digest {
			t.Errorf("%v %+v fails and changes the State", test.op, test.r)
		}
		m.s.streams[1].seq++
		m.checkDigest()
	}
}

func TestFlags(t *testing.T) {
	for _, test := range []struct {
		flags Flags
		op    wire.OpCode
		r     record
		want  wire.ErrorCode
	}{
		{Flags{}, wire.OpCreateTTL, &wire.CreateTTLRequest{Path: "/x", ACL: wire.OpenACL(),
			Flags: wire.FlagTTL, TTLMs: 0}, wire.CodeUnimplemented},
		{Flags{SkipACL: true}, wire.OpSetData, &wire.SetDataRequest{Path: "/private", Version: -1},
			wire.CodeOk},
		{Flags{Reconfig: true}, wire.OpReconfig, &wire.ReconfigRequest{}, wire.CodeUnimplemented},
		{Flags{X509: true}, wire.OpCreate, &wire.CreateRequest{Path: "/x",
			ACL: []wire.ACL{{Perms: 1, ID: wire.ID{Scheme: "x509", ID: "CN=a"}}}}, wire.CodeOk},
		{Flags{SASL: true}, wire.OpCreate, &wire.CreateRequest{Path: "/x",
			ACL: []wire.ACL{{Perms: 1, ID: wire.ID{Scheme: "sasl", ID: "bob"}}}}, wire.CodeOk},
	} {
		m, _, stranger, _ := garden(t)
		m.flags = test.flags
		if out := stranger.do(test.op, test.r); out.Err != test.want {
			t.Errorf("%v %+v with %+v: %v, want %v", test.op, test.r, test.flags, out.Err,
				test.want)
		}
	}
}

func TestEvents(t *testing.T) {
	m, c, _, _ := garden(t)
	for _, test := range []struct {
		out  Outcome
		want []string
	}{
		{c.create("/a", "", 0), []string{"NodeCreated /a", "NodeChildrenChanged /"}},
		{c.create("/a/b", "", 2), []string{"NodeCreated /a/b0000000000", "NodeChildrenChanged /a"}},
		{c.set("/a", "x", -1), []string{"NodeDataChanged /a"}},
		{c.delete("/a/b0000000000", -1), []string{"NodeDeleted /a/b0000000000",
			"NodeChildrenChanged /a"}},
		{c.do(wire.OpSetACL, &wire.SetACLRequest{Path: "/a", ACL: wire.OpenACL(), Version: -1}),
			nil},
		{c.multi(wire.MultiOp{Op: wire.OpSetData, SetData: wire.SetDataRequest{Path: "/a",
			Version: -1}}, wire.MultiOp{Op: wire.OpDelete, Delete: wire.DeleteRequest{Path: "/a",
			Version: -1}}),
			[]string{"NodeDataChanged /a", "NodeDeleted /a", "NodeChildrenChanged /"}},
		{c.close(), []string{"NodeDeleted /ephemeral", "NodeChildrenChanged /"}},
	} {
		must(t, test.out)
		if d := diff(test.want, events(test.out)); d != "" {
			t.Errorf("%v: %s", test.out.Op, d)
		}
		for _, change := range test.out.Changes {
			if change.Zxid != test.out.Zxid || change.acl == nil {
				t.Errorf("%v: change %+v, want zxid %v and an ACL", test.out.Op, change,
					test.out.Zxid)
			}
		}
	}
	m.checkDigest()
}

// TestEventACLs: a deletion is filtered by the list of the deleted znode, a change of children
// by the parent's.
func TestEventACLs(t *testing.T) {
	m, c, _, _ := garden(t)
	must(t, c.do(wire.OpCreate, &wire.CreateRequest{Path: "/plain/secret",
		ACL: []wire.ACL{{Perms: 31, ID: wire.ID{Scheme: "digest", ID: "only:here"}}}}))
	want := m.s.lookup("/plain/secret").acl
	out := must(t, c.delete("/plain/secret", -1))
	if out.Changes[0].acl != want || out.Changes[1].acl != m.s.lookup("/plain").acl {
		t.Errorf("changes %+v", out.Changes)
	}
	anybody := []wire.ID{{Scheme: "ip", ID: "10.0.0.9"}}
	if allowed(out.Changes[0].acl, anybody, wire.PermRead) {
		t.Error("anybody may hear of the deletion of a znode that only its owner could read")
	}
}

// TestStat follows one znode's Stat through all that changes it.
func TestStat(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	created := must(t, c.create("/a", "abc", 0))
	at := m.clock
	want := wire.Stat{Czxid: int64(created.Zxid), Mzxid: int64(created.Zxid), Ctime: at, Mtime: at,
		DataLength: 3, Pzxid: int64(created.Zxid)}
	check := func(what string) {
		t.Helper()
		if d := diff(want, m.stat("/a")); d != "" {
			t.Errorf("after %s: %s", what, d)
		}
	}
	check("create")
	out := must(t, c.set("/a", "12345", -1))
	want.Mzxid, want.Mtime, want.Version, want.DataLength = int64(out.Zxid), m.clock, 1, 5
	check("setData")
	out = must(t, c.create("/a/b", "", 0))
	want.Pzxid, want.Cversion, want.NumChildren = int64(out.Zxid), 1, 1
	check("the creation of a child")
	must(t, c.set("/a/b", "x", -1))
	check("setData of a child")
	must(t, c.do(wire.OpSetACL, &wire.SetACLRequest{Path: "/a", ACL: wire.OpenACL(), Version: -1}))
	want.Aversion = 1
	check("setACL")
	out = must(t, c.delete("/a/b", -1))
	want.Pzxid, want.Cversion, want.NumChildren = int64(out.Zxid), 2, 0
	check("the deletion of a child")
	must(t, c.do(wire.OpSetData, &wire.SetDataRequest{Path: "/a", Version: -1}))
	if m.s.lookup("/a").data != nil || m.stat("/a").DataLength != 0 {
		t.Error("null data is not kept")
	}
}

// TestOwners: only the owner of an ephemeral is shown as such.
func TestOwners(t *testing.T) {
	m, owner, _, _ := garden(t)
	for path, want := range map[string]int64{"/plain": 0, "/container": 0, "/ttl": 0,
		"/ephemeral": int64(owner.id)} {
		if got := m.stat(path).EphemeralOwner; got != want {
			t.Errorf("ephemeralOwner of %s is %#x, want %#x", path, got, want)
		}
	}
	if m.s.EphemeralCount() != 1 || m.s.ContainerCount() != 1 || m.s.TTLCount() != 1 {
		t.Errorf("%d ephemerals, %d containers, %d TTL, want one each", m.s.EphemeralCount(),
			m.s.ContainerCount(), m.s.TTLCount())
	}
}

// TestContainerNeedsItsOpcode was tried on a real 3.9.4: the flag alone makes a plain znode, and
// in a multi it makes a container.
func TestContainerNeedsItsOpcode(t *testing.T) {
	m, c, _, _ := garden(t)
	must(t, c.create("/flag", "", wire.FlagContainer))
	must(t, c.multi(wire.MultiOp{Op: wire.OpCreate, Create: wire.CreateTTLRequest{Path: "/multi",
		ACL: wire.OpenACL(), Flags: wire.FlagContainer}}))
	must(t, c.do(wire.OpCreateContainer, &wire.CreateRequest{Path: "/op", ACL: wire.OpenACL()}))
	for path, want := range map[string]ownerKind{"/flag": ownerNone, "/multi": ownerContainer,
		"/op": ownerContainer} {
		if got := kindOf(m.s.lookup(path).owner); got != want {
			t.Errorf("%s is of kind %d, want %d", path, got, want)
		}
	}
}

func TestSequence(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	must(t, c.create("/s", "", 0))
	next := func(path, want string) {
		t.Helper()
		out := must(t, c.create(path, "", wire.FlagPersistentSequential))
		r := wire.NewReader(out.Body)
		if got := r.String(); got != want {
			t.Errorf("sequential create of %q gives %q, want %q", path, got, want)
		}
	}
	next("/s/a", "/s/a0000000000")
	next("/s/b", "/s/b0000000001")
	must(t, c.create("/s/plain", "", 0))
	must(t, c.delete("/s/plain", -1))
	next("/s/", "/s/0000000003")
	for _, test := range []struct {
		counter int32
		want    string
	}{
		{math.MaxInt32, "2147483647"}, {math.MinInt32, "-2147483648"}, {-7, "-000000007"},
		{1234567890, "1234567890"},
	} {
		n := m.s.lookup("/s")
		m.s.change(n)
		n.created = test.counter
		m.s.changed(n)
		next("/s/x", "/s/x"+test.want)
		if want := test.counter + 1; n.created != want {
			t.Errorf("counter %d goes to %d, want %d", test.counter, n.created, want)
		}
	}
	m.checkDigest()
}

func TestMulti(t *testing.T) {
	op := func(code wire.OpCode, path string, version int32) wire.MultiOp {
		return wire.MultiOp{Op: code, Delete: wire.DeleteRequest{Path: path, Version: version},
			SetData: wire.SetDataRequest{Path: path, Version: version},
			Check:   wire.CheckRequest{Path: path, Version: version},
			Create:  wire.CreateTTLRequest{Path: path, ACL: wire.OpenACL(), TTLMs: 50}}
	}
	flagged := func(o wire.MultiOp, flags int32) wire.MultiOp {
		o.Create.Flags = flags
		return o
	}
	ok, rest := wire.CodeOk, wire.CodeRuntimeInconsistency
	for _, test := range []struct {
		name   string
		ops    []wire.MultiOp
		err    wire.ErrorCode
		errors []wire.ErrorCode // of a multi that fails
	}{
		{"nothing", nil, ok, nil},
		{"later see earlier", []wire.MultiOp{
			op(wire.OpCreate, "/a", 0), op(wire.OpCreate2, "/a/b", 0),
			op(wire.OpCheck, "/a/b", 0), op(wire.OpSetData, "/a/b", 0), op(wire.OpCheck, "/a/b", 1),
			op(wire.OpDelete, "/a/b", 1), op(wire.OpDelete, "/a", 0)}, ok, nil},
		{"the middle fails", []wire.MultiOp{
			op(wire.OpCreate, "/a", 0), op(wire.OpDelete, "/plain/kid", 0),
			op(wire.OpSetData, "/plain", 2), op(wire.OpCheck, "/plain", 0),
			op(wire.OpCreate, "/b", 0),
			op(wire.OpDelete, "/none", 0)}, ok,
			[]wire.ErrorCode{ok, ok, ok, wire.CodeBadVersion, rest, rest}},
		{"the first fails", []wire.MultiOp{
			op(wire.OpDelete, "/", 0), op(wire.OpCreate, "/a", 0)}, ok,
			[]wire.ErrorCode{wire.CodeBadArguments, rest}},
		{"the last fails", []wire.MultiOp{op(wire.OpDelete, "/ephemeral", 0),
			op(wire.OpCheck, "/ephemeral", 0)}, ok, []wire.ErrorCode{ok, wire.CodeNoNode}},
		{"a TTL by its flag", []wire.MultiOp{
			flagged(op(wire.OpCreateTTL, "/a", 0), wire.FlagTTL)}, ok, nil},
		{"createTTL without its flag", []wire.MultiOp{op(wire.OpCreateTTL, "/a", 0)}, ok, nil},
		{"createTTL of an unknown flag", []wire.MultiOp{
			flagged(op(wire.OpCreateTTL, "/a", 0), 9)}, ok,
			[]wire.ErrorCode{wire.CodeBadArguments}},
		{"an unknown flag", []wire.MultiOp{flagged(op(wire.OpCreate, "/a", 0), 9)},
			wire.CodeMarshallingError, nil},
		{"a TTL's flag", []wire.MultiOp{flagged(op(wire.OpCreate, "/a", 0), wire.FlagTTL)},
			wire.CodeMarshallingError, nil},
		{"a read", []wire.MultiOp{{Op: wire.OpGetData, Read: wire.PathWatchRequest{Path: "/"}}},
			wire.CodeMarshallingError, nil},
	} {
		m, c, _, _ := garden(t)
		before, tree := m.s.LastZxid(), dumpTree(m.s)
		out := c.multi(test.ops...)
		if out.Err != test.err || out.Zxid != before+1 {
			t.Errorf("%s: %v with zxid %v, want %v with %v", test.name, out.Err, out.Zxid, test.err,
				before+1)
		}
		if test.errors != nil || test.err != ok {
			if d := diff(tree, dumpTree(m.s)); d != "" || len(out.Changes) > 0 {
				t.Errorf("%s: a multi that failed has effects %v: %s", test.name, events(out), d)
			}
		}
		m.checkDigest()
		if test.err != ok {
			continue
		}
		var a wire.MultiResponse
		r := wire.NewReader(out.Body)
		if a.Decode(&r); r.Err() != nil || r.Len() != 0 || len(a.Results) != len(test.ops) {
			t.Errorf("%s: body %x: %v, %d results", test.name, out.Body, r.Err(), len(a.Results))
			continue
		}
		for i, res := range a.Results {
			if test.errors == nil && res.Op == wire.OpError ||
				test.errors != nil && (res.Op != wire.OpError || res.Err != test.errors[i]) {
				t.Errorf("%s: result %d is %+v, want %v", test.name, i, res, test.errors)
			}
		}
	}
}

// dumpTree is dumpState without what every command changes.
func dumpTree(s *State) string {
	var lines []string
	for line := range strings.Lines(dumpState(s)) {
		if strings.HasPrefix(line, "/") || strings.HasPrefix(line, "session") {
			lines = append(lines, line)
		}
	}
	return fmt.Sprint(lines, s.ACLCount(), s.acls.last, s.DataSize(), s.EphemeralCount(),
		s.ContainerCount(), s.TTLCount(), s.NodeCount())
}

// TestZxid: "every write request that is executed takes max(last+1, term<<32|1)" (DESIGN 2).
func TestZxid(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	if c.id != 1 {
		t.Errorf("the first zxid is %v, want 0x1", c.id)
	}
	m.term = 5
	for i, want := range []Zxid{5<<32 | 1, 5<<32 | 2} {
		if out := c.create("/a", "", 0); out.Zxid != want {
			t.Errorf("write %d takes %v, want %v", i, out.Zxid, want)
		}
	}
	m.s.lastZxid = 5<<32 | math.MaxUint32
	if out := c.create("/b", "", 0); out.Zxid != 6<<32 {
		t.Errorf("after an overflow of the low half %v, want %#x", out.Zxid, int64(6)<<32)
	}
	m.term = 6
	if out := c.create("/c", "", 0); out.Zxid != 6<<32|1 {
		t.Errorf("in the term the overflow ran into %v, want %#x", out.Zxid, int64(6)<<32|1)
	}
}

// TestClock: "apply uses max(state time, stamp)" (DESIGN 2).
func TestClock(t *testing.T) {
	m := newMachine(t)
	m.clock = 5000
	c := m.connect()
	m.clock = 100
	must(t, c.create("/a", "", 0))
	if got := m.stat("/a").Ctime; got != 5001 || m.s.Clock() != 5001 {
		t.Errorf("ctime %d, clock %d: an earlier stamp turned the clock back from 5001", got,
			m.s.Clock())
	}
}

// TestOnlyOwnOutcomesHaveABody: the reply to another member's client is that member's business.
func TestOnlyOwnOutcomesHaveABody(t *testing.T) {
	m, c, _, _ := garden(t)
	mine := m.origin
	m.origin = Origin{RaftID: 9}
	e := createAs(m, mine, m.seq+1, c, "/a")
	out := m.entry(e)[0]
	if out.Own || out.Body != nil || out.Err != wire.CodeOk || len(out.Changes) != 2 {
		t.Errorf("outcome of another member's command: %+v", out)
	}
}

// TestKeepsNothingOfTheEntry overwrites an entry after it was applied.
func TestKeepsNothingOfTheEntry(t *testing.T) {
	m := newMachine(t)
	c := m.connect(wire.ID{Scheme: "digest", ID: "u:x"})
	q := wire.CreateRequest{Path: "/name", Data: []byte("data"), ACL: []wire.ACL{{Perms: 31,
		ID: wire.ID{Scheme: "digest", ID: "who:hash"}}}}
	m.seq++
	e := AppendBatchHeader(m.header(), m.origin, m.seq, 1)
	e = AppendRequest(e, c.id, c.generation, m.flags, 1, wire.OpCreate, q.AppendTo(nil))
	m.entry(e)
	m.seq++
	a := AppendBatchHeader(m.header(), m.origin, m.seq, 1)
	a = AppendAuth(a, c.id, c.generation, 1, []wire.ID{{Scheme: "digest", ID: "more:x"}})
	m.entry(a)
	want := dumpState(m.s)
	for _, b := range [][]byte{e, a} {
		for i := range b {
			b[i] = 'Z'
		}
	}
	if d := diff(want, dumpState(m.s)); d != "" {
		t.Errorf("the State changed with the memory of an entry: %s", d)
	}
	m.checkDigest()
}
