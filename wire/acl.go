package wire

import "strconv"

// Perm is a set of permissions, one bit each.
type Perm int32

// The permissions of PROTOCOL 1.3.
const (
	PermRead   Perm = 1
	PermWrite  Perm = 2
	PermCreate Perm = 4
	PermDelete Perm = 8
	PermAdmin  Perm = 16
	PermAll    Perm = 31
)

// String returns one letter per permission in the order of ZooKeeper's command line, "cdrwa".
// No permission at all is "-"; bits outside PermAll give Perm(n).
func (p Perm) String() string {
	if p&^PermAll != 0 {
		return "Perm(" + strconv.Itoa(int(p)) + ")"
	}
	if p == 0 {
		return "-"
	}
	var letters [5]byte
	b := letters[:0]
	for _, l := range permLetters {
		if p&l.perm != 0 {
			b = append(b, l.letter)
		}
	}
	return string(b)
}

var permLetters = [...]struct {
	perm   Perm
	letter byte
}{{PermCreate, 'c'}, {PermDelete, 'd'}, {PermRead, 'r'}, {PermWrite, 'w'}, {PermAdmin, 'a'}}

// ID names whom an ACL entry is about, in terms of an authentication scheme.
type ID struct {
	Scheme string
	ID     string
}

// ACL grants permissions to an ID.
type ACL struct {
	Perms Perm
	ID    ID
}

// leastACL is the shortest encoding of an ACL: permissions and two empty strings.
const leastACL = 12

// OpenACL returns a fresh list that allows everything to everybody.
func OpenACL() []ACL {
	return []ACL{{Perms: PermAll, ID: ID{Scheme: "world", ID: "anyone"}}}
}

// AppendTo appends the entry.
func (a *ACL) AppendTo(b []byte) []byte {
	b = AppendInt(b, int32(a.Perms))
	b = AppendString(b, a.ID.Scheme)
	return AppendString(b, a.ID.ID)
}

// Decode reads the entry. Its strings are views of the input.
func (a *ACL) Decode(r *Reader) {
	a.Perms = Perm(r.Int())
	a.ID.Scheme = r.String()
	a.ID.ID = r.String()
}

// AppendACLs appends a vector of entries. Nil is a null vector.
func AppendACLs(b []byte, v []ACL) []byte {
	if v == nil {
		return AppendInt(b, -1)
	}
	b = AppendInt(b, int32(len(v)))
	for i := range v {
		b = v[i].AppendTo(b)
	}
	return b
}

// ACLs reads a vector of entries into the capacity of dst, whose old elements are lost. A null
// vector is nil, an empty one is not.
func (r *Reader) ACLs(dst []ACL) []ACL {
	n, ok := r.count(leastACL)
	if !ok {
		return nil
	}
	dst = reuse(dst, n)
	for range n {
		var a ACL
		a.Decode(r)
		dst = append(dst, a)
	}
	if r.err != nil {
		return nil
	}
	return dst
}
