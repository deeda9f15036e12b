package linearizability

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// ensemble is what the model knows of the members: the lines of /zookeeper/config, and what a
// reconfig that was accepted is to make of them.
type ensemble struct {
	servers map[string]string // by key (server.1), in one form; nil: unknown
	version int64
	target  *target
}

type target struct {
	accepted *commit
	servers  map[string]string // nil: of a form that only the service can read
}

// parseConfig reads the text of a configuration, whose lines newlines or commas divide.
func parseConfig(text string) (servers map[string]string, version int64, ok bool) {
	servers = map[string]string{}
	for _, line := range strings.FieldsFunc(text, func(r rune) bool {
		return r == '\n' || r == ','
	}) {
		key, value, found := strings.Cut(strings.TrimSpace(line), "=")
		switch key, value = strings.TrimSpace(key), strings.TrimSpace(value); {
		case found && key == "version":
			v, err := strconv.ParseInt(value, 16, 64)
			if err != nil {
				return nil, 0, false
			}
			version = v
		case found && strings.HasPrefix(key, "server."):
			servers[key] = plainServer(value)
		case key != "":
			return nil, 0, false
		}
	}
	return servers, version, true
}

// plainServer gives what means the same one form: the role is there, and the client's address.
func plainServer(value string) string {
	peers, client, _ := strings.Cut(value, ";")
	role := "participant"
	if at := strings.LastIndexByte(peers, ':'); at >= 0 {
		switch last := peers[at+1:]; last {
		case "observer", "participant":
			role, peers = last, peers[:at]
		}
	}
	if client != "" && !strings.Contains(client, ":") {
		client = "0.0.0.0:" + client
	}
	return peers + ":" + role + ";" + client
}

// aimed is what a reconfig makes of the servers.
func (e *ensemble) aimed(r *Reconfig) (map[string]string, bool) {
	if r.Members != "" {
		servers, _, ok := parseConfig(r.Members)
		return servers, ok
	}
	if e.servers == nil {
		return nil, false
	}
	servers := maps.Clone(e.servers)
	for _, id := range strings.Split(r.Leaving, ",") {
		delete(servers, "server."+strings.TrimSpace(id))
	}
	joining, _, ok := parseConfig(r.Joining)
	maps.Copy(servers, joining)
	return servers, ok
}

// applyReconfig: a reconfig is accepted, and its outcome is another commit's; or it is refused for
// a reason that must be true.
func (y *replay) applyReconfig(c *commit, s *session) bool {
	l, e := c.line, &y.m.ensemble
	r := l.Request.Reconfig
	if l.Commit.Pending {
		switch {
		case e.target != nil:
			y.bad(JudgeReplay, lines(l, e.target.accepted.line),
				"a reconfig is accepted while another one goes on")
			return false
		case r != nil && r.Version != -1 && r.Version != e.version:
			y.bad(JudgeReplay, lines(l), "a reconfig of version %#x is accepted, it is %#x",
				r.Version, e.version)
			return false
		case !y.mayReconfigure(c, s):
			y.bad(JudgeReplay, lines(l), "a reconfig is accepted of a session that may not")
			return false
		}
		e.target = &target{accepted: c}
		if r != nil {
			if servers, ok := e.aimed(r); ok {
				e.target.servers = servers
			}
		}
		return y.noZxid(c)
	}
	if !y.takeZxid(c) {
		return false
	}
	why := ""
	switch code := l.Result.Err; {
	case code == CodeOk:
		return true // a service that has no pending ones: its config line follows
	case code == CodeReconfigInProgress && e.target == nil:
		why = "no other one goes on"
	case code == CodeBadVersion && r != nil && (r.Version == -1 || r.Version == e.version):
		why = fmt.Sprintf("the version is %#x", e.version)
	case code == CodeNoAuth && y.mayReconfigure(c, s):
		why = "its session may"
	case code == CodeBadArguments && r != nil && y.inForce(r):
		why = "it asks for what is in force"
	default:
		return true
	}
	y.bad(JudgeReplay, lines(l), "a reconfig is refused with %v, but %s", l.Result.Err, why)
	return false
}

