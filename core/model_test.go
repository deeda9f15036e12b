package core

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/vivariumdb/vivarium/wire"
)

// model is a second State, written to be obviously right and nothing else: whole paths in one
// map, nothing counted that can be counted anew, a multi on a copy of everything.
type model struct {
	zxid     int64
	clock    int64
	enforce  bool
	nodes    map[string]mnode
	sessions map[int64]msession
	streams  map[RaftID]mstream
}

type mnode struct {
	data                    []byte
	acl                     []wire.ACL
	czxid, mzxid, pzxid     int64
	ctime, mtime            int64
	version, made, aversion int32
	session, ttl            int64
	container               bool
}

type msession struct {
	generation Generation
	owner      RaftID
	password   [32]byte
	ids        []wire.ID
}

type mstream struct {
	registration Registration
	seq          uint64
}

// manswer is what a request gives, in the words of a test's failure.
type manswer struct {
	code   wire.ErrorCode
	text   string
	events []string
}

func newModel() *model {
	all := wire.OpenACL()
	return &model{
		nodes: map[string]mnode{
			"/":                {data: []byte{}, acl: all},
			"/zookeeper":       {data: []byte{}, acl: all},
			"/zookeeper/quota": {data: []byte{}, acl: all},
			"/zookeeper/config": {data: []byte{}, aversion: -1,
				acl: []wire.ACL{{Perms: wire.PermRead, ID: worldAnyone}}},
		},
		sessions: map[int64]msession{},
		streams:  map[RaftID]mstream{},
	}
}

func (m *model) clone() *model {
	c := *m
	c.nodes, c.sessions = maps.Clone(m.nodes), maps.Clone(m.sessions)
	c.streams = maps.Clone(m.streams)
	return &c
}

var goodName = regexp.MustCompile(`^[a-zA-Z0-9_.:-]+$`)

func (m *model) good(path string) bool {
	if path == "/" {
		return true
	}
	if !strings.HasPrefix(path, "/") {
		return false
	}
	for _, name := range strings.Split(path[1:], "/") {
		if !goodName.MatchString(name) || name == "." || name == ".." {
			return false
		}
	}
	return true
}

func up(path string) string {
	if i := strings.LastIndex(path, "/"); i > 0 {
		return path[:i]
	}
	return "/"
}

func (m *model) children(path string) int {
	n := 0
	for p := range m.nodes {
		if p != "/" && up(p) == path {
			n++
		}
	}
	return n
}

func (m *model) stat(path string) string {
	n, ok := m.nodes[path]
	if !ok {
		return "missing"
	}
	kids := int32(m.children(path))
	return fmt.Sprint(wire.Stat{Czxid: n.czxid, Mzxid: n.mzxid, Ctime: n.ctime, Mtime: n.mtime,
		Version: n.version, Cversion: 2*n.made - kids, Aversion: n.aversion,
		EphemeralOwner: n.session, DataLength: int32(len(n.data)), NumChildren: kids,
		Pzxid: n.pzxid})
}

func (m *model) may(ids []wire.ID, acl []wire.ACL, perm wire.Perm) bool {
	for _, a := range acl {
		if a.Perms&perm == 0 {
			continue
		}
		if a.ID == worldAnyone || slices.Contains(ids, a.ID) {
			return true
		}
	}
	return slices.ContainsFunc(ids, func(id wire.ID) bool { return id.Scheme == "super" })
}

// resolve knows the ids that the test uses.
func (m *model) resolve(ids []wire.ID, acl []wire.ACL) ([]wire.ACL, bool) {
	var out []wire.ACL
	for i, a := range acl {
		if slices.Contains(acl[:i], a) {
			continue
		}
		switch a.ID.Scheme {
		case "auth":
			n := len(out)
			for _, id := range ids {
				if id.Scheme == "digest" {
					out = append(out, wire.ACL{Perms: a.Perms, ID: id})
				}
			}
			if n == len(out) {
				return nil, false
			}
		case "world":
			out = append(out, a)
		case "digest":
			if len(strings.Split(a.ID.ID, ":")) != 2 {
				return nil, false
			}
			out = append(out, a)
		default:
			return nil, false
		}
	}
	return out, len(out) > 0
}

// quotas of the test sit on /q and /r only; their numbers are counted anew each time.
func (m *model) usage(root string) (count, bytes int) {
	for p, n := range m.nodes {
		if p == root || strings.HasPrefix(p, root+"/") {
			count, bytes = count+1, bytes+len(n.data)
		}
	}
	return count, bytes
}

