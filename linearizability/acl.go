package linearizability

import (
	"crypto/sha1"
	"encoding/base64"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// The permissions of an ACL entry.
const (
	permRead   = 1
	permWrite  = 2
	permCreate = 4
	permDelete = 8
	permAdmin  = 16
	permAll    = 31
)

// allowed says whether the origin may do what the permission names.
func (m *model) allowed(acl []ACL, perm int32, o *origin) bool {
	return o.skipACL || permits(acl, perm, o.identities)
}

// permits matches the identities with the entries that grant any bit of perm.
func permits(acl []ACL, perm int32, ids []ID) bool {
	for _, id := range ids {
		if id.Scheme == "super" {
			return true
		}
	}
	for _, a := range acl {
		if a.Perms&perm == 0 {
			continue
		}
		if a.ID == (ID{"world", "anyone"}) {
			return true
		}
		for _, id := range ids {
			if id.Scheme == a.ID.Scheme && matches(id, a.ID) {
				return true
			}
		}
	}
	return false
}

func matches(id, entry ID) bool {
	if entry.Scheme != "ip" {
		return id.ID == entry.ID
	}
	prefix, ok := parseIPEntry(entry.ID)
	if !ok {
		return false
	}
	addr, err := netip.ParseAddr(id.ID)
	return err == nil && prefix.Contains(addr.WithZone(""))
}

// parseIPEntry reads address[/bits].
func parseIPEntry(s string) (netip.Prefix, bool) {
	host, bits, cut := strings.Cut(s, "/")
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, false
	}
	n := addr.BitLen()
	if cut {
		n, err = strconv.Atoi(bits)
		if err != nil || n < 0 || n > addr.BitLen() {
			return netip.Prefix{}, false
		}
	}
	p, err := addr.Prefix(n)
	return p, err == nil
}

// fixACL checks a list that a client gives and replaces "auth" by the client's identities.
func fixACL(acl []ACL, ids []ID) ([]ACL, Code) {
	var out []ACL
	for i, a := range acl {
		if slices.Contains(acl[:i], a) {
			continue
		}
		switch a.ID.Scheme {
		case "world":
			if a.ID.ID != "anyone" {
				return nil, CodeInvalidACL
			}
			out = append(out, a)
		case "auth":
			found := false
			for _, id := range ids {
				if authenticated(id) {
					out = append(out, ACL{Perms: a.Perms, ID: id})
					found = true
				}
			}
			if !found {
				return nil, CodeInvalidACL
			}
		default:
			if !validID(a.ID) {
				return nil, CodeInvalidACL
			}
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, CodeInvalidACL
	}
	return out, CodeOk
}

// authenticated says which identities "auth" stands for: those that were proved, not the address.
func authenticated(id ID) bool {
	return id.Scheme == "digest" || id.Scheme == "x509" || id.Scheme == "sasl"
}

func validID(id ID) bool {
	switch id.Scheme {
	case "digest":
		// Java's split drops empty parts at the end, so "a:b:" has two parts and "a:" has one.
		parts := strings.Split(id.ID, ":")
		for len(parts) > 0 && parts[len(parts)-1] == "" {
			parts = parts[:len(parts)-1]
		}
		return len(parts) == 2
	case "ip":
		_, ok := parseIPEntry(id.ID)
		return ok
	case "x509", "sasl":
		return id.ID != ""
	}
	return false
}

// digestIdentities is what an auth packet of the digest scheme proves.
func (m *model) digestIdentities(auth []byte) []ID {
	sum := sha1.Sum(auth)
	user, _, _ := strings.Cut(string(auth), ":")
	id := user + ":" + base64.StdEncoding.EncodeToString(sum[:])
	if m.super != "" && id == m.super {
		return []ID{{"super", ""}, {"digest", id}}
	}
	return []ID{{"digest", id}}
}

// masked hides the hashes of digest entries from those who may not administer a node.
func masked(acl []ACL) []ACL {
	out := slices.Clone(acl)
	for i, a := range out {
		if user, _, found := strings.Cut(a.ID.ID, ":"); a.ID.Scheme == "digest" && found {
			out[i].ID.ID = user + ":x"
		}
	}
	return out
}

// userOf is what whoAmI shows of an identity.
func userOf(id ID) ID {
	if id.Scheme == "digest" {
		id.ID, _, _ = strings.Cut(id.ID, ":")
	}
	return id
}
