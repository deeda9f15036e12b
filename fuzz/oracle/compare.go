package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/wire"
)

// A mapping pairs what the two servers hand out by themselves. It holds for one case.
//
// Invariant: ourZxid and theirZxid are inverse to each other, and so are the sessions.
type mapping struct {
	zxids, sessions [2]map[int64]int64 // by side, to the other side's
	highest         [2]int64
	times           [2]map[int64]int64 // of a transaction, by its zxid
	ends            map[int64]bool     // their zxids of closed sessions
}

func newMapping() *mapping {
	m := &mapping{ends: map[int64]bool{}}
	for side := range 2 {
		m.zxids[side] = map[int64]int64{0: 0, -1: -1}
		m.sessions[side] = map[int64]int64{0: 0}
		m.times[side] = map[int64]int64{}
	}
	return m
}

// zxid pairs two zxids, and says what is wrong with that.
func (m *mapping) zxid(a, b int64) string {
	if got, ok := m.zxids[theirs][a]; ok {
		if got != b {
			return fmt.Sprintf("zxid %#x was %#x before", a, got)
		}
		return ""
	}
	if got, ok := m.zxids[ours][b]; ok {
		return fmt.Sprintf("zxid %#x was %#x before", b, got)
	}
	if (a > m.highest[theirs]) != (b > m.highest[ours]) {
		return fmt.Sprintf("zxids are in another order: highest were %#x and %#x",
			m.highest[theirs], m.highest[ours])
	}
	m.zxids[theirs][a], m.zxids[ours][b] = b, a
	m.highest[theirs], m.highest[ours] = max(m.highest[theirs], a), max(m.highest[ours], b)
	return ""
}

// session pairs two session ids that were handed out together.
func (m *mapping) session(a, b int64) { m.sessions[theirs][a], m.sessions[ours][b] = b, a }

// time checks that a transaction has one time, whatever znode tells it.
func (m *mapping) time(side int, zxid, ms int64) string {
	was, ok := m.times[side][zxid]
	if ok && was != ms {
		return fmt.Sprintf("%s's transaction %#x is of time %d, and of %d", sideNames[side],
			zxid, was, ms)
	}
	m.times[side][zxid] = ms
	return ""
}

// comparison reads two frames side by side, up to the first difference.
type comparison struct {
	m    *mapping
	a, b wire.Reader
	diff string
}

func (c *comparison) differ(what, format string, args ...any) {
	if c.diff == "" {
		c.diff = what + ": " + fmt.Sprintf(format, args...)
	}
}

func (c *comparison) int(what string) int32 {
	a, b := c.a.Int(), c.b.Int()
	if a != b {
		c.differ(what, "%d, %d", a, b)
	}
	return a
}

func (c *comparison) zxid(what string) (a, b int64) {
	a, b = c.a.Long(), c.b.Long()
	if wrong := c.m.zxid(a, b); wrong != "" {
		c.differ(what, "%#x, %#x: %s", a, b, wrong)
	}
	return a, b
}

func (c *comparison) owner(what string) {
	a, b := c.a.Long(), c.b.Long()
	if got, ok := c.m.sessions[theirs][a]; !ok || got != b {
		c.differ(what, "%#x, %#x", a, b)
	}
}

func (c *comparison) string(what string) {
	a, okA := c.a.NullableString()
	b, okB := c.b.NullableString()
	if a != b || okA != okB {
		c.differ(what, "%q, %q", a, b)
	}
}

func (c *comparison) buffer(what string) {
	a, b := c.a.Buffer(), c.b.Buffer()
	if !bytes.Equal(a, b) || (a == nil) != (b == nil) {
		c.differ(what, "%q, %q", a, b)
	}
}

// names compares lists whose order ZooKeeper leaves to its hash tables.
func (c *comparison) names(what string) {
	a, b := c.a.Strings(nil), c.b.Strings(nil)
	slices.Sort(a)
	slices.Sort(b)
	if !slices.Equal(a, b) || (a == nil) != (b == nil) {
		c.differ(what, "%q, %q", a, b)
	}
}

// acls compares access lists. The identities that "auth" stood for come in the order of a hash
// table in ZooKeeper: neighbours of scheme digest with the same permissions compare sorted.
func (c *comparison) acls() {
	a, b := c.a.ACLs(nil), c.b.ACLs(nil)
	sortDigests(a)
	sortDigests(b)
	if !slices.Equal(a, b) {
		c.differ("acl", "%v, %v", a, b)
	}
}

func sortDigests(list []wire.ACL) {
	for i := 0; i < len(list); {
		j := i + 1
		for j < len(list) && list[i].ID.Scheme == "digest" && list[j].ID.Scheme == "digest" &&
			list[i].Perms == list[j].Perms {
			j++
		}
		slices.SortFunc(list[i:j], func(x, y wire.ACL) int {
			return strings.Compare(x.ID.ID, y.ID.ID)
		})
		i = j
	}
}

// identities compares the answers to whoAmI, a hash table as well.
func (c *comparison) identities() {
	var lists [2][]string
	for side, r := range []*wire.Reader{&c.a, &c.b} {
		var answer wire.WhoAmIResponse
		answer.Decode(r)
		for _, id := range answer.Clients {
			lists[side] = append(lists[side], id.Scheme+":"+id.User)
		}
		slices.Sort(lists[side])
	}
	if !slices.Equal(lists[theirs], lists[ours]) {
		c.differ("identities", "%q, %q", lists[theirs], lists[ours])
	}
}

