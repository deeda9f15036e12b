package core

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/vivariumdb/vivarium/wire"
)

// TestModel drives a State and the model with the same commands, of several members and
// sessions, and compares every outcome; now and then it goes on with a State that was loaded
// from checkpoints.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newProperty(t)
		p.createSession(t)
		p.createSession(t)
		t.Repeat(map[string]func(*rapid.T){
			"create":     p.create,
			"create2":    p.create,
			"delete":     p.delete,
			"setData":    p.setData,
			"setACL":     p.setACL,
			"multi":      p.multi,
			"multi2":     p.multi,
			"quota":      p.quota,
			"session":    p.createSession,
			"attach":     p.attach,
			"close":      p.closeSession,
			"auth":       p.auth,
			"expire":     p.expire,
			"reap":       p.reap,
			"restart":    p.restart,
			"resend":     p.resend,
			"gap":        p.gap,
			"checkpoint": p.checkpoint,
			"capture":    p.capture,
			"load":       p.load,
			"":           p.check,
		})
	})
}

type property struct {
	s      *State
	model  *model
	index  uint64
	term   uint64
	origin map[RaftID]Origin // the current start of each member
	sent   map[RaftID]uint64 // commands it has sent
	store  map[string]string // a checkpoint store
	header []byte            // of the last whole checkpoint in store
	batch  Capture
	saved  string // the model at the last Freeze
	whole  string // the model at the checkpoint that store holds whole
}

func newProperty(t *rapid.T) *property {
	p := &property{s: NewState(), model: newModel(), term: 1, origin: map[RaftID]Origin{},
		sent: map[RaftID]uint64{}, store: map[string]string{}}
	for id := RaftID(1); id <= 2; id++ {
		p.hello(t, id)
	}
	return p
}

func (p *property) entry(t *rapid.T, data []byte) []Outcome {
	p.index++
	if err := p.s.Begin(p.index, p.term, data); err != nil {
		t.Fatalf("Begin: %v", err)
	}
	var all []Outcome
	var out Outcome
	for p.s.Next(p.origin[1], &out) {
		all = append(all, cloneOutcome(out))
	}
	return all
}

// stamp starts an entry. Its stamp may lie before the clock.
func (p *property) stamp(t *rapid.T) []byte {
	at := max(0, p.model.clock+int64(rapid.IntRange(-5, 50).Draw(t, "time")))
	p.model.clock = max(p.model.clock, at)
	return AppendEntryHeader(nil, at)
}

func (p *property) hello(t *rapid.T, id RaftID) {
	e := AppendBatchHeader(p.stamp(t), Origin{RaftID: id}, 0, 1)
	e = AppendHello(e, id, [16]byte{1}, Registration(p.model.streams[id].registration))
	out := p.entry(t, e)[0]
	if out.Skipped || out.Origin.Registration != Registration(p.index) {
		t.Fatalf("hello: %+v", out)
	}
	p.origin[id] = out.Origin
	p.sent[id] = 0
	p.model.streams[id] = mstream{registration: Registration(p.index)}
}

// send applies one command in the stream of a member.
func (p *property) send(t *rapid.T, id RaftID, c []byte) Outcome {
	p.sent[id]++
	p.model.streams[id] = mstream{p.model.streams[id].registration, p.sent[id]}
	e := AppendBatchHeader(p.stamp(t), p.origin[id], p.sent[id], 1)
	return p.entry(t, append(e, c...))[0]
}

func (p *property) nextZxid() int64 {
	p.model.zxid = max(p.model.zxid+1, int64(p.term<<32|1))
	return p.model.zxid
}

func (p *property) anySession(t *rapid.T) (int64, msession) {
	ids := slices.Sorted(maps.Keys(p.model.sessions))
	if len(ids) == 0 {
		t.Skip("no session")
	}
	id := rapid.SampledFrom(ids).Draw(t, "session")
	return id, p.model.sessions[id]
}