func (m *model) overQuota(path string, count, bytes int) bool {
	for _, root := range []string{"/q", "/r"} {
		limits, ok := m.nodes["/zookeeper/quota"+root+"/zookeeper_limits"]
		if !m.enforce || !ok || path != root && !strings.HasPrefix(path, root+"/") {
			continue
		}
		var most, mostBytes int
		fmt.Sscanf(string(limits.data), "count=-1,bytes=-1=;byteHardLimit=%d;countHardLimit=%d",
			&mostBytes, &most)
		c, b := m.usage(root)
		if count != 0 && c+count > most || bytes != 0 && b+bytes > mostBytes {
			return true
		}
	}
	return false
}

func (m *model) recount() {
	for _, root := range []string{"/q", "/r"} {
		if n, ok := m.nodes["/zookeeper/quota"+root+"/zookeeper_stats"]; ok {
			c, b := m.usage(root)
			n.data = []byte(fmt.Sprintf("count=%d,bytes=%d", c, b))
			m.nodes["/zookeeper/quota"+root+"/zookeeper_stats"] = n
		}
	}
}

func (m *model) create(sid int64, op wire.OpCode, q wire.CreateTTLRequest) manswer {
	fail := func(c wire.ErrorCode) manswer { return manswer{code: c} }
	sequential := q.Flags == 2 || q.Flags == 3 || q.Flags == 6
	withTTL := q.Flags == 5 || q.Flags == 6
	if q.Flags < 0 || q.Flags > 6 || withTTL != (op == wire.OpCreateTTL) {
		return fail(wire.CodeBadArguments)
	}
	if withTTL && (q.TTLMs < 1 || q.TTLMs > 1<<40-1) || !strings.Contains(q.Path, "/") {
		return fail(wire.CodeBadArguments)
	}
	ids := m.sessions[sid].ids
	acl, ok := m.resolve(ids, q.ACL)
	if !ok {
		return fail(wire.CodeInvalidACL)
	}
	cut := strings.LastIndex(q.Path, "/")
	parentPath := q.Path[:cut]
	if parentPath == "" {
		parentPath = "/"
	}
	parent, ok := m.nodes[parentPath]
	if !ok {
		return fail(wire.CodeNoNode)
	}
	if !m.may(ids, parent.acl, wire.PermCreate) {
		return fail(wire.CodeNoAuth)
	}
	path := q.Path
	if sequential {
		path += fmt.Sprintf("%010d", parent.made)
	}
	if !m.good(path) {
		return fail(wire.CodeBadArguments)
	}
	if _, taken := m.nodes[path]; taken {
		return fail(wire.CodeNodeExists)
	}
	if parent.session != 0 {
		return fail(wire.CodeNoChildrenForEphemerals)
	}
	if m.overQuota(path, 1, len(q.Data)) {
		return fail(wire.CodeQuotaExceeded)
	}
	n := mnode{data: q.Data, acl: acl, czxid: m.zxid, mzxid: m.zxid, pzxid: m.zxid,
		ctime: m.clock, mtime: m.clock}
	switch {
	case op == wire.OpCreateContainer:
		n.container = true
	case withTTL:
		n.ttl = q.TTLMs
	case q.Flags == 1 || q.Flags == 3:
		n.session = sid
	}
	m.nodes[path] = n
	parent.made++
	parent.pzxid = m.zxid
	m.nodes[parentPath] = parent
	a := manswer{text: path, events: []string{"NodeCreated " + path,
		"NodeChildrenChanged " + parentPath}}
	if op != wire.OpCreate {
		a.text += " " + m.stat(path)
	}
	m.recount()
	return a
}

func (m *model) remove(path string) []string {
	parent := m.nodes[up(path)]
	parent.pzxid = m.zxid
	delete(m.nodes, path)
	m.nodes[up(path)] = parent
	m.recount()
	return []string{"NodeDeleted " + path, "NodeChildrenChanged " + up(path)}
}

