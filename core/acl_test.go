package core

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

func TestAllowed(t *testing.T) {
	list := func(acls ...wire.ACL) []wire.ACL { return acls }
	id := func(scheme, id string) wire.ID { return wire.ID{Scheme: scheme, ID: id} }
	one := func(perms wire.Perm, scheme, name string) []wire.ACL {
		return list(wire.ACL{Perms: perms, ID: id(scheme, name)})
	}
	me := []wire.ID{id("ip", "10.1.2.3"), id("digest", "u:x"), id("x509", "CN=a"),
		id("sasl", "bob")}
	for _, test := range []struct {
		acl  []wire.ACL
		ids  []wire.ID
		perm wire.Perm
		want bool
	}{
		{one(31, "world", "anyone"), nil, wire.PermRead, true},
		{one(1, "world", "anyone"), nil, wire.PermWrite, false},
		{one(1, "world", "anyone"), []wire.ID{id("super", "")}, wire.PermWrite, true},
		{one(0, "digest", "u:x"), me, wire.PermRead, false},
		{one(1, "digest", "u:x"), me, wire.PermRead, true},
		{one(1, "digest", "u:x"), me, wire.PermAdmin, false},
		{one(1, "digest", "u:y"), me, wire.PermRead, false},
		{one(1, "digest", "u:x"), nil, wire.PermRead, false},
		{append(one(1, "digest", "u:y"), one(1, "digest", "u:x")...), me, wire.PermRead, true},
		{one(1, "x509", "CN=a"), me, wire.PermRead, true},
		{one(1, "x509", "CN=b"), me, wire.PermRead, false},
		{one(1, "sasl", "bob"), me, wire.PermRead, true},
		{one(1, "sasl", "eve"), []wire.ID{id("sasl", "super")}, wire.PermRead, true},
		{one(1, "world", "bob"), []wire.ID{id("world", "bob")}, wire.PermRead, false},
		{one(1, "ip", "10.1.2.3"), me, wire.PermRead, true},
		{one(1, "ip", "10.1.2.4"), me, wire.PermRead, false},
		{one(1, "ip", "10.1.9.9/16"), me, wire.PermRead, true},
		{one(1, "ip", "10.2.0.0/16"), me, wire.PermRead, false},
		{one(1, "ip", "0.0.0.0/0"), me, wire.PermRead, true},
		{one(1, "ip", "10.1.2.3/32"), me, wire.PermRead, true},
		{one(1, "ip", "10.1.2.2/31"), me, wire.PermRead, true},
		{one(1, "ip", "::/0"), me, wire.PermRead, false},
		{one(1, "ip", "fe80::/10"), []wire.ID{id("ip", "fe80::1")}, wire.PermRead, true},
		{one(1, "ip", "fe80::1"), []wire.ID{id("ip", "fe80::2")}, wire.PermRead, false},
		{one(1, "ip", "10.1.2.3"), []wire.ID{id("ip", "junk")}, wire.PermRead, false},
	} {
		l := newACLList(1, string(wire.AppendACLs(nil, test.acl)))
		if got := allowed(l, test.ids, test.perm); got != test.want {
			t.Errorf("allowed(%v, %v, %v) = %v, want %v", test.acl, test.ids, test.perm, got,
				test.want)
		}
		long := slices.Clone(test.acl)
		for i := range longACL {
			long = append(long, wire.ACL{Perms: 31, ID: id("digest", fmt.Sprint(i, ":no"))})
		}
		l = newACLList(1, string(wire.AppendACLs(nil, long)))
		if got := allowed(l, test.ids, test.perm); got != test.want || l.index == nil {
			t.Errorf("allowed(%v in a long list, %v, %v) = %v, want %v", test.acl, test.ids,
				test.perm, got, test.want)
		}
	}
	if !allowed(nil, nil, wire.PermAll) {
		t.Error("no list forbids something")
	}
}

