package core

import (
	"net/netip"
	"slices"

	"github.com/vivariumdb/vivarium/wire"
)

// longACL is the number of entries above which a list has an index. A request may bring 50,000 of
// them, a session may have 1,024 identities, and a multi may check 60,000 times: to compare each
// with each would keep all members from anything else for hours, and again after each start.
const longACL = 16

// aclIndex says what the entries of a list allow without looking at all of them.
type aclIndex struct {
	exact    map[wire.ID]wire.Perm // of the schemes whose ids are compared
	networks map[netip.Prefix]wire.Perm
	bits     []int     // the lengths of networks, each once
	sasl     wire.Perm // of all entries of scheme sasl, which its super matches
}

func newACLIndex(acls []wire.ACL) *aclIndex {
	x := &aclIndex{exact: make(map[wire.ID]wire.Perm),
		networks: make(map[netip.Prefix]wire.Perm)}
	for _, a := range acls {
		switch a.ID.Scheme {
		case "world":
		case "ip":
			x.addNetwork(a)
		case "sasl":
			x.sasl |= a.Perms
			x.exact[a.ID] |= a.Perms
		default:
			x.exact[a.ID] |= a.Perms
		}
	}
	return x
}

func (x *aclIndex) addNetwork(a wire.ACL) {
	addr, bits, ok := parseNetwork(a.ID.ID)
	if !ok {
		return
	}
	network, err := addr.Prefix(bits)
	if err != nil {
		return
	}
	x.networks[network] |= a.Perms
	if !slices.Contains(x.bits, bits) {
		x.bits = append(x.bits, bits)
	}
}

// allows says whether somebody with these identities, who is not everybody, has one of the
// permissions perm.
func (x *aclIndex) allows(ids []wire.ID, perm wire.Perm) bool {
	for _, id := range ids {
		var has wire.Perm
		switch id.Scheme {
		case "ip":
			has = x.ofAddress(id.ID)
		case "sasl":
			has = x.exact[id]
			if id.ID == "super" {
				has = x.sasl
			}
		default:
			has = x.exact[id]
		}
		if has&perm != 0 {
			return true
		}
	}
	return false
}

// ofAddress returns what the networks in which addr lies allow.
func (x *aclIndex) ofAddress(addr string) (has wire.Perm) {
	a, ok := parseIP(addr)
	if !ok {
		return 0
	}
	for _, bits := range x.bits {
		if network, err := a.Prefix(bits); err == nil {
			has |= x.networks[network]
		}
	}
	return has
}