func (m *model) delete(sid int64, q wire.DeleteRequest) manswer {
	if !strings.Contains(q.Path, "/") || q.Path == "/" || q.Path == "/zookeeper" ||
		q.Path == "/zookeeper/quota" || q.Path == "/zookeeper/config" {
		return manswer{code: wire.CodeBadArguments}
	}
	parent, ok := m.nodes[up(q.Path)]
	if cut := strings.LastIndex(q.Path, "/"); cut > 0 {
		parent, ok = m.nodes[q.Path[:cut]]
	}
	n, there := m.nodes[q.Path]
	switch {
	case !ok:
		return manswer{code: wire.CodeNoNode}
	case !m.may(m.sessions[sid].ids, parent.acl, wire.PermDelete):
		return manswer{code: wire.CodeNoAuth}
	case !there:
		return manswer{code: wire.CodeNoNode}
	case q.Version != -1 && q.Version != n.version:
		return manswer{code: wire.CodeBadVersion}
	case m.children(q.Path) > 0:
		return manswer{code: wire.CodeNotEmpty}
	}
	return manswer{events: m.remove(q.Path)}
}

func (m *model) setData(sid int64, q wire.SetDataRequest) manswer {
	n, ok := m.nodes[q.Path]
	switch {
	case !m.good(q.Path):
		return manswer{code: wire.CodeBadArguments}
	case !ok:
		return manswer{code: wire.CodeNoNode}
	case !m.may(m.sessions[sid].ids, n.acl, wire.PermWrite):
		return manswer{code: wire.CodeNoAuth}
	case m.overQuota(q.Path, 0, len(q.Data)-len(n.data)):
		return manswer{code: wire.CodeQuotaExceeded}
	case q.Version != -1 && q.Version != n.version:
		return manswer{code: wire.CodeBadVersion}
	}
	n.data, n.mzxid, n.mtime = q.Data, m.zxid, m.clock
	n.version++
	m.nodes[q.Path] = n
	m.recount()
	return manswer{text: m.stat(q.Path), events: []string{"NodeDataChanged " + q.Path}}
}

func (m *model) setACL(sid int64, q wire.SetACLRequest) manswer {
	if !m.good(q.Path) {
		return manswer{code: wire.CodeBadArguments}
	}
	ids := m.sessions[sid].ids
	acl, valid := m.resolve(ids, q.ACL)
	n, ok := m.nodes[q.Path]
	switch {
	case !valid:
		return manswer{code: wire.CodeInvalidACL}
	case !ok:
		return manswer{code: wire.CodeNoNode}
	case !m.may(ids, n.acl, wire.PermAdmin):
		return manswer{code: wire.CodeNoAuth}
	case q.Version != -1 && q.Version != n.aversion:
		return manswer{code: wire.CodeBadVersion}
	}
	n.acl = acl
	n.aversion++
	m.nodes[q.Path] = n
	return manswer{text: m.stat(q.Path)}
}

func (m *model) check(sid int64, q wire.CheckRequest) manswer {
	n, ok := m.nodes[q.Path]
	switch {
	case !m.good(q.Path):
		return manswer{code: wire.CodeBadArguments}
	case !ok:
		return manswer{code: wire.CodeNoNode}
	case !m.may(m.sessions[sid].ids, n.acl, wire.PermRead):
		return manswer{code: wire.CodeNoAuth}
	case q.Version != -1 && q.Version != n.version:
		return manswer{code: wire.CodeBadVersion}
	}
	return manswer{}
}

func (m *model) one(sid int64, op wire.MultiOp) manswer {
	switch op.Op {
	case wire.OpDelete:
		return m.delete(sid, op.Delete)
	case wire.OpSetData:
		return m.setData(sid, op.SetData)
	case wire.OpCheck:
		return m.check(sid, op.Check)
	}
	return m.create(sid, op.Op, op.Create)
}

func (m *model) multi(sid int64, ops []wire.MultiOp) manswer {
	trial := m.clone()
	var all manswer
	var texts []string
	for i, op := range ops {
		a := trial.one(sid, op)
		if a.code != wire.CodeOk {
			codes := make([]string, len(ops))
			for j := range codes {
				switch {
				case j < i:
					codes[j] = "Ok"
				case j == i:
					codes[j] = a.code.String()
				default:
					codes[j] = "RuntimeInconsistency"
				}
			}
			return manswer{text: strings.Join(codes, "; ")}
		}
		texts = append(texts, a.text)
		all.events = append(all.events, a.events...)
	}
	m.nodes = trial.nodes
	all.text = strings.Join(texts, "; ")
	return all
}

