package main

import (
	"maps"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/wire"
)

// guess is what the tree below the case's root may look like.
type guess struct {
	nodes map[string]*guessed
	paths []string // of nodes but the root, in the order of their creation
}

// guessed is a znode that may be there.
type guessed struct {
	version, aversion, created int32
	kids                       int
	owner                      int // a session, or -1
	acl                        []wire.ACL
}

func (g *guess) plant() {
	g.nodes = map[string]*guessed{root: {owner: -1, acl: wire.OpenACL()}}
}

// copy returns the guess as it is, to come back to.
func (g *guess) copy() guess {
	c := guess{nodes: maps.Clone(g.nodes), paths: slices.Clone(g.paths)}
	for path, n := range c.nodes { //order-free: each by itself
		n := *n
		c.nodes[path] = &n
	}
	return c
}

func parentOf(path string) string { return path[:max(strings.LastIndexByte(path, '/'), 0)] }

// create notes a znode, and says whether there is reason to.
func (g *guess) create(path string, owner int, acl []wire.ACL) bool {
	parent := g.nodes[parentOf(path)]
	if parent == nil || parent.owner >= 0 || g.nodes[path] != nil {
		return false
	}
	parent.created++
	parent.kids++
	g.nodes[path] = &guessed{owner: owner, acl: acl}
	g.paths = append(g.paths, path)
	return true
}

// delete forgets a znode, and says whether there is reason to.
func (g *guess) delete(path string) bool {
	n := g.nodes[path]
	if n == nil || n.kids > 0 || path == root {
		return false
	}
	g.nodes[parentOf(path)].kids--
	delete(g.nodes, path)
	g.paths = slices.DeleteFunc(g.paths, func(p string) bool { return p == path })
	return true
}

// may says whether a session with these digests may do something to the znode, if it is there.
func (g *guess) may(path string, users []string, perm wire.Perm) bool {
	n := g.nodes[path]
	return n != nil && slices.ContainsFunc(n.acl, func(a wire.ACL) bool {
		if a.Perms&perm == 0 {
			return false
		}
		switch a.ID.Scheme {
		case "world":
			return true
		case "ip":
			return a.ID.ID != "10.0.0.1" && !strings.HasPrefix(a.ID.ID, "::1")
		}
		return slices.Contains(users, a.ID.ID)
	})
}

// granted returns what a list is that a session with these digests sets; false if it may not.
func granted(list []wire.ACL, users []string) ([]wire.ACL, bool) {
	var out []wire.ACL
	for _, a := range list {
		switch {
		case a.ID.Scheme == "auth":
			for _, user := range users {
				out = append(out, grant(a.Perms, "digest", user))
			}
			if len(users) == 0 {
				return nil, false
			}
		case a.ID.Scheme == "world" && a.ID.ID == "anyone", a.ID.Scheme == "ip" &&
			a.ID.ID != "1.2.3.4/99" && a.ID.ID != "host":
			out = append(out, a)
		case a.ID.Scheme == "digest" && strings.Count(a.ID.ID, ":") == 1:
			out = append(out, a)
		default:
			return nil, false
		}
	}
	return out, len(out) > 0
}
