package linearizability

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestModelErrors names the first check that a request fails. The order of the checks was tried on
// ZooKeeper 3.9.4; where the table has two faults in one request, the first one wins.
func TestModelErrors(t *testing.T) {
	anon := []ACL{{permAll, ID{"world", "anyone"}}}
	noRead := []ACL{{permAll &^ permRead, ID{"world", "anyone"}}}
	readOnly := []ACL{{permRead, ID{"world", "anyone"}}}
	create := func(path string, flags int32, acl []ACL) Request {
		return Request{Op: OpCreate, Path: path, Flags: flags, ACL: acl}
	}
	ttl := func(flags int32, ttl int64) Request {
		return Request{Op: OpCreateTTL, Path: "/new", Flags: flags, TTL: ttl, ACL: anon}
	}
	acl := func(scheme, id string) []ACL { return []ACL{{permAll, ID{scheme, id}}} }
	for _, c := range []struct {
		name string
		req  Request
		want Code
	}{
		{"bad flags before all", create("no/path", 7, nil), CodeBadArguments},
		{"negative flags", create("/new", -1, anon), CodeBadArguments},
		{"TTL by op 1", create("/new", 5, anon), CodeBadArguments},
		{"TTL of 0", ttl(5, 0), CodeBadArguments},
		{"TTL at its most", ttl(5, maxTTL), CodeOk},
		{"TTL too long", ttl(6, maxTTL+1), CodeBadArguments},
		{"TTL of a plain node", ttl(0, 5), CodeBadArguments},
		{"no slash", create("new", 0, nil), CodeBadArguments},
		{"NUL before ACL", create("/a\x00", 0, nil), CodeBadArguments},
		{"null ACL before parent", create("/none/x", 0, nil), CodeInvalidACL},
		{"digest without colon", create("/new", 0, acl("digest", "u")), CodeInvalidACL},
		{"digest without hash", create("/new", 0, acl("digest", "u:")), CodeInvalidACL},
		{"digest with empty end", create("/new", 0, acl("digest", "u:p:")), CodeOk},
		{"digest with three parts", create("/new", 0, acl("digest", "u:p:q")), CodeInvalidACL},
		{"auth without identity", create("/new", 0, acl("auth", "")), CodeInvalidACL},
		{"world without anyone", create("/new", 0, acl("world", "bob")), CodeInvalidACL},
		{"super in a list", create("/new", 0, acl("super", "")), CodeInvalidACL},
		{"unknown scheme", create("/new", 0, acl("host", "h")), CodeInvalidACL},
		{"ip", create("/new", 0, acl("ip", "10.0.0.0/8")), CodeOk},
		{"ip with too many bits", create("/new", 0, acl("ip", "10.0.0.0/33")), CodeInvalidACL},
		{"ip that is none", create("/new", 0, acl("ip", "10.0.0")), CodeInvalidACL},
		{"no parent", create("/none/x", 0, anon), CodeNoNode},
		{"trailing slash, no parent", create("/none/", 0, anon), CodeNoNode},
		{"trailing slash", create("/open/", 0, anon), CodeBadArguments},
		{"trailing slash, sequential", create("/open/", 2, anon), CodeOk},
		{"double slash", create("/open//x", 0, anon), CodeNoNode},
		{"no CREATE before the name", create("/closed/..", 0, anon), CodeNoAuth},
		{"dots", create("/open/..", 0, anon), CodeBadArguments},
		{"dots in a name", create("/open/..a", 0, anon), CodeOk},
		{"control character", create("/open/\u0085", 0, anon), CodeBadArguments},
		{"private use", create("/open/\ue000", 0, anon), CodeBadArguments},
		{"beyond the basic plane", create("/open/\U0001f600", 0, anon), CodeBadArguments},
		{"exists", create("/open", 0, anon), CodeNodeExists},
		{"root", create("/", 0, anon), CodeNodeExists},
		{"below an ephemeral", create("/eph/x", 0, anon), CodeNoChildrenForEphemerals},
		{"below the system's", create("/zookeeper/x", 0, anon), CodeOk},

		{"delete root", deleteReq("/"), CodeBadArguments},
		{"delete system", deleteReq(quotaRoot), CodeBadArguments},
		{"delete nothing below nothing", deleteReq("/none/x"), CodeNoNode},
		{"delete nothing without right", deleteReq("/closed/none"), CodeNoAuth},
		{"delete nothing", deleteReq("/none"), CodeNoNode},
		{"version before emptiness", Request{Op: OpDelete, Path: "/full", Version: 9},
			CodeBadVersion},
		{"not empty", deleteReq("/full"), CodeNotEmpty},
		{"version -2 is no wildcard", Request{Op: OpDelete, Path: "/open", Version: -2},
			CodeBadVersion},

		{"set a bad path", setReq("/a/", ""), CodeBadArguments},
		{"set the empty path", setReq("", ""), CodeBadArguments},
		{"set root", setReq("/", "x"), CodeOk},
		{"set nothing", setReq("/none", ""), CodeNoNode},
		{"no WRITE before version", Request{Op: OpSetData, Path: "/closed", Version: 9},
			CodeNoAuth},
		{"set config", setReq(configPath, ""), CodeNoAuth},
		{"bad version", Request{Op: OpSetData, Path: "/open", Version: 9}, CodeBadVersion},

		{"ACL before node", Request{Op: OpSetACL, Path: "/none", ACL: nil}, CodeInvalidACL},
		{"setACL nothing", Request{Op: OpSetACL, Path: "/none", ACL: anon}, CodeNoNode},
		{"no ADMIN before version", Request{Op: OpSetACL, Path: "/closed", ACL: anon, Version: 9},
			CodeNoAuth},
		{"aversion", Request{Op: OpSetACL, Path: "/open", ACL: anon, Version: 9}, CodeBadVersion},

		{"container in use", Request{Op: OpDeleteContainer, Path: "/full"}, CodeNotEmpty},
		{"container that is ephemeral", Request{Op: OpDeleteContainer, Path: "/eph"},
			CodeBadVersion},
		{"container without right", Request{Op: OpDeleteContainer, Path: "/closed/y"}, CodeNoAuth},
		{"container of the system", Request{Op: OpDeleteContainer, Path: "/"}, CodeBadArguments},
		{"container that is none", Request{Op: OpDeleteContainer, Path: "/none"}, CodeNoNode},
		{"container", Request{Op: OpDeleteContainer, Path: "/open"}, CodeOk},

		{"read in a multi", multiReq(Request{Op: OpGetData, Path: "/"}), CodeMarshallingError},
		{"bad flags in a multi", multiReq(create("/new", 7, anon)), CodeMarshallingError},
		{"TTL by op 1 in a multi", multiReq(create("/new", 5, anon)), CodeMarshallingError},
		{"malformed", Request{Op: OpDelete, Malformed: true}, CodeMarshallingError},
		{"no write at all", Request{Op: OpPing}, CodeUnimplemented},
	} {
		m := newModel(&Header{})
		o := &origin{session: 1, zxid: 1, extendedTypes: true}
		for _, r := range []Request{create("/open", 0, anon), create("/closed", 0, anon),
			create("/closed/y", 0, anon), {Op: OpSetACL, Path: "/closed", ACL: readOnly},
			create("/full", 0, anon), create("/full/x", 0, noRead), create("/eph", 1, anon)} {
			if res := m.write(&r, o); res.Err != CodeOk {
				t.Fatalf("%s: %d", describe(&r), res.Err)
			}
		}
		if got := m.write(&c.req, o); got.Err != c.want {
			t.Errorf("%s: %v %+q = %d, want %d", c.name, c.req.Op, c.req.Path, got.Err, c.want)
		}
	}
}

