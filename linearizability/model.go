package linearizability

import (
	"fmt"
	"sort"
	"strings"
)

// model is a naive ZooKeeper: the whole tree and all sessions, changed by one commit after the
// other. It is meant to be read beside ZooKeeper's PrepRequestProcessor and DataTree, from whose
// release 3.9.4 the order of its checks comes; where it departs from them a comment says so.
type model struct {
	super    string
	zxid     int64 // the last one taken
	clockMs  int64 // the latest stamp
	nodes    map[string]*node
	sessions map[int64]*session
	quotas   map[string]bool // paths that have a zookeeper_limits node

	// changes are all changes of the tree so far that watches can see, in order.
	changes []change
	// undo reverses what the multi under way did so far, last first.
	undo   []func()
	undoes bool

	// ghosts remembers the owner of each ephemeral that went with its session, until the path is
	// used again: to say what is wrong when one is seen later.
	ghosts map[string]int64

	secrets  map[string]*Line // by password, who was given it
	ensemble ensemble
}

type node struct {
	data     []byte
	acl      []ACL
	stat     Stat // without what describe fills in
	creates  int32
	children map[string]bool

	container bool
	ttl       int64 // ms, 0 when it is no TTL node
}

// session is what the model knows of a session, also after its end.
type session struct {
	id         int64
	alive      bool
	generation uint64
	origin     uint64
	secret     string
	timeoutMs  int32
	identities []ID
	endZxid    int64
	ephemerals map[string]bool
}

// change is one event as ZooKeeper's watch manager is told of it.
type change struct {
	typ    EventType
	path   string
	zxid   int64
	commit int // index into analysis.commits
	acl    []ACL
	// childToo says that a deletion is told to the child watches of the node as well.
	childToo bool
	// unordered changes of one commit may come in any order among themselves: ZooKeeper does not
	// say in which order a session's ephemerals go.
	unordered bool
}

var openACL = []ACL{{Perms: permAll, ID: ID{"world", "anyone"}}}

const (
	quotaRoot  = "/zookeeper/quota"
	configPath = "/zookeeper/config"
)

func newModel(h *Header) *model {
	m := &model{
		super: h.Super, nodes: map[string]*node{}, sessions: map[int64]*session{},
		quotas: map[string]bool{}, ghosts: map[string]int64{}, secrets: map[string]*Line{},
		zxid: h.Zxid,
	}
	for _, p := range []string{"/", "/zookeeper", quotaRoot, configPath} {
		m.nodes[p] = &node{data: []byte{}, acl: openACL, children: map[string]bool{}}
	}
	// The system nodes are children without having been created: ZooKeeper shows a negative
	// cversion for their parents.
	m.nodes["/"].creates, m.nodes["/"].children["zookeeper"] = h.RootCreates, true
	m.nodes["/zookeeper"].children["quota"] = true
	m.nodes["/zookeeper"].children["config"] = true
	config := m.nodes[configPath]
	config.acl = []ACL{{Perms: permRead, ID: ID{"world", "anyone"}}}
	config.stat.Aversion = -1
	if h.Config != nil {
		config.data = h.Config
	}
	servers, version, ok := parseConfig(string(h.Config))
	if ok && version > 0 {
		// An ensemble has written its first configuration when it was founded.
		m.ensemble = ensemble{servers: servers, version: version}
		m.zxid = version
		config.stat.Mzxid, config.stat.Version = version, -1
	}
	return m
}

// nextZxid is the zxid that an executed write of an entry of the term takes.
func (m *model) nextZxid(term uint64) int64 {
	return max(m.zxid+1, int64(term<<32|1))
}

// node finds a node; the empty path is another name of the root.
func (m *model) node(path string) *node {
	if path == "" {
		path = "/"
	}
	return m.nodes[path]
}

