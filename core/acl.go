package core

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/wire"
)

// worldAnyone is everybody.
var worldAnyone = wire.ID{Scheme: "world", ID: "anyone"}

// aclList is one access control list. Znodes with equal lists share it.
type aclList struct {
	id    uint64 // given in the order of first use, the same on all members
	refs  int64
	mark  uint32    // see tracker
	world wire.Perm // what everybody may do
	acls  []wire.ACL
	index *aclIndex // of a long list, else nil
	key   string    // the encoding of acls
}

// wire returns the list. It is not to be written into.
func (l *aclList) wire() []wire.ACL { return l.acls }

// aclTable holds every list in use once.
//
// Invariant: a list is in the table exactly while refs > 0, and refs is the number of znodes
// that hold it.
type aclTable struct {
	byKey map[string]*aclList
	last  uint64 // the id given last
}

func (t *aclTable) init() { t.byKey = make(map[string]*aclList) }

// internACL returns the list with these entries and takes a reference to it. acls may be
// views: they are copied if they are kept.
func (s *State) internACL(acls []wire.ACL) *aclList {
	s.work.aclKey = wire.AppendACLs(s.work.aclKey[:0], acls)
	if l := s.acls.byKey[string(s.work.aclKey)]; l != nil {
		l.refs++
		return l
	}
	s.acls.last++
	l := newACLList(s.acls.last, string(s.work.aclKey))
	s.holdACL(l)
	return l
}

// newACLList makes a list from its encoding. Its strings are views of key.
func newACLList(id uint64, key string) *aclList {
	r := wire.NewReader([]byte(key))
	l := &aclList{id: id, key: key, acls: r.ACLs(nil)}
	for _, a := range l.acls {
		if a.ID == worldAnyone {
			l.world |= a.Perms
		}
	}
	if len(l.acls) > longACL {
		l.index = newACLIndex(l.acls)
	}
	return l
}

// holdACL takes a reference to l, which comes into the table with its first.
func (s *State) holdACL(l *aclList) {
	l.refs++
	if l.refs > 1 {
		return
	}
	s.acls.byKey[l.key] = l
	s.sum.add(s.aclItem(l))
	s.aclCreated(l)
}

// releaseACL gives a reference back. The list leaves the table with its last.
func (s *State) releaseACL(l *aclList) {
	invariant.Check(l.refs > 0, "an ACL released more often than held")
	l.refs--
	if l.refs > 0 {
		return
	}
	s.aclRemoving(l)
	s.sum.sub(s.aclItem(l))
	delete(s.acls.byKey, l.key)
}

// allowed says whether somebody with these identities has one of the permissions perm. An
// empty list protects nothing.
func allowed(acl *aclList, ids []wire.ID, perm wire.Perm) bool {
	if acl == nil || acl.world&perm != 0 || len(acl.acls) == 0 {
		return true
	}
	for i := range ids {
		if ids[i].Scheme == "super" {
			return true
		}
	}
	if mutant.On("limits-admin-may-all") {
		perm |= wire.PermAdmin
	}
	if acl.index != nil {
		return acl.index.allows(ids, perm)
	}
	for i := range acl.acls {
		a := &acl.acls[i]
		if a.Perms&perm == 0 {
			continue
		}
		for j := range ids {
			if ids[j].Scheme == a.ID.Scheme && matches(ids[j], a.ID.ID) {
				return true
			}
		}
	}
	return false
}

// matches says whether an identity is one that an ACL's id of the same scheme means.
func matches(id wire.ID, want string) bool {
	switch id.Scheme {
	case "world":
		return false // nobody's identity; everybody is dealt with by aclList.world
	case "ip":
		return matchesIP(id.ID, want)
	case "sasl":
		return id.ID == want || id.ID == "super"
	}
	return id.ID == want
}

// matchesIP says whether addr lies in the network expr, address/bits or one address.
func matchesIP(addr, expr string) bool {
	network, bits, ok := parseNetwork(expr)
	if !ok {
		return false
	}
	a, ok := parseIP(addr)
	if !ok || a.BitLen() != network.BitLen() {
		return false
	}
	prefix, err := a.Prefix(bits)
	return err == nil && prefix.Contains(network)
}

// parseNetwork reads the id of scheme ip in an ACL.
func parseNetwork(expr string) (addr netip.Addr, bits int, ok bool) {
	host, tail, found := strings.Cut(expr, "/")
	addr, ok = parseIP(host)
	if !ok {
		return addr, 0, false
	}
	bits = addr.BitLen()
	if found {
		n, err := strconv.Atoi(tail)
		if err != nil || n < 0 || n > bits {
			return addr, 0, false
		}
		bits = n
	}
	return addr, bits, true
}

