package sim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/wire"
)

// operator is what a client knows who changes the membership, or tries to.
type operator struct {
	config  []string // lines server.N=...
	version int64
}

// learn takes in what /zookeeper/config holds.
func (o *operator) learn(text []byte) {
	o.config = o.config[:0]
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if version, ok := strings.CutPrefix(line, "version="); ok {
			_, _ = fmt.Sscanf(version, "%x", &o.version) // else it stays as it was
		} else if line != "" {
			o.config = append(o.config, line)
		}
	}
}

// knows gives an operator who has not read the configuration yet what it is.
func (o *operator) knows(m *core.Membership) {
	if len(o.config) > 0 {
		return
	}
	for i := range m.Servers {
		s := &m.Servers[i]
		o.config = append(o.config, s.ID.String()+"="+s.Text())
	}
	o.version = int64(m.Version)
}

// operate looks at the configuration, shows who may change it, and asks for changes: most must be
// refused.
func (g *generator) operate(s *session) []asked {
	const path = "/zookeeper/config"
	if g.w.k.MemberChanges+g.w.k.RoleChanges > 0 && len(g.operator.config) == 0 {
		return []asked{g.sync(path), g.readOf(wire.OpGetData, path, true)}
	}
	switch g.r.IntN(8) {
	case 0, 1:
		return []asked{g.sync(path), g.readOf(wire.OpGetData, path, g.r.chance(500))}
	case 2:
		if len(s.auths) < 3 {
			s.auths = append(s.auths, []byte(superCredentials))
		}
		return []asked{ask(wire.OpAuth, &wire.AuthRequest{Scheme: "digest",
			Auth: []byte(superCredentials)})}
	case 4, 5:
		if q, ok := g.members(); ok {
			return g.mayChange(s, q)
		}
	case 3:
		if q, ok := g.roles(); ok {
			return append(g.mayChange(s, q), g.readOf(wire.OpGetData, path, true))
		}
	}
	return []asked{g.badReconfig()}
}

// badReconfig asks for a change that cannot be.
func (g *generator) badReconfig() asked {
	q := wire.ReconfigRequest{CurrentConfigID: -1}
	switch g.r.IntN(7) {
	case 0, 5, 6: // of a version that is not, or no more
		q.CurrentConfigID = g.operator.version + g.r.between(1, 3) - 5*g.r.Int64N(2)
		q.Leaving, q.HasLeaving = "1", true
	case 1: // by a syntax that nobody knows
		q.Joining, q.HasJoining = pick(g.r, oddServers), true
	case 2:
		q.Leaving, q.HasLeaving = pick(g.r, []string{"x", "1;2", "server.1"}), true
	case 3: // to an ensemble that can be none
		q.NewMembers, q.HasNewMembers = pick(g.r, append(oddServers,
			"server.1=h1:1:2:observer;3", "server.1=h:1:2;3\nserver.2=h:1:4;5",
			"server.1=h1:1:2:participant;3", "# nobody", "version=5")), true
	case 4: // everybody leaves
		var all []string
		for i := range 70 {
			all = append(all, fmt.Sprint(i))
		}
		q.Leaving, q.HasLeaving = strings.Join(all, ","), true
	}
	return ask(wire.OpReconfig, &q)
}

// oddServers are lines of servers that are not quite what they should be.
var oddServers = []string{"server.1", "server.x=a:1:2;3", "server.-1=a:1:2;3", "1=a:1:2;3",
	"server.1=a:1", "server.1=a:1:2:3:4;5", "server.1=a:1:2:king;3", "server.1=a:x:2;3",
	"server.1=a:1:x;3", "server.1=:1:2;3", "server.1=a:1:2;b:c:d", "server.1=a:1:2;x",
	"server.1=a:1:2", "server.1=a:1:2;3;4", "server.1=[::1:1:2;3", "server.1=[::1]:70000:2;3",
	"server.1=a b:1:2;3", "server.1=a:1:2;[::1]x:3"}

// roles asks for another role of one server: a voter becomes an observer, or the other way round.
// Whoever leads can follow that without anybody's coming or going.
func (g *generator) roles() (asked, bool) {
	o := &g.operator
	if g.w.k.RoleChanges == 0 || len(o.config) < 3 {
		return asked{}, false
	}
	const voter, observer = ":participant", ":observer"
	voters := 0
	for _, line := range o.config {
		if strings.Contains(line, voter) {
			voters++
		}
	}
	at := g.r.IntN(len(o.config))
	if l := g.w.leader(); l != nil && g.r.chance(300) {
		key := l.server().ID.String() + "="
		at = max(0, slices.IndexFunc(o.config, func(s string) bool {
			return strings.HasPrefix(s, key)
		}))
	}
	line := o.config[at]
	switch {
	case strings.Contains(line, observer):
		line = strings.Replace(line, observer, voter, 1)
	case voters > 3 || voters > len(o.config)/2+1 || g.w.k.Voters > 0 && voters > 1:
		line = strings.Replace(line, voter, observer, 1)
	}
	q := wire.ReconfigRequest{CurrentConfigID: -1}
	if g.r.chance(500) {
		q.CurrentConfigID = o.version
	}
	if g.r.chance(700) {
		q.Joining, q.HasJoining = line, true
	} else {
		all := slices.Clone(o.config)
		all[at] = line
		q.NewMembers, q.HasNewMembers = strings.Join(all, "\n"), true
	}
	return ask(wire.OpReconfig, &q), true
}

// mayChange has somebody ask for a change who may.
func (g *generator) mayChange(s *session, q asked) []asked {
	if len(s.auths) >= 3 || g.r.chance(100) {
		return []asked{q} // who has no right has to be refused
	}
	s.auths = append(s.auths, []byte(superCredentials))
	return []asked{ask(wire.OpAuth, &wire.AuthRequest{Scheme: "digest",
		Auth: []byte(superCredentials)}), q}
}

// ghost is one of the servers that operators name and nobody ever starts.
func ghost(n int) core.Server {
	s, err := core.ParseServer(core.ServerID(90+n), fmt.Sprintf("ghost%d:2888:3888;2181", n))
	invariant.Check(err == nil, "a server's line cannot be read")
	return s
}

// members asks for a server to join, to leave, or both.
func (g *generator) members() (asked, bool) {
	o, w := &g.operator, g.w
	if w.k.MemberChanges == 0 || len(o.config) < 2 {
		return asked{}, false
	}
	q := wire.ReconfigRequest{CurrentConfigID: -1}
	if g.r.chance(300) {
		q.CurrentConfigID = o.version
	}
	line := pick(g.r, w.hosts).server()
	switch l := w.leader(); {
	case w.k.Ghosts != 0 && g.r.chance(350):
		line = ghost(g.r.IntN(2))
	case l != nil && g.r.chance(300):
		line = l.server()
	}
	key := line.ID.String() + "="
	in := slices.ContainsFunc(o.config, func(l string) bool { return strings.HasPrefix(l, key) })
	if !in || g.r.chance(100) {
		line.Observer = g.r.chance(200)
		q.Joining, q.HasJoining = key+line.Text(), true
	}
	if in && len(o.config) > 2 {
		q.Leaving, q.HasLeaving = fmt.Sprint(int64(line.ID)), true
	}
	if !q.HasLeaving && len(o.config) > 3 && g.r.chance(300) {
		leaving, _, _ := strings.Cut(strings.TrimPrefix(pick(g.r, o.config), "server."), "=")
		q.Leaving, q.HasLeaving = leaving, true
	}
	return ask(wire.OpReconfig, &q), q.HasJoining || q.HasLeaving
}
