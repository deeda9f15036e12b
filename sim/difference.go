package sim

import (
	"fmt"
	"strings"

	"github.com/vivariumdb/vivarium/core"
)

// difference says in words in what a State differs from the one that it should be: digests say
// only that it does. It is for people, and looks at all there is, as the world ends here.
func difference(have, want *core.State) string {
	h, w := describeState(have), describeState(want)
	var out []string
	for _, name := range w.names {
		switch text, ok := h.items[name]; {
		case !ok:
			out = append(out, fmt.Sprintf("%s is missing", name))
		case text != w.items[name]:
			out = append(out, fmt.Sprintf("%s: %s, want %s", name, text, w.items[name]))
		}
	}
	for _, name := range h.names {
		if _, ok := w.items[name]; !ok {
			out = append(out, fmt.Sprintf("%s should not be there: %s", name, h.items[name]))
		}
	}
	const most = 3
	if len(out) == 0 {
		return "what differs is in no znode, session or stream"
	}
	if n := len(out); n > most {
		out = append(out[:most], fmt.Sprintf("and %d more", n-most))
	}
	return strings.Join(out, "; ")
}

// described is a State in words, thing by thing.
type described struct {
	names []string
	items map[string]string
}

func (d *described) add(name, format string, args ...any) {
	d.names = append(d.names, name)
	d.items[name] = fmt.Sprintf(format, args...)
}

func describeState(s *core.State) *described {
	d := &described{items: map[string]string{}}
	for _, i := range s.AppendSessions(nil) {
		d.add(fmt.Sprintf("session %v", i.ID), "generation %d, owner %v, time-out %d ms, "+
			"identities %v, %d ephemerals", i.Generation, i.Owner, i.TimeoutMs, i.Identities,
			i.Ephemerals)
	}
	for _, i := range s.AppendStreams(nil) {
		d.add(fmt.Sprintf("stream of raft id %d", uint64(i.Origin.RaftID)),
			"registration %d, command %d", uint64(i.Origin.Registration), i.Seq)
	}
	_ = s.Walk(func(i core.Image) error { // nothing here fails
		d.add("znode "+i.Path, "%d bytes %.40q, ACL %v, czxid %#x mzxid %#x pzxid %#x, "+
			"times %d %d, versions %d %d, %d created, owner %#x", len(i.Data), i.Data,
			i.ACL, int64(i.Czxid), int64(i.Mzxid), int64(i.Pzxid), i.Ctime, i.Mtime, i.Version,
			i.Aversion, i.Created, uint64(i.Owner))
		return nil
	})
	return d
}