func TestValidACLID(t *testing.T) {
	for _, test := range []struct {
		scheme, id string
		want       bool
	}{
		{"digest", "u:x", true}, {"digest", "u:x:", true}, {"digest", ":x", true},
		{"digest", "u:", false}, {"digest", "u", false}, {"digest", "", false},
		{"digest", "u:x:y", false}, {"digest", ":", false},
		{"ip", "1.2.3.4", true}, {"ip", "1.2.3.4/0", true}, {"ip", "1.2.3.4/32", true},
		{"ip", "1.2.3.4/33", false}, {"ip", "1.2.3.4/-1", false}, {"ip", "1.2.3.4/", false},
		{"ip", "1.2.3.4/x", false}, {"ip", "1.2.3", false}, {"ip", "1.2.3.4.5", false},
		{"ip", "1.2.3.256", false}, {"ip", "", false}, {"ip", "a.b.c.d", false},
		{"ip", "1.02.+3.4", true}, {"ip", "::1", true}, {"ip", "::1/128", true},
		{"ip", "::1/129", false}, {"ip", "fe80::1%eth0", false}, {"ip", "::ffff:1.2.3.4", false},
		{"world", "bob", false}, {"auth", "", false}, {"super", "x", false},
		{"x509", "CN=a", false}, {"sasl", "bob", false}, {"", "", false},
	} {
		if got := validACLID(wire.ID{Scheme: test.scheme, ID: test.id}, Flags{}); got != test.want {
			t.Errorf("validACLID(%s:%q) = %v, want %v", test.scheme, test.id, got, test.want)
		}
	}
}

func TestResolveACL(t *testing.T) {
	u, v := wire.ID{Scheme: "digest", ID: "u:x"}, wire.ID{Scheme: "digest", ID: "v:x"}
	ip := wire.ID{Scheme: "ip", ID: "10.0.0.1"}
	me := []wire.ID{ip, u, {Scheme: "super"}, v}
	a := func(perms wire.Perm, id wire.ID) wire.ACL { return wire.ACL{Perms: perms, ID: id} }
	auth := wire.ID{Scheme: "auth"}
	for _, test := range []struct {
		list, want []wire.ACL
		ids        []wire.ID
		ok         bool
	}{
		{nil, nil, me, false},
		{[]wire.ACL{}, nil, me, false},
		{[]wire.ACL{a(1, worldAnyone)}, []wire.ACL{a(1, worldAnyone)}, nil, true},
		{[]wire.ACL{a(1, u), a(1, u), a(2, u)}, []wire.ACL{a(1, u), a(2, u)}, nil, true},
		{[]wire.ACL{a(1, auth)}, []wire.ACL{a(1, u), a(1, v)}, me, true},
		{[]wire.ACL{a(1, u), a(1, auth)}, []wire.ACL{a(1, u), a(1, u), a(1, v)}, me, true},
		{[]wire.ACL{a(1, auth)}, nil, []wire.ID{ip}, false},
		{[]wire.ACL{a(1, u), a(1, auth)}, nil, nil, false},
		{[]wire.ACL{a(1, worldAnyone), {}}, nil, me, false},
	} {
		got, ok := NewState().resolveACL(test.list, test.ids, Flags{})
		if d := diff(test.want, got); ok != test.ok || d != "" {
			t.Errorf("resolveACL(%v, %v) = %v, %v, want %v, %v", test.list, test.ids, got, ok,
				test.want, test.ok)
		}
	}
}