func multiReq(parts ...Request) Request { return Request{Op: OpMulti, Ops: parts} }

// TestModelMulti shows the results of whole and of failed multis.
func TestModelMulti(t *testing.T) {
	m := newModel(&Header{})
	o := &origin{session: 1, zxid: 7, extendedTypes: true}
	fresh := &Stat{Czxid: 7, Mzxid: 7, Pzxid: 7}
	for _, c := range []struct {
		name string
		req  Request
		want Result
	}{
		{"empty", multiReq(), Result{Parts: []Result{}}},
		{"later parts see earlier ones", multiReq(createReq("/a", 0),
			Request{Op: OpCheck, Path: "/a"}, createReq("/a/b", 0), deleteReq("/a/b"),
			deleteReq("/a")),
			Result{Parts: []Result{{Op: OpCreate, Path: "/a", Stat: fresh}, {Op: OpCheck},
				{Op: OpCreate, Path: "/a/b", Stat: fresh}, {Op: OpDelete}, {Op: OpDelete}}}},
		{"containers answer as create2", multiReq(createReq("/c", 4)),
			Result{Parts: []Result{{Op: OpCreate2, Path: "/c", Stat: fresh}}}},
		{"the culprit and the rest", multiReq(deleteReq("/c"), createReq("/d", 0),
			deleteReq("/none"), createReq("/e", 0)),
			Result{Parts: []Result{{Op: OpError}, {Op: OpError}, {Op: OpError, Err: CodeNoNode},
				{Op: OpError, Err: CodeRuntimeInconsistency}}}},
		{"nothing of it happened", multiReq(Request{Op: OpCheck, Path: "/c"},
			Request{Op: OpCheck, Path: "/d"}),
			Result{Parts: []Result{{Op: OpError}, {Op: OpError, Err: CodeNoNode}}}},
	} {
		if d := cmp.Diff(c.want, m.write(&c.req, o)); d != "" {
			t.Errorf("%s: %s (-want +got):\n%s", c.name, describe(&c.req), d)
		}
	}
}

