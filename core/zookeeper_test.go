package core

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/vivariumdb/vivarium/wire"
)

// These tests send the same writes to a real ZooKeeper and to a State and compare every byte of
// the answers but times. They run if VIVARIUM_ZOOKEEPER is the class path of a ZooKeeper:
//
//	VIVARIUM_ZOOKEEPER='/path/to/lib/*' go test ./core -run AgainstZooKeeper

// startZooKeeper starts a server with an empty data directory and returns its address.
func startZooKeeper(t *testing.T, properties ...string) string {
	t.Helper()
	classes := os.Getenv("VIVARIUM_ZOOKEEPER")
	if classes == "" {
		t.Skip("VIVARIUM_ZOOKEEPER is not set")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	l.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "zoo.cfg")
	text := fmt.Sprintf("tickTime=2000\ndataDir=%s\nclientPort=%s\nclientPortAddress=127.0.0.1\n"+
		"admin.enableServer=false\nforceSync=no\n", dir, port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-Xmx256m", "-Dzookeeper.extendedTypesEnabled=true"}, properties...)
	args = append(args, "-cp", classes, "org.apache.zookeeper.server.quorum.QuorumPeerMain",
		config)
	cmd := exec.Command("java", args...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(30 * time.Second); ; {
		if strings.Contains(word(addr, "srvr"), "Mode: standalone") {
			return addr
		}
		if time.Now().After(deadline) {
			t.Fatal("ZooKeeper does not come up")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// peer is one client's connection to a real server.
type peer struct {
	t    *testing.T
	c    net.Conn
	id   int64
	xid  int32
	what string // is asked
}

func (p *peer) send(b []byte) {
	p.t.Helper()
	frame := append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
	if _, err := p.c.Write(frame); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) receive() []byte {
	p.t.Helper()
	var head [4]byte
	_ = p.c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.ReadFull(p.c, head[:]); err != nil {
		p.t.Fatalf("no answer to %s: %v", p.what, err)
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(p.c, b); err != nil {
		p.t.Fatal(err)
	}
	return b
}

func dial(t *testing.T, addr string) *peer {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	p := &peer{t: t, c: c}
	q := wire.ConnectRequest{TimeoutMs: 30000, Password: make([]byte, 16), HasReadOnly: true}
	p.send(q.AppendTo(nil))
	var a wire.ConnectResponse
	in := wire.NewReader(p.receive())
	a.Decode(&in)
	p.id = a.SessionID
	return p
}

// call sends a request and returns the reply.
func (p *peer) call(op wire.OpCode, body []byte) (wire.ReplyHeader, []byte) {
	p.t.Helper()
	p.xid++
	xid := p.xid
	if op == wire.OpAuth {
		xid = wire.XidAuth
	}
	h := wire.RequestHeader{Xid: xid, Op: op}
	p.send(append(h.AppendTo(nil), body...))
	in := wire.NewReader(p.receive())
	var a wire.ReplyHeader
	a.Decode(&in)
	return a, in.Rest()
}

func (p *peer) auth(scheme, credentials string) {
	p.t.Helper()
	q := wire.AuthRequest{Scheme: scheme, Auth: []byte(credentials)}
	if a, _ := p.call(wire.OpAuth, q.AppendTo(nil)); a.Err != wire.CodeOk {
		p.t.Fatalf("auth: %v", a.Err)
	}
}

// both sends a client's writes to the real server and to a State.
type both struct {
	t        *testing.T
	m        *machine
	peers    []*peer
	clients  []*client
	owners   map[int64]int64 // the real session id for ours
	outcomes map[string]int
}

func newBoth(t *testing.T, flags Flags, properties ...string) *both {
	addr := startZooKeeper(t, properties...)
	b := &both{t: t, m: newMachine(t), owners: map[int64]int64{},
		outcomes: map[string]int{}}
	b.m.flags = flags
	for i := range 3 {
		p := dial(t, addr)
		c := b.m.connect(wire.ID{Scheme: "ip", ID: "127.0.0.1"})
		b.peers, b.clients = append(b.peers, p), append(b.clients, c)
		b.owners[int64(c.id)] = p.id
		if i > 0 {
			credentials := fmt.Sprintf("user%d:pw", i)
			p.auth("digest", credentials)
			id := wire.ID{Scheme: "digest", ID: DigestID("", credentials)}
			b.m.command(AppendAuth(nil, c.id, c.generation, -4, []wire.ID{id}))
		}
	}
	return b
}

// write compares one request's answers.
func (b *both) write(i int, op wire.OpCode, r record, what string) {
	b.t.Helper()
	body := r.AppendTo(nil)
	b.peers[i].what = what
	head, reply := b.peers[i].call(op, body)
	out := b.clients[i].raw(op, body)
	b.outcomes[op.String()+" "+out.Err.String()]++
	got := fmt.Sprintf("%v zxid %#x body %s", out.Err, int64(out.Zxid),
		b.render(op, out.Body, true))
	want := fmt.Sprintf("%v zxid %#x body %s", head.Err, head.Zxid, b.render(op, reply, false))
	if got != want {
		b.t.Fatalf("%s by client %d:\n     got %s\nZooKeeper %s", what, i, got, want)
	}
}

// render makes a reply readable and equal where ours may differ: in times and session ids.
func (b *both) render(op wire.OpCode, body []byte, ours bool) string {
	if len(body) == 0 {
		return "-"
	}
	r := wire.NewReader(body)
	var text string
	switch op {
	case wire.OpCreate:
		var a wire.PathResponse
		a.Decode(&r)
		text = fmt.Sprintf("%+v", a)
	case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		var a wire.Create2Response
		a.Decode(&r)
		b.mask(&a.Stat, ours)
		text = fmt.Sprintf("%+v", a)
	case wire.OpSetData, wire.OpSetACL:
		var a wire.StatResponse
		a.Decode(&r)
		b.mask(&a.Stat, ours)
		text = fmt.Sprintf("%+v", a)
	case wire.OpMulti:
		var a wire.MultiResponse
		a.Decode(&r)
		for i := range a.Results {
			b.mask(&a.Results[i].Stat, ours)
		}
		text = fmt.Sprintf("%+v", a)
	default:
		return fmt.Sprintf("%x", body)
	}
	return fmt.Sprintf("%s %v %d", text, r.Err(), r.Len())
}

func (b *both) mask(s *wire.Stat, ours bool) {
	s.Ctime, s.Mtime = 0, 0
	if ours && s.EphemeralOwner != 0 {
		s.EphemeralOwner = b.owners[s.EphemeralOwner]
	}
}

// compareTrees reads the whole tree of the real server and compares it with ours.
func (b *both) compareTrees(path string) {
	b.t.Helper()
	p, n := b.peers[0], b.m.s.lookup(path)
	if n == nil {
		b.t.Fatalf("%s is missing", path)
	}
	q := wire.PathWatchRequest{Path: path}
	head, body := p.call(wire.OpGetData, q.AppendTo(nil))
	if head.Err == wire.CodeOk {
		var a wire.GetDataResponse
		in := wire.NewReader(body)
		a.Decode(&in)
		ours := n.stat()
		b.mask(&a.Stat, false)
		b.mask(&ours, true)
		got, want := fmt.Sprintf("%q %+v", n.data, ours), fmt.Sprintf("%q %+v", a.Data, a.Stat)
		if got != want || (n.data == nil) != (a.Data == nil) {
			b.t.Fatalf("%s:\n     got %s\nZooKeeper %s", path, got, want)
		}
	}
	acl := wire.PathRequest{Path: path}
	if head, body = p.call(wire.OpGetACL, acl.AppendTo(nil)); head.Err == wire.CodeOk {
		var a wire.GetACLResponse
		in := wire.NewReader(body)
		a.Decode(&in)
		if len(a.ACL) != len(n.acl.acls) {
			b.t.Fatalf("%s: acl %v, ZooKeeper %v", path, n.acl.acls, a.ACL)
		}
	}
	head, body = p.call(wire.OpGetChildren, q.AppendTo(nil))
	if head.Err != wire.CodeOk {
		return
	}
	var a wire.ChildrenResponse
	in := wire.NewReader(body)
	a.Decode(&in)
	if len(a.Children) != len(n.children) {
		b.t.Fatalf("%s: %d children, ZooKeeper %q", path, len(n.children), a.Children)
	}
	for _, name := range a.Children {
		b.compareTrees(parentPrefix(path) + name)
	}
}

func parentPrefix(path string) string {
	if path == "/" {
		return "/"
	}
	return path + "/"
}

// choose gives random requests over few names, so that they meet.
type choose struct{ *rand.Rand }

func (r choose) of(list ...string) string { return list[r.IntN(len(list))] }

func (r choose) path() string {
	if r.IntN(12) == 0 {
		return r.of("", "/", "//", "a", "a/b", "/a/", "/a//b", "/./a", "/..", "/a/..", "/a\x00b",
			"/a/\x01", "/\x7f", "/a/\u0085", "/\ue000x", "/a\ufff0", "/\U0001f600", "/a/..x", "/.x",
			"/x.", "/a\ufffd", "/é", "/zookeeper", "/zookeeper/quota", "/zookeeper/config",
			"/zookeeper/x", "/zookeeper/quota/a", "/a/zookeeper_limits", "/a/b/c/d/e", "/a.b",
			"/a/...")
	}
	p := "/" + r.of("a", "b", "c")
	for range r.IntN(3) {
		p += "/" + r.of("a", "b", "c")
	}
	return p
}

func (r choose) data() []byte {
	switch r.IntN(8) {
	case 0:
		return nil
	case 1:
		return []byte{}
	}
	return make([]byte, r.IntN(20))
}

func (r choose) version() int32 {
	return []int32{-1, -1, -1, -1, 0, 0, 1, 2, -2}[r.IntN(9)]
}

func (r choose) flags() int32 {
	return []int32{0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7, -1}[r.IntN(15)]
}

func (r choose) acl() []wire.ACL {
	if r.IntN(4) > 0 {
		return wire.OpenACL()
	}
	one := func() wire.ACL {
		perms := []wire.Perm{1, 2, 4, 8, 16, 31, 31, 31, 0, 15, 64}[r.IntN(11)]
		user := DigestID("", fmt.Sprintf("user%d:pw", 1+r.IntN(2)))
		ids := []wire.ID{worldAnyone, worldAnyone, {Scheme: "auth"}, {Scheme: "auth", ID: "x"},
			{Scheme: "digest", ID: user}, {Scheme: "digest", ID: user},
			{Scheme: "digest", ID: "a:b"},
			{Scheme: "digest", ID: "a"}, {Scheme: "digest", ID: "a:"}, {Scheme: "digest", ID: ":b"},
			{Scheme: "digest", ID: "a:b:"}, {Scheme: "digest", ID: "a:b:c"}, {Scheme: "digest"},
			{Scheme: "ip", ID: "127.0.0.1"}, {Scheme: "ip", ID: "127.0.0.0/8"},
			{Scheme: "ip", ID: "10.0.0.0/8"}, {Scheme: "ip", ID: "127.0.0.1/33"},
			{Scheme: "ip", ID: "127.0.0.1/-1"}, {Scheme: "ip", ID: "127.0.0.1/"},
			{Scheme: "ip", ID: "0.0.0.0/0"}, {Scheme: "ip", ID: "1.2.3"}, {Scheme: "ip", ID: "::1"},
			{Scheme: "ip", ID: "::1/129"}, {Scheme: "ip", ID: "1.2.3.256"}, {Scheme: "ip", ID: "x"},
			{Scheme: "ip", ID: "127.0.0.01/+8"}, {Scheme: "ip"}, {Scheme: "super", ID: ""},
			{Scheme: "world", ID: "bob"}, {Scheme: "x509", ID: "CN=a"}, {Scheme: "sasl", ID: "bob"},
			{Scheme: "nobody", ID: "x"}, {}}
		return wire.ACL{Perms: perms, ID: ids[r.IntN(len(ids))]}
	}
	switch r.IntN(12) {
	case 0:
		return nil
	case 1:
		return []wire.ACL{}
	}
	list := []wire.ACL{one()}
	for range r.IntN(3) {
		list = append(list, one())
	}
	if r.IntN(3) == 0 {
		list = append(list, list[0])
	}
	return list
}

func (r choose) create() wire.CreateTTLRequest {
	return wire.CreateTTLRequest{Path: r.path(), Data: r.data(), ACL: r.acl(), Flags: r.flags(),
		TTLMs: []int64{1 << 39, 1<<40 - 1, 1 << 40, 0, -1, 1 << 62}[r.IntN(6)]}
}

func (r choose) multi() *wire.MultiRequest {
	q := &wire.MultiRequest{}
	for range r.IntN(6) {
		op := wire.MultiOp{Create: r.create(),
			Delete:  wire.DeleteRequest{Path: r.path(), Version: r.version()},
			SetData: wire.SetDataRequest{Path: r.path(), Data: r.data(), Version: r.version()},
			Check:   wire.CheckRequest{Path: r.path(), Version: r.version()},
		}
		op.Op = []wire.OpCode{wire.OpCreate, wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer,
			wire.OpCreateTTL, wire.OpDelete, wire.OpDelete, wire.OpSetData, wire.OpSetData,
			wire.OpCheck}[r.IntN(10)]
		if known := op.Create.Flags >= 0 && op.Create.Flags < 7; !known || op.Create.Flags > 4 {
			// A failure to decode takes no zxid of its own there; see TestMalformed.
			op.Create.Flags = 0
		}
		if op.Create.ACL == nil {
			op.Create.ACL = wire.OpenACL()
		}
		q.Ops = append(q.Ops, op)
	}
	return q
}

// step sends one random request.
func (b *both) step(r choose) {
	b.t.Helper()
	i := r.IntN(len(b.peers))
	switch r.IntN(12) {
	case 0, 1, 2, 3:
		q := r.create()
		plain := &wire.CreateRequest{Path: q.Path, Data: q.Data, ACL: q.ACL, Flags: q.Flags}
		switch op := []wire.OpCode{wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer,
			wire.OpCreateTTL}[r.IntN(4)]; op {
		case wire.OpCreateTTL:
			if r.IntN(2) == 0 {
				q.Flags, q.TTLMs = 5+int32(r.IntN(2)), 1<<39
			}
			if q.Flags < 5 && q.TTLMs < 0 {
				return // kills the real server
			}
			b.write(i, op, &q, fmt.Sprintf("%v %+v", op, q))
		default:
			b.write(i, op, plain, fmt.Sprintf("%v %+v", op, *plain))
		}
	case 4, 5:
		q := &wire.DeleteRequest{Path: r.path(), Version: r.version()}
		b.write(i, wire.OpDelete, q, fmt.Sprintf("delete %+v", *q))
	case 6, 7, 8:
		q := &wire.SetDataRequest{Path: r.path(), Data: r.data(), Version: r.version()}
		b.write(i, wire.OpSetData, q, fmt.Sprintf("setData %+v", *q))
	case 9:
		q := &wire.SetACLRequest{Path: r.path(), ACL: r.acl(), Version: r.version()}
		b.write(i, wire.OpSetACL, q, fmt.Sprintf("setACL %+v", *q))
	case 10:
		q := r.multi()
		b.write(i, wire.OpMulti, q, fmt.Sprintf("multi %+v", *q))
	case 11:
		if r.IntN(4) == 0 {
			q := &wire.PathRequest{Path: r.path()}
			if n := b.m.s.lookup(q.Path); n != nil && n.parent != nil &&
				!allowed(n.parent.acl, b.m.s.session(b.clients[i].id).identities, wire.PermDelete) {
				return // ZooKeeper asks for no permission
			}
			b.write(i, wire.OpDeleteContainer, q, fmt.Sprintf("deleteContainer %+v", *q))
			return
		}
		q := &wire.ReconfigRequest{CurrentConfigID: -1}
		b.write(i, wire.OpReconfig, q, "reconfig")
	}
}

// random returns a source that names its seed.
func random(t *testing.T) choose {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return choose{rand.New(rand.NewPCG(seed, 0))}
}

func TestAgainstZooKeeper(t *testing.T) {
	b := newBoth(t, Flags{ExtendedTypes: true}, "-Dzookeeper.4lw.commands.whitelist=*")
	r := random(t)
	for n := range 6000 {
		b.step(r)
		if n%1000 == 999 {
			b.compareTrees("/")
			b.compareCounts()
			b.m.checkDigest()
		}
	}
	b.write(2, wire.OpCloseSession, nothing{}, "closeSession")
	b.compareTrees("/")
	b.compareCounts()
	t.Logf("outcomes %v", b.outcomes)
}

type nothing struct{}

func (nothing) AppendTo(b []byte) []byte { return b }

// compareCounts compares what mntr says of the whole tree.
func (b *both) compareCounts() {
	b.t.Helper()
	answer := word(b.peers[0].c.RemoteAddr().String(), "mntr")
	s := b.m.s
	for _, want := range []string{
		fmt.Sprintf("zk_znode_count\t%d\n", s.NodeCount()),
		fmt.Sprintf("zk_ephemerals_count\t%d\n", s.EphemeralCount()),
		fmt.Sprintf("zk_approximate_data_size\t%d\n", s.DataSize()-beyondASCII(s.root)),
		fmt.Sprintf("zk_global_sessions\t%d\n", s.SessionCount()),
	} {
		if !strings.Contains(answer, want) {
			b.t.Fatalf("mntr does not say %q:\n%s", want, answer)
		}
	}
}

// beyondASCII is what the paths below n are longer in UTF-8 than in Java's characters.
func beyondASCII(n *node) int64 {
	path := n.path()
	more := int64(len(path) - utf8.RuneCountInString(path))
	for _, child := range n.children {
		more += beyondASCII(child)
	}
	return more
}

// word asks a four-letter word.
func word(addr, w string) string {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return ""
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	_, _ = c.Write([]byte(w))
	answer, _ := io.ReadAll(c)
	return string(answer)
}

// quota gives a random write to the znodes of quotas.
func (b *both) quota(r choose) {
	b.t.Helper()
	path := "/zookeeper/quota" + r.of("/a", "/a/b", "/b", "/c/a", "/a/a/b")
	name := r.of(limitsName, limitsName, statsName, "")
	if name != "" {
		path += "/" + name
	}
	text := r.of("count=5,bytes=40", "count=-1,bytes=30=;byteHardLimit=60;countHardLimit=7",
		"count=3,bytes=-1=;countHardLimit=4", "count=0,bytes=0", "bytes=-1;count=6",
		"count=2,bytes=7=;z=1;a=2")
	if name == statsName && r.IntN(3) > 0 {
		text = "count=0,bytes=0"
	}
	switch r.IntN(5) {
	case 0:
		q := &wire.DeleteRequest{Path: path, Version: -1}
		b.write(0, wire.OpDelete, q, fmt.Sprintf("delete %+v", *q))
	case 1:
		q := &wire.SetDataRequest{Path: path, Data: []byte(text), Version: -1}
		b.write(0, wire.OpSetData, q, fmt.Sprintf("setData %s %s", q.Path, text))
	default:
		q := &wire.CreateRequest{Path: path, Data: []byte(text), ACL: wire.OpenACL()}
		b.write(0, wire.OpCreate2, q, fmt.Sprintf("create %s %s", q.Path, text))
	}
}

// TestQuotaAgainstZooKeeper leaves multis out: the real server checks their operations against
// the statistics before the multi.
func TestQuotaAgainstZooKeeper(t *testing.T) {
	b := newBoth(t, Flags{ExtendedTypes: true, EnforceQuota: true}, "-Dzookeeper.enforceQuota=true")
	r := random(t)
	for n := range 6000 {
		switch r.IntN(6) {
		case 0:
			b.quota(r)
		case 1, 2:
			q := &wire.SetDataRequest{Path: r.path(), Data: r.data(), Version: r.version()}
			b.write(1, wire.OpSetData, q, fmt.Sprintf("setData %+v", *q))
		case 3:
			q := &wire.DeleteRequest{Path: r.path(), Version: r.version()}
			b.write(1, wire.OpDelete, q, fmt.Sprintf("delete %+v", *q))
		default:
			q := &wire.CreateRequest{Path: r.path(), Data: r.data(), ACL: wire.OpenACL(),
				Flags: []int32{0, 0, 0, 0, 1, 2}[r.IntN(6)]}
			b.write(1, wire.OpCreate2, q, fmt.Sprintf("create %+v", *q))
		}
		if n%200 == 199 {
			b.compareTrees("/")
			b.m.checkDigest()
		}
	}
	t.Logf("outcomes %v", b.outcomes)
}

func TestQuotaOfMultiAgainstZooKeeper(t *testing.T) {
	b := newBoth(t, Flags{ExtendedTypes: true})
	r := random(t)
	for n := range 4000 {
		if r.IntN(5) == 0 {
			b.quota(r)
		} else {
			b.step(r)
		}
		if n%200 == 199 {
			b.compareTrees("/")
			b.m.checkDigest()
		}
	}
	t.Logf("outcomes %v", b.outcomes)
}