// describe is the Stat as a client sees it.
func (n *node) describe() *Stat {
	s := n.stat
	s.DataLength = int32(len(n.data))
	s.NumChildren = int32(len(n.children))
	s.Cversion = 2*n.creates - s.NumChildren
	return &s
}

// origin says who asks for a write, when, and under which settings.
type origin struct {
	session    int64
	identities []ID
	zxid       int64
	commit     int

	skipACL, enforceQuota, extendedTypes, noGrowth bool
}

// write executes a write request and returns its result. A failed one has changed nothing.
func (m *model) write(r *Request, o *origin) Result {
	if r.Malformed {
		return Result{Err: CodeMarshallingError}
	}
	switch r.Op {
	case OpMulti:
		return m.multi(r, o)
	}
	return m.single(r, o)
}

func (m *model) single(r *Request, o *origin) Result {
	switch r.Op {
	case OpCreate, OpCreate2, OpCreateContainer, OpCreateTTL:
		return m.create(r, o)
	case OpDelete:
		return m.delete(r, o)
	case OpDeleteContainer:
		return m.deleteContainer(r.Path, o)
	case OpSetData:
		return m.setData(r, o)
	case OpSetACL:
		return m.setACL(r, o)
	case OpCheck:
		return m.check(r, o)
	}
	return Result{Err: CodeUnimplemented}
}

func fail(c Code) Result { return Result{Err: c} }

// createMode is what the flags of a create say.
type createMode struct {
	ephemeral, sequential, container, ttl bool
}

func modeOf(flags int32) (createMode, bool) {
	switch flags {
	case 0:
		return createMode{}, true
	case 1:
		return createMode{ephemeral: true}, true
	case 2:
		return createMode{sequential: true}, true
	case 3:
		return createMode{ephemeral: true, sequential: true}, true
	case 4:
		return createMode{container: true}, true
	case 5:
		return createMode{ttl: true}, true
	case 6:
		return createMode{ttl: true, sequential: true}, true
	}
	return createMode{}, false
}

const maxTTL = 1<<40 - 1

func (m *model) create(r *Request, o *origin) Result {
	mode, ok := modeOf(r.Flags)
	if !ok {
		return fail(CodeBadArguments)
	}
	ttl := int64(-1)
	if r.Op == OpCreateTTL {
		ttl = r.TTL
	}
	if mode.ttl && !o.extendedTypes {
		return fail(CodeUnimplemented)
	}
	if mode.ttl && (ttl <= 0 || ttl > maxTTL) || !mode.ttl && ttl >= 0 {
		return fail(CodeBadArguments)
	}
	if r.Op == OpCreateTTL && !mode.ttl {
		return fail(CodeBadArguments) // ZooKeeper's server does not survive it
	}
	path := r.Path
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 || strings.IndexByte(path, 0) >= 0 {
		return fail(CodeBadArguments)
	}
	acl, code := fixACL(r.ACL, o.identities)
	if code != CodeOk {
		return fail(code)
	}
	parentPath := path[:slash]
	parent := m.node(parentPath)
	if parent == nil {
		return fail(CodeNoNode)
	}
	if !m.allowed(parent.acl, permCreate, o) {
		return fail(CodeNoAuth)
	}
	if mode.sequential {
		path += fmt.Sprintf("%010d", parent.creates)
	}
	switch {
	case !validPath(path):
		return fail(CodeBadArguments)
	case m.node(path) != nil:
		return fail(CodeNodeExists)
	case parent.stat.EphemeralOwner != 0:
		return fail(CodeNoChildrenForEphemerals)
	case o.noGrowth || m.overQuota(path, int64(len(r.Data)), 1, o):
		return fail(CodeQuotaExceeded)
	}
	n := &node{data: r.Data, acl: acl, children: map[string]bool{}}
	n.stat = Stat{Czxid: o.zxid, Mzxid: o.zxid, Pzxid: o.zxid, Ctime: m.clockMs, Mtime: m.clockMs}
	// The op decides before the flags do: createContainer makes a container whatever the flags,
	// and create with the container flag a plain node (CreateTxn knows no containers).
	switch {
	case r.Op == OpCreateContainer:
		n.container = true
	case r.Op == OpCreateTTL:
		n.ttl = ttl
	case mode.ephemeral:
		n.stat.EphemeralOwner = o.session
	}
	res := Result{Path: path, Stat: n.describe()} // before quotas are counted, as ZooKeeper does
	m.add(path, n, o)
	return res
}