// TestModelBirth: the nodes that are there from birth, as ZooKeeper 3.9.4 shows them.
func TestModelBirth(t *testing.T) {
	m := newModel(&Header{Config: []byte("server.1=..")})
	for path, want := range map[string]Stat{
		"/":          {Cversion: -1, NumChildren: 1},
		"/zookeeper": {Cversion: -2, NumChildren: 2},
		quotaRoot:    {},
		configPath:   {Aversion: -1, DataLength: 11},
	} {
		got := m.read(&Request{Op: OpExists, Path: path}, &origin{})
		if d := cmp.Diff(&want, got.Stat); d != "" {
			t.Errorf("exists %s (-want +got):\n%s", path, d)
		}
	}
	m.configure([]byte("new"), &origin{zxid: 9})
	n := m.nodes[configPath]
	if n.stat.Version != -1 || n.stat.Mzxid != 9 || string(n.data) != "new" {
		t.Errorf("a new configuration leaves %+v %q", n.stat, n.data)
	}
}

func TestQuotaText(t *testing.T) {
	for in, want := range map[string]string{
		"":                                    "count=-1,bytes=-1",
		"count=5,bytes=-1":                    "count=5,bytes=-1",
		"count=1,bytes=2=;byteHardLimit=3":    "count=1,bytes=2=;byteHardLimit=3",
		"bytes=2;countHardLimit=4,count=1":    "count=1,bytes=2=;countHardLimit=4",
		"count=,bytes=x":                      "count=-1,bytes=0",
		"count=1,bytes=2=;b=1;a=2;nonsense":   "count=1,bytes=2=;a=2;b=1",
		"countHardLimit=9;a=8":                "count=-1,bytes=-1=;a=8;countHardLimit=9",
		"count=-1,bytes=-1=;countHardLimit=6": "count=-1,bytes=-1=;countHardLimit=6",
	} {
		if got := parseQuota([]byte(in)).String(); got != want {
			t.Errorf("parseQuota(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPermits(t *testing.T) {
	ids := []ID{{"ip", "10.1.2.3"}, {"digest", "u:h"}}
	for _, c := range []struct {
		entry ID
		want  bool
	}{
		{ID{"world", "anyone"}, true},
		{ID{"digest", "u:h"}, true},
		{ID{"digest", "u:x"}, false},
		{ID{"ip", "10.1.2.3"}, true},
		{ID{"ip", "10.1.2.4"}, false},
		{ID{"ip", "10.1.0.0/16"}, true},
		{ID{"ip", "10.2.0.0/16"}, false},
		{ID{"ip", "0.0.0.0/0"}, true},
		{ID{"ip", "::/0"}, false},
		{ID{"ip", "nonsense"}, false},
		{ID{"sasl", "u:h"}, false},
	} {
		if got := permits([]ACL{{permRead, c.entry}}, permRead, ids); got != c.want {
			t.Errorf("permits(%v) = %v, want %v", c.entry, got, c.want)
		}
	}
	if permits([]ACL{{permWrite, ID{"world", "anyone"}}}, permRead, ids) {
		t.Error("WRITE permits READ")
	}
	if !permits(nil, permAdmin, []ID{{"super", ""}}) {
		t.Error("super is not permitted everything")
	}
}

// TestZooKeeper judges what ZooKeeper 3.9.4 answered to random requests of three clients: the
// model and the rules of watches are its.
func TestZooKeeper(t *testing.T) {
	f, err := os.Open("testdata/zookeeper-3.9.4.history")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	r := Judge(h)
	if !r.OK() || r.Unjudged > 0 || r.Reads < 100 || r.Writes < 100 || r.Events < 50 {
		t.Errorf("ZooKeeper is not judged to be one: %v", r)
	}
	if !strings.Contains(h.Header.Name, "3.9.4") {
		t.Errorf("header %+v does not say of what", h.Header)
	}
}

// TestModelWithoutGrowth: where nothing may grow, only what makes the tree larger is refused, where
// a quota would refuse it.
func TestModelWithoutGrowth(t *testing.T) {
	m := newModel(&Header{})
	o := &origin{session: 1, zxid: 1, extendedTypes: true}
	if res := m.write(new(setUp("/a", "1234")), o); res.Err != CodeOk {
		t.Fatalf("create: %d", res.Err)
	}
	o.noGrowth = true
	for _, c := range []struct {
		req  Request
		want Code
	}{
		{createReq("/b", 0), CodeQuotaExceeded},
		{createReq("/a", 0), CodeNodeExists},
		{createReq("/none/b", 0), CodeNoNode},
		{setReq("/a", "12345"), CodeQuotaExceeded},
		{setReq("/a", "4321"), CodeOk},
		{setReq("/a", "1"), CodeOk},
		{setReq("/a", "12"), CodeQuotaExceeded},
		{multiReq(setReq("/a", ""), setReq("/a", "1")), CodeQuotaExceeded},
		{deleteReq("/a"), CodeOk},
	} {
		if got := m.write(&c.req, o); firstError(got) != c.want {
			t.Errorf("%s %q: %d, want %d", describe(&c.req), c.req.Data, firstError(got), c.want)
		}
	}
}

func setUp(path, data string) Request {
	r := createReq(path, 0)
	r.Data = []byte(data)
	return r
}

// firstError is the error of a result, or of the part of a multi that failed.
func firstError(r Result) Code {
	for _, p := range r.Parts {
		if p.Err != CodeOk {
			return p.Err
		}
	}
	return r.Err
}