// request sends a request of some session, at times one of a past connection, and compares
// with what the model does.
func (p *property) request(t *rapid.T, op wire.OpCode, r record,
	do func(m *model, sid int64) manswer) {
	sid, ss := p.anySession(t)
	flags := Flags{ExtendedTypes: true, EnforceQuota: rapid.Bool().Draw(t, "enforce")}
	generation, owner := ss.generation, ss.owner
	stale := rapid.IntRange(0, 9).Draw(t, "stale") == 0
	if stale && rapid.Bool().Draw(t, "other member") {
		owner = 3 - owner
	} else if stale {
		generation--
	}
	body := r.AppendTo(nil)
	out := p.send(t, owner, AppendRequest(nil, SessionID(sid), generation, flags, 5, op, body))
	if stale {
		if !out.Skipped || out.Zxid != 0 || len(out.Changes) != 0 {
			t.Fatalf("a request of a past connection was not skipped: %+v", out)
		}
		return
	}
	p.nextZxid()
	p.model.enforce = flags.EnforceQuota
	want := do(p.model, sid)
	got := manswer{code: out.Err, text: answerOf(out), events: events(out)}
	if owner != 1 {
		want.text = "" // not our client's
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || out.Zxid != Zxid(p.model.zxid) {
		t.Fatalf("%v %+v: got %v zxid %v, want %v zxid %#x", op, r, got, out.Zxid, want,
			p.model.zxid)
	}
}

var (
	testIDs = []wire.ID{{Scheme: "digest", ID: "u:x"}, {Scheme: "digest", ID: "v:x"},
		{Scheme: "ip", ID: "10.0.0.1"}, {Scheme: "super"}}
	testACLIDs = []wire.ID{worldAnyone, {Scheme: "auth"}, {Scheme: "digest", ID: "u:x"},
		{Scheme: "digest", ID: "v:x"}, {Scheme: "digest", ID: "bad"}, {Scheme: "foo"}}
)

func drawPath(t *rapid.T) string {
	if rapid.IntRange(0, 15).Draw(t, "odd") == 0 {
		return rapid.SampledFrom([]string{"", "/", "a", "/a/", "/a//b", "/a/..", "/./b",
			"/zookeeper", "/zookeeper/config", "/zookeeper/quota", "/a\x01"}).Draw(t, "odd path")
	}
	path := "/" + rapid.SampledFrom([]string{"a", "b", "q", "r"}).Draw(t, "top")
	for range rapid.IntRange(0, 2).Draw(t, "depth") {
		path += "/" + rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name")
	}
	return path
}

func drawData(t *rapid.T) []byte {
	n := rapid.IntRange(-1, 12).Draw(t, "size")
	if n < 0 {
		return nil
	}
	return slices.Repeat([]byte{'d'}, n)
}

func drawVersion(t *rapid.T) int32 {
	return rapid.SampledFrom([]int32{-1, -1, -1, 0, 1, 2}).Draw(t, "version")
}

func drawACL(t *rapid.T) []wire.ACL {
	if rapid.IntRange(0, 4).Draw(t, "open") > 0 {
		return wire.OpenACL()
	}
	list := []wire.ACL{}
	for range rapid.IntRange(0, 3).Draw(t, "acls") {
		list = append(list, wire.ACL{
			Perms: rapid.SampledFrom([]wire.Perm{1, 2, 4, 8, 16, 31}).Draw(t, "perms"),
			ID:    rapid.SampledFrom(testACLIDs).Draw(t, "id")})
	}
	return list
}

func drawCreate(t *rapid.T) (wire.OpCode, wire.CreateTTLRequest) {
	op := rapid.SampledFrom([]wire.OpCode{wire.OpCreate, wire.OpCreate2, wire.OpCreate2,
		wire.OpCreateContainer, wire.OpCreateTTL}).Draw(t, "op")
	q := wire.CreateTTLRequest{Path: drawPath(t), Data: drawData(t), ACL: drawACL(t), TTLMs: noTTL,
		Flags: rapid.SampledFrom([]int32{0, 0, 0, 1, 1, 2, 3}).Draw(t, "flags")}
	switch op {
	case wire.OpCreateTTL:
		q.TTLMs = rapid.SampledFrom([]int64{1, 20, 1000, 0, -1, 1 << 40}).Draw(t, "ttl")
		q.Flags = rapid.SampledFrom([]int32{5, 5, 6}).Draw(t, "flags")
	case wire.OpCreateContainer:
		q.Flags = 4
	}
	return op, q
}

func (p *property) create(t *rapid.T) {
	op, q := drawCreate(t)
	do := func(m *model, sid int64) manswer { return m.create(sid, op, q) }
	if op == wire.OpCreateTTL {
		p.request(t, op, &q, do)
		return
	}
	plain := wire.CreateRequest{Path: q.Path, Data: q.Data, ACL: q.ACL, Flags: q.Flags}
	p.request(t, op, &plain, do)
}

func (p *property) delete(t *rapid.T) {
	q := wire.DeleteRequest{Path: drawPath(t), Version: drawVersion(t)}
	p.request(t, wire.OpDelete, &q, func(m *model, sid int64) manswer { return m.delete(sid, q) })
}

func (p *property) setData(t *rapid.T) {
	q := wire.SetDataRequest{Path: drawPath(t), Data: drawData(t), Version: drawVersion(t)}
	p.request(t, wire.OpSetData, &q, func(m *model, sid int64) manswer { return m.setData(sid, q) })
}

func (p *property) setACL(t *rapid.T) {
	q := wire.SetACLRequest{Path: drawPath(t), ACL: drawACL(t), Version: drawVersion(t)}
	p.request(t, wire.OpSetACL, &q, func(m *model, sid int64) manswer { return m.setACL(sid, q) })
}

func (p *property) multi(t *rapid.T) {
	var ops []wire.MultiOp
	for range rapid.IntRange(0, 5).Draw(t, "ops") {
		op, create := drawCreate(t)
		if op == wire.OpCreateTTL {
			create.TTLMs = max(create.TTLMs, 1)
		}
		if rapid.Bool().Draw(t, "no create") {
			op = rapid.SampledFrom([]wire.OpCode{wire.OpDelete, wire.OpDelete, wire.OpSetData,
				wire.OpCheck}).Draw(t, "op")
		}
		version := drawVersion(t)
		ops = append(ops, wire.MultiOp{Op: op, Create: create,
			Delete:  wire.DeleteRequest{Path: create.Path, Version: version},
			SetData: wire.SetDataRequest{Path: create.Path, Data: create.Data, Version: version},
			Check:   wire.CheckRequest{Path: create.Path, Version: version}})
	}
	p.request(t, wire.OpMulti, &wire.MultiRequest{Ops: ops},
		func(m *model, sid int64) manswer { return m.multi(sid, ops) })
}

// quota sets or takes away the quota of /q or /r, in one multi.
func (p *property) quota(t *rapid.T) {
	at := "/zookeeper/quota" + rapid.SampledFrom([]string{"/q", "/r"}).Draw(t, "root")
	create := func(path, data string) wire.MultiOp {
		return wire.MultiOp{Op: wire.OpCreate, Create: wire.CreateTTLRequest{Path: path,
			Data: []byte(data), ACL: wire.OpenACL(), TTLMs: noTTL}}
	}
	limits := fmt.Sprintf("count=-1,bytes=-1=;byteHardLimit=%d;countHardLimit=%d",
		rapid.IntRange(0, 60).Draw(t, "bytes"), rapid.IntRange(0, 8).Draw(t, "count"))
	ops := []wire.MultiOp{create(at, ""), create(at+"/zookeeper_limits", limits),
		create(at+"/zookeeper_stats", "count=0,bytes=0")}
	if _, there := p.model.nodes[at]; there {
		ops = nil
		for _, name := range []string{"/zookeeper_limits", "/zookeeper_stats", ""} {
			ops = append(ops, wire.MultiOp{Op: wire.OpDelete,
				Delete: wire.DeleteRequest{Path: at + name, Version: -1}})
		}
	}
	p.request(t, wire.OpMulti, &wire.MultiRequest{Ops: ops},
		func(m *model, sid int64) manswer { return m.multi(sid, ops) })
}

func drawIDs(t *rapid.T) []wire.ID {
	return rapid.SliceOfNDistinct(rapid.SampledFrom(testIDs), 0, 2,
		func(id wire.ID) string { return id.Scheme + id.ID }).Draw(t, "ids")
}

func (p *property) createSession(t *rapid.T) {
	owner := RaftID(rapid.IntRange(1, 2).Draw(t, "member"))
	ids := drawIDs(t)
	out := p.send(t, owner, AppendCreateSession(nil, CreateSession{TimeoutMs: 5,
		PasswordHash: [32]byte{7}, Identities: ids}))
	if int64(out.Zxid) != p.nextZxid() || out.Session != SessionID(out.Zxid) {
		t.Fatalf("create session: %+v", out)
	}
	p.model.sessions[int64(out.Session)] = msession{generation: 1, owner: owner,
		password: [32]byte{7}, ids: ids}
}

func (p *property) attach(t *rapid.T) {
	sid, ss := p.anySession(t)
	owner := RaftID(rapid.IntRange(1, 2).Draw(t, "member"))
	want := rapid.SampledFrom([]AttachResult{AttachOK, AttachOK, AttachOK, AttachExpired,
		AttachFuture}).Draw(t, "result")
	a := Attach{Session: SessionID(sid), PasswordHash: ss.password, TimeoutMs: 9,
		LastZxidSeen: Zxid(p.model.zxid), Identities: drawIDs(t)}
	switch want {
	case AttachExpired:
		a.PasswordHash[3]++
	case AttachFuture:
		a.LastZxidSeen++
	case AttachOK:
		p.model.sessions[sid] = msession{generation: ss.generation + 1, owner: owner,
			password: ss.password, ids: a.Identities}
	}
	out := p.send(t, owner, AppendAttach(nil, a))
	if out.Attach != want || out.Zxid != 0 || out.Skipped ||
		want == AttachOK && out.Generation != ss.generation+1 {
		t.Fatalf("attach: %+v, want %v", out, want)
	}
}

func (p *property) auth(t *rapid.T) {
	sid, ss := p.anySession(t)
	id := rapid.SampledFrom(testIDs).Draw(t, "id")
	out := p.send(t, ss.owner, AppendAuth(nil, SessionID(sid), ss.generation, -4, []wire.ID{id}))
	if out.Skipped || out.Zxid != 0 {
		t.Fatalf("auth: %+v", out)
	}
	if !slices.Contains(ss.ids, id) {
		ss.ids = append(slices.Clone(ss.ids), id)
	}
	p.model.sessions[sid] = ss
}

func (p *property) closeSession(t *rapid.T) {
	p.request(t, wire.OpCloseSession, nothing{}, func(m *model, sid int64) manswer {
		return manswer{events: m.end(sid)}
	})
}

func (p *property) expire(t *rapid.T) {
	sid, ss := p.anySession(t)
	term := p.term - uint64(rapid.IntRange(0, 1).Draw(t, "term"))
	generation := ss.generation - Generation(rapid.IntRange(0, 1).Draw(t, "generation"))
	e := AppendExpire(AppendHousekeepingHeader(p.stamp(t), term, 1), SessionID(sid), generation)
	out := p.entry(t, e)[0]
	if term != p.term || generation != ss.generation {
		if !out.Skipped {
			t.Fatalf("expire decided in term %d for generation %d was not skipped: %+v", term,
				generation, out)
		}
		return
	}
	p.nextZxid()
	want := p.model.end(sid)
	if d := diff(want, events(out)); d != "" || int64(out.Zxid) != p.model.zxid {
		t.Fatalf("expire: %+v\n%s", out, d)
	}
}

func (p *property) reap(t *rapid.T) {
	neverUsed := rapid.SampledFrom([]int64{0, 0, 50}).Draw(t, "never used")
	now := p.model.clock + rapid.SampledFrom([]int64{0, 500}).Draw(t, "later")
	var want []Reap
	for _, path := range slices.Sorted(maps.Keys(p.model.nodes)) {
		if p.model.reapable(path, now, neverUsed) {
			want = append(want, Reap{Path: path, Czxid: Zxid(p.model.nodes[path].czxid)})
		}
	}
	got := p.s.AppendReapable(nil, now, neverUsed, 1<<20, 1<<20)
	if d := diff(want, got); d != "" {
		t.Fatalf("AppendReapable: %s", d)
	}
	for _, r := range got {
		e := AppendHousekeepingHeader(p.stamp(t), p.term, 1)
		out := p.entry(t, AppendReap(e, r.Path, r.Czxid, neverUsed))[0]
		if !p.model.reapable(r.Path, p.model.clock, neverUsed) {
			if !out.Skipped {
				t.Fatalf("reap of %s at %d was not skipped: %+v", r.Path, p.model.clock, out)
			}
			continue
		}
		p.nextZxid()
		if d := diff(p.model.remove(r.Path), events(out)); d != "" {
			t.Fatalf("reap: %s", d)
		}
	}
}

// restart starts a member anew, or the term.
func (p *property) restart(t *rapid.T) {
	if rapid.Bool().Draw(t, "term") {
		p.term++
		return
	}
	p.hello(t, RaftID(rapid.IntRange(1, 2).Draw(t, "member")))
}

// resend repeats commands that were applied, of which nothing may change.
func (p *property) resend(t *rapid.T) {
	id := RaftID(rapid.IntRange(1, 2).Draw(t, "member"))
	origin, reason := p.origin[id], ReasonDuplicate
	if p.sent[id] == 0 {
		t.Skip("nothing sent")
	}
	if rapid.Bool().Draw(t, "another start") {
		origin.Registration += 1000
		reason = ReasonRegistration
	}
	p.ignored(t, origin, p.sent[id], reason)
}

// gap sends a batch that does not continue its stream.
func (p *property) gap(t *rapid.T) {
	id := RaftID(rapid.IntRange(1, 2).Draw(t, "member"))
	p.ignored(t, p.origin[id], p.sent[id]+2, ReasonGap)
}

func (p *property) ignored(t *rapid.T, origin Origin, seq uint64, reason Reason) {
	sid, ss := p.anySession(t)
	e := AppendBatchHeader(p.stamp(t), origin, seq, 1)
	q := wire.CreateRequest{Path: "/never", ACL: wire.OpenACL()}
	e = AppendRequest(e, SessionID(sid), ss.generation, Flags{}, 1, wire.OpCreate, q.AppendTo(nil))
	out := p.entry(t, e)[0]
	if !out.Skipped || out.Reason != reason || out.Own || out.Zxid != 0 {
		t.Fatalf("got %+v, want it skipped as %v", out, reason)
	}
}

// checkpoint starts a checkpoint.
func (p *property) checkpoint(t *rapid.T) {
	if p.s.Capturing() {
		t.Skip("one is running")
	}
	p.s.Freeze()
	p.saved = p.model.dump()
	p.batch = Capture{}
}

// capture takes some steps of the running checkpoint and stores it if it is done.
func (p *property) capture(t *rapid.T) {
	if !p.s.Capturing() {
		t.Skip("none is running")
	}
	if !p.s.Capture(&p.batch, rapid.IntRange(1, 20).Draw(t, "steps")) {
		return
	}
	for _, r := range p.batch.Records {
		if r.Delete {
			delete(p.store, string(r.Key))
		} else {
			p.store[string(r.Key)] = string(r.Value)
		}
	}
	p.header, p.whole = p.batch.Header, p.saved
}

// load takes a checkpoint to its end and goes on with what is loaded from the store.
func (p *property) load(t *rapid.T) {
	for p.s.Capturing() {
		p.capture(t)
	}
	if p.header == nil {
		return
	}
	s := p.loaded(t)
	if d := diff(p.whole, dumpState(s)); d != "" {
		t.Fatalf("the loaded State differs from that at the checkpoint: %s", d)
	}
	p.s.Freeze()
	p.saved = p.model.dump()
	p.batch = Capture{}
	for p.s.Capturing() {
		p.capture(t)
	}
	before := p.s
	p.s = p.loaded(t)
	if got, want := p.s.Digest(), before.Digest(); got != want {
		t.Fatalf("digest of the loaded State is %x, want %x", got, want)
	}
	if p.s.Changed() != 0 || p.s.EphemeralCount() != before.EphemeralCount() ||
		p.s.DataSize() != before.DataSize() || p.s.ACLCount() != before.ACLCount() ||
		p.s.ContainerCount() != before.ContainerCount() || p.s.TTLCount() != before.TTLCount() {
		t.Fatalf("the loaded State counts differently")
	}
}

func (p *property) loaded(t *rapid.T) *State {
	l := NewLoader()
	for _, key := range slices.Sorted(maps.Keys(p.store)) {
		if err := l.Add([]byte(key), []byte(p.store[key])); err != nil {
			t.Fatal(err)
		}
	}
	s, err := l.Finish(p.header)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// check compares everything.
func (p *property) check(t *rapid.T) {
	if d := diff(p.model.dump(), dumpState(p.s)); d != "" {
		t.Fatalf("State and model differ:\n%s", d)
	}
	if got, want := p.s.Digest(), p.s.digestFromScratch(); got != want {
		t.Fatalf("Digest() = %x, from scratch it is %x", got, want)
	}
	refs := map[*aclList]int64{}
	var walk func(n *node)
	walk = func(n *node) {
		refs[n.acl]++
		for _, c := range n.children {
			walk(c)
		}
	}
	walk(p.s.root)
	for l, n := range refs {
		if l.refs != n || p.s.acls.byKey[l.key] != l {
			t.Fatalf("ACL %d has %d references, %d are counted", l.id, n, l.refs)
		}
	}
	if len(refs) != p.s.ACLCount() {
		t.Fatalf("%d ACLs in use, %d in the table", len(refs), p.s.ACLCount())
	}
}