// end removes a session; its ephemerals go in the order of their creation, then of their path.
func (m *model) end(sid int64) []string {
	var paths []string
	for p, n := range m.nodes {
		if n.session == sid {
			paths = append(paths, p)
		}
	}
	slices.SortFunc(paths, func(a, b string) int {
		if d := m.nodes[a].czxid - m.nodes[b].czxid; d != 0 {
			return int(d)
		}
		return strings.Compare(a, b)
	})
	var events []string
	for _, p := range paths {
		events = append(events, m.remove(p)...)
	}
	delete(m.sessions, sid)
	return events
}

func (m *model) reapable(path string, now, neverUsed int64) bool {
	n, ok := m.nodes[path]
	if !ok || m.children(path) > 0 {
		return false
	}
	return n.container && (n.made > 0 || neverUsed > 0 && now-n.mtime > neverUsed) ||
		n.ttl > 0 && now-n.mtime > n.ttl
}

// dump writes the whole model.
func (m *model) dump() string {
	var b strings.Builder
	fmt.Fprintf(&b, "zxid %#x clock %d\n", m.zxid, m.clock)
	for _, p := range slices.Sorted(maps.Keys(m.nodes)) {
		n := m.nodes[p]
		fmt.Fprintf(&b, "%s %q null=%v %v %s ttl=%d container=%v\n", p, n.data,
			n.data == nil, n.acl, m.stat(p), n.ttl, n.container)
	}
	for _, id := range slices.Sorted(maps.Keys(m.sessions)) {
		ss := m.sessions[id]
		fmt.Fprintf(&b, "session %#x generation %d owner %d %v\n", id,
			ss.generation, ss.owner, ss.ids)
	}
	for _, id := range slices.Sorted(maps.Keys(m.streams)) {
		st := m.streams[id]
		fmt.Fprintf(&b, "stream %d registration %d seq %d\n", id, st.registration, st.seq)
	}
	return b.String()
}

// dumpState writes a State as model.dump writes a model.
func dumpState(s *State) string {
	var lines []string
	var walk func(n *node)
	walk = func(n *node) {
		ttl := int64(0)
		if kindOf(n.owner) == ownerTTL {
			ttl = n.ttl()
		}
		lines = append(lines, fmt.Sprintf("%s %q null=%v %v %s ttl=%d container=%v\n",
			n.path(), n.data, n.data == nil, n.acl.acls, fmt.Sprint(n.stat()), ttl,
			kindOf(n.owner) == ownerContainer))
		for _, c := range n.children {
			walk(c)
		}
	}
	walk(s.root)
	slices.SortFunc(lines, func(a, b string) int {
		pa, _, _ := strings.Cut(a, " ")
		pb, _, _ := strings.Cut(b, " ")
		return strings.Compare(pa, pb)
	})
	var b strings.Builder
	fmt.Fprintf(&b, "zxid %#x clock %d\n", int64(s.lastZxid), s.clock)
	for _, l := range lines {
		b.WriteString(l)
	}
	for _, ss := range s.AppendSessions(nil) {
		fmt.Fprintf(&b, "session %#x generation %d owner %d %v\n", int64(ss.ID),
			uint64(ss.Generation), uint64(ss.Owner), ss.Identities)
	}
	for _, st := range s.AppendStreams(nil) {
		fmt.Fprintf(&b, "stream %d registration %d seq %d\n", uint64(st.Origin.RaftID),
			uint64(st.Origin.Registration), st.Seq)
	}
	return b.String()
}

// answerOf renders the body of a reply as the model's answers are.
func answerOf(o Outcome) string {
	if len(o.Body) == 0 {
		return ""
	}
	r := wire.NewReader(o.Body)
	switch o.Op {
	case wire.OpCreate:
		return r.String()
	case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		var a wire.Create2Response
		a.Decode(&r)
		return a.Path + " " + fmt.Sprint(a.Stat)
	case wire.OpSetData, wire.OpSetACL:
		var a wire.StatResponse
		a.Decode(&r)
		return fmt.Sprint(a.Stat)
	case wire.OpMulti:
		var a wire.MultiResponse
		a.Decode(&r)
		var texts []string
		for _, res := range a.Results {
			switch {
			case res.Op == wire.OpError:
				texts = append(texts, res.Err.String())
			case res.Op == wire.OpSetData:
				texts = append(texts, fmt.Sprint(res.Stat))
			case res.HasStat():
				texts = append(texts, res.Path+" "+fmt.Sprint(res.Stat))
			default:
				texts = append(texts, res.Path)
			}
		}
		return strings.Join(texts, "; ")
	}
	return "body " + strconv.Quote(string(o.Body))
}