// TestLongACLs: what the index of a list says is what its entries say.
func TestLongACLs(t *testing.T) {
	pick := rand.New(rand.NewPCG(1, 2))
	names := map[string][]string{"world": {"anyone", "bob"}, "digest": {"a:x", "b:x", ":x"},
		"sasl": {"a", "super"}, "x509": {"CN=a"}, "auth": {""},
		"ip": {"10.1.2.3", "10.1.2.3/31", "10.9.9.9/8", "10.1.2.3/x", "0.0.0.0/0", "junk",
			"::1", "fe80::1/10", "::/0", "fe80::2"}}
	schemes := []string{"world", "digest", "sasl", "x509", "auth", "ip", "ip"}
	some := func() wire.ID {
		scheme := schemes[pick.IntN(len(schemes))]
		return wire.ID{Scheme: scheme, ID: names[scheme][pick.IntN(len(names[scheme]))]}
	}
	may := 0
	for range 3000 {
		var list []wire.ACL
		var ids []wire.ID
		for range 1 + pick.IntN(6) {
			list = append(list, wire.ACL{Perms: 1 << pick.IntN(5), ID: some()})
		}
		for range pick.IntN(4) {
			ids = append(ids, some())
		}
		l := newACLList(1, string(wire.AppendACLs(nil, list)))
		perm := wire.Perm(1 << pick.IntN(5))
		want := allowed(l, ids, perm)
		l.index = newACLIndex(l.acls)
		if got := allowed(l, ids, perm); got != want {
			t.Fatalf("allowed(%v, %v, %v) = %v by the index, want %v", list, ids, perm, got, want)
		}
		if want {
			may++
		}
	}
	if may < 300 || may > 2700 {
		t.Errorf("%d of 3000 were allowed: too few or too many to compare", may)
	}
}

// TestHugeACL: the longest list that fits a frame must not stop apply by comparing each entry
// with each other.
func TestHugeACL(t *testing.T) {
	var list []wire.ACL
	for i := range 60000 {
		id := wire.ID{Scheme: "digest", ID: fmt.Sprint(i, ":x")}
		list = append(list, wire.ACL{Perms: 1, ID: id})
	}
	m := newMachine(t)
	must(t, m.connect().do(wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: list}))
	if got := len(m.s.lookup("/a").acl.wire()); got != len(list) {
		t.Errorf("%d entries are kept of %d", got, len(list))
	}
}

// TestHugeACLIsChecked: nor may who has as many identities as there can be, in a multi.
func TestHugeACLIsChecked(t *testing.T) {
	var list []wire.ACL
	for i := range 40000 {
		id := wire.ID{Scheme: "digest", ID: fmt.Sprint(i, ":x")}
		list = append(list, wire.ACL{Perms: 31, ID: id})
	}
	var ids []wire.ID
	for i := range maxIdentities {
		ids = append(ids, wire.ID{Scheme: "digest", ID: fmt.Sprint(i, ":y")})
	}
	m := newMachine(t)
	must(t, m.connect().do(wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: list}))
	c := m.connect(append(ids, wire.ID{Scheme: "digest", ID: "39999:x"})...)
	ops := make([]wire.MultiOp, 1000)
	for i := range ops {
		ops[i] = wire.MultiOp{Op: wire.OpCheck, Check: wire.CheckRequest{Path: "/a", Version: -1}}
	}
	must(t, c.multi(ops...)) // 40 billion comparisons, if it were each with each
}

// TestACLTable: equal lists are one, and its number is that of its first use.
func TestACLTable(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	create := func(path, user string) *aclList {
		t.Helper()
		acl := append(wire.OpenACL(), wire.ACL{Perms: 1, ID: wire.ID{Scheme: "digest", ID: user}})
		must(t, c.do(wire.OpCreate, &wire.CreateRequest{Path: path, ACL: acl}))
		return m.s.lookup(path).acl
	}
	start := m.s.ACLCount()
	x, y, x2 := create("/x", "x:1"), create("/y", "y:1"), create("/x2", "x:1")
	if x != x2 || x == y || x.id+1 != y.id || x.refs != 2 || m.s.ACLCount() != start+2 {
		t.Errorf("lists %+v %+v %+v of %d", x, y, x2, m.s.ACLCount())
	}
	must(t, c.delete("/x", -1))
	must(t, c.delete("/x2", -1))
	if x.refs != 0 || m.s.ACLCount() != start+1 {
		t.Errorf("a list that nobody holds: %+v of %d", x, m.s.ACLCount())
	}
	if again := create("/x", "x:1"); again.id != y.id+1 {
		t.Errorf("a list that is used again has number %d, want %d", again.id, y.id+1)
	}
	m.checkDigest()
}