// inForce says whether a reconfig asks for the servers that there are, and names each as a
// configuration does.
func (y *replay) inForce(r *Reconfig) bool {
	e := &y.m.ensemble
	text := r.Members + r.Joining
	servers, ok := e.aimed(r)
	if !ok || text == "" || !maps.Equal(servers, e.servers) || voters(servers) < 2 {
		return false // one voter alone may be refused, if the servers are set up so
	}
	have := string(y.m.nodes[configPath].data)
	for _, line := range strings.FieldsFunc(text, func(r rune) bool {
		return r == '\n' || r == ','
	}) {
		if !strings.Contains(have, strings.TrimSpace(line)+"\n") {
			return false
		}
	}
	return true
}

// voters is how many of the servers vote.
func voters(servers map[string]string) (n int) {
	for _, value := range servers { //order-free: counts
		if !strings.Contains(value, ":observer;") {
			n++
		}
	}
	return n
}

// mayReconfigure says whether a session may write what a reconfig changes.
func (y *replay) mayReconfigure(c *commit, s *session) bool {
	n := y.m.nodes[configPath]
	return n != nil && y.m.allowed(n.acl, permWrite, y.origin(c, s))
}

// applyConfig ends what goes on, if it is whose outcome this is, and writes the new configuration:
// the servers that were asked for, with the zxid as version.
func (y *replay) applyConfig(c *commit) bool {
	l, e := c.line, &y.m.ensemble
	if l.Zxid != 0 && !y.takeZxid(c) {
		return false
	}
	t := e.target
	if l.Commit.Pending {
		return y.applyAim(c)
	}
	if l.Xid != 0 || t != nil && l.Zxid != 0 {
		if t == nil || t.accepted.line.Session != l.Session || t.accepted.line.Xid != l.Xid {
			y.bad(JudgeReplay, lines(l), "the outcome of a reconfig of session %#x with xid %d, "+
				"which does not go on", l.Session, l.Xid)
			return false
		}
		e.target = nil
	}
	want := Result{Err: l.Result.Err}
	if l.Result.Err == CodeOk {
		if !y.checkConfig(c, t) {
			return false
		}
		y.m.configure(l.Request.Data, y.origin(c, nil))
		n := y.m.nodes[configPath]
		want = Result{Data: n.data, Stat: n.describe()}
	}
	c.want = &want
	return true
}

// applyAim begins a change that the service has set itself. It ends as a reconfig does.
func (y *replay) applyAim(c *commit) bool {
	e := &y.m.ensemble
	if e.target != nil {
		y.bad(JudgeReplay, lines(c.line, e.target.accepted.line),
			"the service begins a change while another one goes on")
		return false
	}
	e.target = &target{accepted: c}
	if servers, _, ok := parseConfig(string(c.line.Request.Data)); ok {
		e.target.servers = servers
	}
	return y.noZxid(c)
}

func (y *replay) checkConfig(c *commit, t *target) bool {
	l, e := c.line, &y.m.ensemble
	servers, version, ok := parseConfig(string(l.Request.Data))
	switch {
	case !ok:
		y.bad(JudgeReplay, lines(l), "the configuration cannot be read: %q", l.Request.Data)
		return false
	case l.Zxid != 0 && version != l.Zxid:
		y.bad(JudgeReplay, lines(l), "the configuration of zxid %#x has version %#x", l.Zxid,
			version)
		return false
	case t != nil && t.servers != nil && !maps.Equal(t.servers, servers):
		y.bad(JudgeReplay, lines(l, t.accepted.line), "the servers are %v, %v were asked for",
			servers, t.servers)
		return false
	}
	e.servers, e.version = servers, version
	return true
}
