package sim

import (
	"strconv"
	"strings"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/wire"
)

// reel follows the bytes of one connection for a film: it knows when the process took in the last
// byte of a request, and when it wrote the last one of a reply. There is none without a film.
type reel struct {
	film           *Film
	client, member int
	asked, taken   int64  // bytes of requests that were sent, and that the process took in
	calls          []span // requests that it has not taken in whole
	wrote, told    int64  // bytes that the process wrote, and that were read as replies
	writes         []span // that were not read whole
}

// span ends with a byte. what is the place of an arrow, or a time.
type span struct{ end, what int64 }

// film begins to follow a connection of a client.
func (l *link) film(who string) {
	f := l.net.w.film
	client, err := strconv.ParseInt(strings.TrimPrefix(who, "client "), 10, 64)
	if err == nil { // else it is nobody's
		l.reel = &reel{film: f, client: f.lane("client", client), member: f.lane("member", l.host)}
	}
}

// call notes a request that is sent; its line is the last of the history.
func (r *reel) call(w *World, size int) {
	if r == nil {
		return
	}
	r.asked += int64(size)
	a := Arrow{From: r.client, To: r.member, Sent: w.clock.now, Came: -1, Kind: "call",
		Line: len(w.history.Lines) + 1}
	l := &w.history.Lines[len(w.history.Lines)-1]
	a.What = l.Kind.String()
	if l.Request != nil {
		a.What = linearizability.Describe(l.Request)
		if l.Request.Op == linearizability.OpPing {
			a.Kind = "ping"
		}
	}
	r.calls = append(r.calls, span{r.asked, int64(len(r.film.Arrows))})
	r.film.Arrows = append(r.film.Arrows, a)
}

// take notes that the process took in bytes.
func (r *reel) take(size int) {
	if r == nil {
		return
	}
	r.taken += int64(size)
	for len(r.calls) > 0 && r.calls[0].end <= r.taken {
		r.film.Arrows[r.calls[0].what].Came = r.film.now.now
		r.calls = r.calls[1:]
	}
}

// write notes that the process wrote bytes.
func (r *reel) write(size int) {
	if r == nil || size == 0 {
		return
	}
	r.wrote += int64(size)
	r.writes = append(r.writes, span{r.wrote, r.film.now.now})
}

// reply notes a frame that the client took; its line is the last of the history.
func (r *reel) reply(w *World, size int) {
	if r == nil {
		return
	}
	r.told += int64(size)
	for len(r.writes) > 1 && r.writes[0].end < r.told {
		r.writes = r.writes[1:]
	}
	a := Arrow{From: r.member, To: r.client, Sent: w.clock.now, Came: w.clock.now, Kind: "reply",
		Line: len(w.history.Lines) + 1}
	if len(r.writes) > 0 {
		a.Sent = r.writes[0].what
	}
	l := &w.history.Lines[len(w.history.Lines)-1]
	a.What = l.Kind.String()
	switch {
	case l.Kind == linearizability.KindEvent:
		a.Kind, a.What = "event", "event "+l.Event.String()+" "+l.Path
	case l.Xid == -2:
		a.Kind = "ping"
	case l.Result != nil:
		a.What = "answer " + wire.ErrorCode(l.Result.Err).String()
	}
	r.film.Arrows = append(r.film.Arrows, a)
}

// shoot notes a parcel that leaves, and returns its arrow's place and 1.
func (l *peerLink) shoot(from, to *host, out []replication.Outgoing) int {
	f := l.w.film
	if f == nil {
		return 0
	}
	kind := "beat"
	var all []string
	for _, o := range out {
		text := replication.Describe(o.Data)
		all = append(all, text)
		switch {
		case strings.HasPrefix(text, "Heartbeat"), strings.HasPrefix(text, "tick"):
		case strings.Contains(text, "erm ") && kind == "beat":
			kind = "raft"
		default:
			kind = "peer"
		}
	}
	f.Arrows = append(f.Arrows, Arrow{From: f.lane("member", from.id), To: f.lane("member", to.id),
		Sent: l.w.clock.now, Came: -1, Kind: kind, What: strings.Join(all, " · ")})
	return len(f.Arrows)
}