// parseIP reads an address as ZooKeeper does, which takes "1.02.+3.4" for one; a zone or an
// IPv4 address inside an IPv6 one it does not.
func parseIP(s string) (netip.Addr, bool) {
	if strings.IndexByte(s, ':') >= 0 {
		addr, err := netip.ParseAddr(s)
		return addr, err == nil && addr.Zone() == "" && strings.IndexByte(s, '.') < 0
	}
	var b [4]byte
	for i := range b {
		part, rest, found := strings.Cut(s, ".")
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 || n > 255 || found != (i < 3) {
			return netip.Addr{}, false
		}
		b[i], s = byte(n), rest
	}
	return netip.AddrFrom4(b), true
}

// maxExpandedACL bounds the bytes of the identities that "auth" stands for in one list, and
// maxExpanded in all lists of one request. Each server has to hold what comes of it, and a short
// request may name many: a multi makes thousands of lists.
const (
	maxExpandedACL = 1 << 20
	maxExpanded    = 16 << 20
)

// resolveACL judges the list of a create or setACL and replaces what depends on the caller:
// duplicates collapse, "auth" becomes every authenticated identity of the session. The result
// is valid until the next call.
func (s *State) resolveACL(list []wire.ACL, ids []wire.ID, flags Flags) ([]wire.ACL, bool) {
	out := s.work.acl[:0]
	expanded := 0
	for i, a := range list {
		switch {
		case duplicate(list, i):
		case a.ID == worldAnyone:
			out = append(out, a)
		case a.ID.Scheme == "auth":
			before := len(out)
			for _, id := range ids {
				if authenticated(id.Scheme) && expanded <= maxExpandedACL {
					out = append(out, wire.ACL{Perms: a.Perms, ID: id})
					expanded += idSize(id)
				}
			}
			if len(out) == before || expanded > maxExpandedACL ||
				s.work.expanded+expanded > maxExpanded {
				return nil, false
			}
		case !validACLID(a.ID, flags):
			return nil, false
		default:
			a.ID.ID = asUTF8(a.ID.ID)
			out = append(out, a)
		}
	}
	s.work.acl = out
	s.work.expanded += expanded
	return out, len(out) > 0
}

// idSize is about what an identity takes in a list.
func idSize(id wire.ID) int { return 16 + len(id.Scheme) + len(id.ID) }

// asUTF8 reads s as ZooKeeper does, which takes what is no UTF-8 for U+FFFD. Clients that decode
// strictly would fail on such an id of somebody else's. How much one U+FFFD stands for counts: the
// hash of a digest is that of the text with them in it, and ACLs that ZooKeeper made hold it.
func asUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	b := make([]byte, 0, 3*len(s))
	for s != "" {
		r, size := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && size == 1 {
			size = malformedLen(s)
		}
		b = utf8.AppendRune(b, r)
		s = s[size:]
	}
	return string(b)
}

// malformedLen returns how many bytes at the start of s, which are no UTF-8, Java takes for one
// character (tried on 17): as much as a character could begin with, or a surrogate.
func malformedLen(s string) int {
	size := 3
	low, high := byte(0x80), byte(0xbf) // of the second byte
	switch c := s[0]; {
	case c == 0xe0:
		low = 0xa0
	case c > 0xe0 && c <= 0xef:
	case c == 0xf0:
		size, low = 4, 0x90
	case c > 0xf0 && c < 0xf4:
		size = 4
	case c == 0xf4:
		size, high = 4, 0x8f
	default:
		return 1
	}
	n := 1
	for n < min(size, len(s)) && s[n] >= low && s[n] <= high {
		low, high = 0x80, 0xbf
		n++
	}
	return n
}

// duplicate says whether list[i] stood in the list before. Long lists are only looked through
// in part: a duplicate changes nothing of what a list means, and nobody may make apply
// compare 80,000 entries with each other.
func duplicate(list []wire.ACL, i int) bool {
	const most = 64
	for _, a := range list[:min(i, most)] {
		if a == list[i] {
			return true
		}
	}
	return false
}

// authenticated says whether an identity of this scheme was proven by its client; an address
// was not.
func authenticated(scheme string) bool {
	return scheme == "digest" || scheme == "x509" || scheme == "sasl"
}

// validACLID says whether an ACL may name this id.
func validACLID(id wire.ID, flags Flags) bool {
	switch id.Scheme {
	case "digest":
		// ZooKeeper splits at colons and drops empty parts at the end.
		return strings.Count(strings.TrimRight(id.ID, ":"), ":") == 1
	case "ip":
		_, _, ok := parseNetwork(id.ID)
		return ok
	case "x509":
		return flags.X509
	case "sasl":
		return flags.SASL
	}
	return false
}