// add puts a new node into the tree, with all that follows from it.
func (m *model) add(path string, n *node, o *origin) {
	parentPath, name := split(path)
	parent := m.node(parentPath)
	owner := n.stat.EphemeralOwner
	pzxid, ghost := parent.stat.Pzxid, m.ghosts[path]
	m.nodes[path] = n
	parent.children[name] = true
	parent.creates++
	parent.stat.Pzxid = o.zxid
	if s := m.sessions[owner]; s != nil {
		s.ephemerals[path] = true
	}
	delete(m.ghosts, path)
	m.onUndo(func() {
		delete(m.nodes, path)
		delete(parent.children, name)
		parent.creates--
		parent.stat.Pzxid = pzxid
		if s := m.sessions[owner]; s != nil {
			delete(s.ephemerals, path)
		}
		if ghost != 0 {
			m.ghosts[path] = ghost
		}
	})
	m.quotaAdded(path, parentPath, name, n)
	m.tell(change{typ: EventNodeCreated, path: path, acl: n.acl}, o)
	m.tell(change{typ: EventNodeChildrenChanged, path: parentPath, acl: parent.acl}, o)
}

// remove takes a node that exists and has no children out of the tree.
func (m *model) remove(path string, o *origin, unordered bool) {
	n := m.nodes[path]
	parentPath, name := split(path)
	parent := m.node(parentPath)
	owner := n.stat.EphemeralOwner
	pzxid := parent.stat.Pzxid
	delete(m.nodes, path)
	delete(parent.children, name)
	parent.stat.Pzxid = o.zxid
	if s := m.sessions[owner]; s != nil {
		delete(s.ephemerals, path)
	}
	m.onUndo(func() {
		m.nodes[path] = n
		parent.children[name] = true
		parent.stat.Pzxid = pzxid
		if s := m.sessions[owner]; s != nil {
			s.ephemerals[path] = true
		}
	})
	m.quotaRemoved(path, parentPath, name, n)
	m.tell(change{typ: EventNodeDeleted, path: path, acl: n.acl, childToo: true,
		unordered: unordered}, o)
	m.tell(change{typ: EventNodeChildrenChanged, path: parentPath, acl: parent.acl,
		unordered: unordered}, o)
}

func (m *model) delete(r *Request, o *origin) Result {
	slash := strings.LastIndexByte(r.Path, '/')
	if slash < 0 || strings.IndexByte(r.Path, 0) >= 0 || systemPath(r.Path) {
		return fail(CodeBadArguments)
	}
	parent := m.node(r.Path[:slash])
	if parent == nil {
		return fail(CodeNoNode)
	}
	if !m.allowed(parent.acl, permDelete, o) {
		return fail(CodeNoAuth)
	}
	n := m.nodes[r.Path]
	switch {
	case n == nil:
		return fail(CodeNoNode)
	case r.Version != -1 && r.Version != n.stat.Version:
		return fail(CodeBadVersion)
	case len(n.children) > 0:
		return fail(CodeNotEmpty)
	}
	m.remove(r.Path, o, false)
	return Result{}
}