// stat compares all of a Stat. Times are each server's own, but one transaction has one time.
func (c *comparison) stat() {
	czxidA, czxidB := c.zxid("czxid")
	mzxidA, mzxidB := c.zxid("mzxid")
	for side, r := range []*wire.Reader{&c.a, &c.b} {
		created, modified := czxidA, mzxidA
		if side == ours {
			created, modified = czxidB, mzxidB
		}
		if wrong := c.m.time(side, created, r.Long()); wrong != "" {
			c.differ("ctime", "%s", wrong)
		}
		if wrong := c.m.time(side, modified, r.Long()); wrong != "" {
			c.differ("mtime", "%s", wrong)
		}
	}
	c.int("version")
	c.int("cversion")
	c.int("aversion")
	c.owner("ephemeralOwner")
	c.int("dataLength")
	c.int("numChildren")
	c.zxid("pzxid")
}

// header compares the header of a reply or event.
func (c *comparison) header() (xid int32, code wire.ErrorCode) {
	xid = c.int("xid")
	// The error first: it explains a difference better.
	a, b := c.a.Long(), c.b.Long()
	code = wire.ErrorCode(c.a.Int())
	if got := wire.ErrorCode(c.b.Int()); got != code {
		c.differ("error", "%v, %v", code, got)
	}
	if wrong := c.m.zxid(a, b); wrong != "" {
		c.differ("header zxid", "%#x, %#x: %s", a, b, wrong)
	}
	return xid, code
}

// end checks that nothing is left of either frame.
func (c *comparison) end() string {
	if c.diff == "" && (c.a.Err() != nil || c.b.Err() != nil) {
		c.differ("frame", "%v, %v", c.a.Err(), c.b.Err())
	}
	if c.diff == "" && (c.a.Len() > 0 || c.b.Len() > 0) {
		c.differ("length", "%d and %d bytes too many", c.a.Len(), c.b.Len())
	}
	return c.diff
}

// compareEvent compares two notifications.
func (m *mapping) compareEvent(a, b []byte) string {
	c := comparison{m: m, a: wire.NewReader(a), b: wire.NewReader(b)}
	c.header()
	c.int("event type")
	c.int("event state")
	c.string("event path")
	return c.end()
}

// compareReply compares the replies to a request.
//
//tidy:flat one line an opcode
func (m *mapping) compareReply(op wire.OpCode, a, b []byte) string {
	c := comparison{m: m, a: wire.NewReader(a), b: wire.NewReader(b)}
	if _, code := c.header(); code != wire.CodeOk {
		return c.end()
	}
	switch op {
	case wire.OpCreate, wire.OpSync:
		c.string("path")
	case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		c.string("path")
		c.stat()
	case wire.OpExists, wire.OpSetData, wire.OpSetACL:
		c.stat()
	case wire.OpGetData, wire.OpReconfig:
		c.buffer("data")
		c.stat()
	case wire.OpGetACL:
		c.acls()
		c.stat()
	case wire.OpGetChildren, wire.OpGetEphemerals:
		c.names("names")
	case wire.OpGetChildren2:
		c.names("names")
		c.stat()
	case wire.OpGetAllChildrenNumber:
		c.int("count")
	case wire.OpMulti, wire.OpMultiRead:
		c.multi()
	case wire.OpAddWatch:
		c.int("result")
	case wire.OpSASL:
		c.buffer("token")
	case wire.OpWhoAmI:
		c.identities()
	}
	return c.end()
}

// multi compares the results of a multi or multiRead, one after the other.
func (c *comparison) multi() {
	for i := 0; c.diff == "" && c.a.Err() == nil; i++ {
		at := fmt.Sprintf("result %d: ", i)
		op := wire.OpCode(c.int(at + "type"))
		if a, b := c.a.Bool(), c.b.Bool(); a != b {
			c.differ(at+"done", "%v, %v", a, b)
		} else if a {
			c.int(at + "end")
			return
		}
		c.int(at + "error")
		switch op {
		case wire.OpCreate:
			c.string(at + "path")
		case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
			c.string(at + "path")
			c.stat()
		case wire.OpSetData:
			c.stat()
		case wire.OpGetData:
			c.buffer(at + "data")
			c.stat()
		case wire.OpGetChildren:
			c.names(at + "names")
		case wire.OpError:
			c.int(at + "error")
		}
	}
}

// isEvent says whether a frame is a notification.
func isEvent(frame []byte) bool {
	r := wire.NewReader(frame)
	return r.Int() == wire.XidNotification
}

// eventOf reads a notification.
func eventOf(frame []byte) (zxid int64, e wire.WatcherEvent) {
	r := wire.NewReader(frame)
	var h wire.ReplyHeader
	h.Decode(&r)
	e.Decode(&r)
	return h.Zxid, e
}

// sortEnds sorts events that the end of a session made, each run of one zxid by itself: which of
// its ephemerals goes first is left to ZooKeeper's hash tables. ends tells those zxids.
func sortEnds(frames [][]byte, ends map[int64]bool) {
	for i := 0; i < len(frames); {
		if !isEvent(frames[i]) {
			i++
			continue
		}
		zxid, _ := eventOf(frames[i])
		j := i + 1
		for j < len(frames) && isEvent(frames[j]) {
			if other, _ := eventOf(frames[j]); other != zxid {
				break
			}
			j++
		}
		if ends[zxid] {
			slices.SortFunc(frames[i:j], func(a, b []byte) int {
				_, x := eventOf(a)
				_, y := eventOf(b)
				return cmpEvents(x, y)
			})
		}
		i = j
	}
}

func cmpEvents(a, b wire.WatcherEvent) int {
	if n := strings.Compare(a.Path, b.Path); n != 0 {
		return n
	}
	return int(a.Type) - int(b.Type)
}