// deleteContainer from a client needs the permission of a delete. ZooKeeper, whose own reaper
// sends it, asks for none and so lets anybody delete anything: not a behaviour to ask for.
func (m *model) deleteContainer(path string, o *origin) Result {
	slash := strings.LastIndexByte(path, '/')
	if slash < 0 || strings.IndexByte(path, 0) >= 0 || systemPath(path) {
		return fail(CodeBadArguments)
	}
	n := m.nodes[path]
	if n == nil {
		return fail(CodeNoNode)
	}
	parent, _ := split(path)
	switch {
	case !m.allowed(m.node(parent).acl, permDelete, o):
		return fail(CodeNoAuth)
	case len(n.children) > 0:
		return fail(CodeNotEmpty)
	case n.stat.EphemeralOwner != 0:
		return fail(CodeBadVersion)
	}
	m.remove(path, o, false)
	return Result{}
}

func (m *model) setData(r *Request, o *origin) Result {
	if !validPath(r.Path) {
		return fail(CodeBadArguments)
	}
	n := m.nodes[r.Path]
	if n == nil {
		return fail(CodeNoNode)
	}
	if !m.allowed(n.acl, permWrite, o) {
		return fail(CodeNoAuth)
	}
	grows := int64(len(r.Data)) - int64(len(n.data))
	if o.noGrowth && grows > 0 || m.overQuota(r.Path, grows, 0, o) {
		return fail(CodeQuotaExceeded)
	}
	if r.Version != -1 && r.Version != n.stat.Version {
		return fail(CodeBadVersion)
	}
	data, stat := n.data, n.stat
	n.data = r.Data
	n.stat.Mzxid, n.stat.Mtime = o.zxid, m.clockMs
	n.stat.Version++
	m.onUndo(func() { n.data, n.stat = data, stat })
	// ZooKeeper copies the Stat before it counts quotas, which matters for a stats node under
	// its own quota; we count as it does and show as it does.
	res := Result{Stat: n.describe()}
	m.quotaCount(r.Path, grows, 0)
	m.tell(change{typ: EventNodeDataChanged, path: r.Path, acl: n.acl}, o)
	return res
}

func (m *model) setACL(r *Request, o *origin) Result {
	if !validPath(r.Path) {
		return fail(CodeBadArguments)
	}
	acl, code := fixACL(r.ACL, o.identities)
	if code != CodeOk {
		return fail(code)
	}
	n := m.nodes[r.Path]
	switch {
	case n == nil:
		return fail(CodeNoNode)
	case !m.allowed(n.acl, permAdmin, o):
		return fail(CodeNoAuth)
	case r.Version != -1 && r.Version != n.stat.Aversion:
		return fail(CodeBadVersion)
	}
	n.acl = acl
	n.stat.Aversion++
	return Result{Stat: n.describe()}
}

func (m *model) check(r *Request, o *origin) Result {
	if !validPath(r.Path) {
		return fail(CodeBadArguments)
	}
	n := m.nodes[r.Path]
	switch {
	case n == nil:
		return fail(CodeNoNode)
	case !m.allowed(n.acl, permRead, o):
		return fail(CodeNoAuth)
	case r.Version != -1 && r.Version != n.stat.Version:
		return fail(CodeBadVersion)
	}
	return Result{}
}

// multi executes all parts or none. Later parts see the earlier ones.
func (m *model) multi(r *Request, o *origin) Result {
	parts := make([]Request, len(r.Ops))
	for i := range r.Ops {
		part, ok := multiPart(r.Ops[i])
		if !ok {
			return fail(CodeMarshallingError)
		}
		parts[i] = part
	}
	m.undo, m.undoes = nil, true
	told := len(m.changes)
	res := Result{Parts: []Result{}}
	culprit := -1
	for i := range parts {
		part := m.single(&parts[i], o)
		part.Op = partResult(parts[i].Op)
		res.Parts = append(res.Parts, part)
		if part.Err != CodeOk {
			culprit = i
			break
		}
	}
	m.undoes = false
	if culprit < 0 {
		return res
	}
	for i := len(m.undo) - 1; i >= 0; i-- {
		m.undo[i]()
	}
	m.changes = m.changes[:told]
	cause := res.Parts[culprit].Err
	res.Parts = res.Parts[:0]
	for i := range r.Ops {
		part := Result{Op: OpError}
		if i == culprit {
			part.Err = cause
		} else if i > culprit {
			part.Err = CodeRuntimeInconsistency
		}
		res.Parts = append(res.Parts, part)
	}
	return res
}

// partResult is the type that the result of a part has: all creates that show a Stat are create2.
func partResult(op Op) Op {
	if op == OpCreateContainer || op == OpCreateTTL {
		return OpCreate2
	}
	return op
}

// multiPart is what ZooKeeper's decoder makes of a part of a multi, whose mode counts more than its
// op there; false is a part for which it refuses the whole multi.
func multiPart(r Request) (Request, bool) {
	mode, known := modeOf(r.Flags)
	switch r.Op {
	case OpCreate, OpCreate2, OpCreateContainer:
		if mode.container {
			r.Op = OpCreateContainer
		}
		return r, known && !mode.ttl && r.ACL != nil && !r.Malformed
	case OpCreateTTL:
		if mode.container {
			r.Op = OpCreateContainer
		} else if !mode.ttl {
			r.Op = OpCreate
		}
		return r, !r.Malformed
	case OpDelete, OpSetData, OpCheck:
		return r, !r.Malformed
	}
	return r, false
}

func (m *model) onUndo(f func()) {
	if m.undoes {
		m.undo = append(m.undo, f)
	}
}

func (m *model) tell(c change, o *origin) {
	c.zxid, c.commit = o.zxid, o.commit
	m.changes = append(m.changes, c)
}

// configure writes the text of a new configuration; its version never moves.
func (m *model) configure(data []byte, o *origin) {
	n := m.nodes[configPath]
	m.quotaCount(configPath, int64(len(data)-len(n.data)), 0)
	n.data = data
	n.stat.Mzxid, n.stat.Mtime, n.stat.Version = o.zxid, m.clockMs, -1
	m.tell(change{typ: EventNodeDataChanged, path: configPath, acl: n.acl}, o)
}

// end ends a session and deletes its ephemerals, and returns their paths.
func (m *model) end(s *session, o *origin) []string {
	s.alive = false
	s.endZxid = o.zxid
	paths := sortedKeys(s.ephemerals)
	for _, p := range paths {
		m.remove(p, o, true)
		m.ghosts[p] = s.id
	}
	return paths
}

// descendants counts the nodes below a path.
func (m *model) descendants(path string) int32 {
	prefix := strings.TrimSuffix(path, "/") + "/"
	count := int32(0)
	for p := range m.nodes {
		// The root is no descendant of "/", but of "" it is, in ZooKeeper.
		if (p != "/" || path == "") && strings.HasPrefix(p, prefix) {
			count++
		}
	}
	return count
}

// split cuts a valid path other than the root into its parent and its name.
func split(path string) (parent, name string) {
	slash := strings.LastIndexByte(path, '/')
	if slash == 0 {
		return "/", path[1:]
	}
	return path[:slash], path[slash+1:]
}

func systemPath(path string) bool {
	return path == "/" || path == "/zookeeper" || path == quotaRoot || path == configPath
}

// validPath follows ZooKeeper's PathUtils, which looks at UTF-16 units: characters beyond the
// basic plane are pairs of surrogates there, and refused.
func validPath(path string) bool {
	if path == "" || path[0] != '/' {
		return false
	}
	if path == "/" {
		return true
	}
	for _, name := range strings.Split(path[1:], "/") {
		if name == "" || name == "." || name == ".." {
			return false
		}
	}
	for _, r := range path {
		if r <= 0x1f || r >= 0x7f && r <= 0x9f || r >= 0xd800 && r <= 0xf8ff || r >= 0xfff0 {
			return false // U+FFFD, what is no UTF-8, is among them
		}
	}
	return true
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
