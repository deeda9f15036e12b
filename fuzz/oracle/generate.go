package main

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
)

// generate makes the case of a seed: the same seed, the same case.
func generate(seed int) *Case {
	return rapid.Custom(func(t *rapid.T) *Case {
		g := &generator{t: t}
		g.guess.plant()
		return g.makeCase()
	}).Example(seed)
}

// generator draws a case. It guesses what the tree looks like meanwhile, so that most requests
// are about something; a wrong guess only makes a request fail that should have been granted.
type generator struct {
	t        *rapid.T
	guess    guess
	sessions []guessedSession
	// quota says that the case is about quotas: ZooKeeper judges them as of when a request
	// comes in, so that a burst may hold one write only.
	quota  bool
	wrote  bool // this burst has a write
	last   bool // and may have no other
	hopes  bool // nothing speaks against the operations of the write so far
	me     int  // the session that speaks
	result Case
}

// guessedSession is what is known of a session.
type guessedSession struct {
	live, connected, dead bool
	users                 []string
	watched               [5][]string // by the lists of setWatches2
}

// bits draws n fair bits. rapid's integers favour small ones, which no choice here wants.
func (g *generator) bits(n int) int {
	v := 0
	for range n {
		v <<= 1
		if coin.Draw(g.t, "") {
			v |= 1
		}
	}
	return v
}

var coin = rapid.Bool()

// below draws a number below n, all equally likely.
func (g *generator) below(n int) int {
	width := 0
	for 1<<width < n {
		width++
	}
	for {
		if v := g.bits(width); v < n {
			return v
		}
	}
}

// percent is true as often as it says.
func (g *generator) percent(p int) bool { return g.below(100) < p }

func pick[T any](g *generator, from ...T) T { return from[g.below(len(from))] }

// weighted draws an index by weights.
func (g *generator) weighted(weights []int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	at := g.below(sum)
	for i, w := range weights {
		if at -= w; at < 0 {
			return i
		}
	}
	return 0
}

func (g *generator) makeCase() *Case {
	g.quota = g.percent(20)
	g.result.Sessions = 3 + g.below(4)
	g.sessions = make([]guessedSession, g.result.Sessions)
	for i := range g.sessions {
		g.connect(i)
	}
	g.me = 0
	g.seedTree()
	for range 20 + g.below(40) {
		g.me = g.below(len(g.sessions))
		g.step()
	}
	return &g.result
}

// seedTree makes the first znodes, so that the rest has something to be about.
func (g *generator) seedTree() {
	var requests []Request
	for _, name := range slices.Concat(open, guarded) {
		if !g.percent(75) {
			continue
		}
		q := wire.CreateRequest{Path: root + "/" + name, Data: g.value(), ACL: wire.OpenACL()}
		g.guess.create(q.Path, -1, q.ACL)
		requests = append(requests, Request{Op: wire.OpCreate, Body: q.AppendTo(nil)})
	}
	if len(requests) > 0 {
		g.send(requests...)
	}
}

func (g *generator) add(s Step) { g.result.Steps = append(g.result.Steps, s) }

// send adds a burst of the session that speaks.
func (g *generator) send(requests ...Request) {
	g.add(Step{Kind: burst, Session: g.me, Requests: requests})
}

func (g *generator) connect(i int) {
	g.sessions[i] = guessedSession{live: true, connected: true}
	g.add(Step{Kind: connect, Session: i, Old: g.percent(20),
		Seen: seen(g.below(3)), ReadOnly: g.percent(10),
		TimeoutMs: pick(g, int32(30000), 20000, 0, -1, 1<<30, 45678)})
}

// step adds what one session does next, and what belongs to it.
func (g *generator) step() {
	s := &g.sessions[g.me]
	switch {
	case !s.live:
		if s.dead && g.percent(30) {
			g.add(Step{Kind: revenant, Session: g.me, TimeoutMs: 30000, Seen: seenNone})
			return
		}
		g.connect(g.me)
	case !s.connected:
		g.back(s)
	default:
		g.speak(s)
	}
}

// back is what a session does that has lost its connection.
func (g *generator) back(s *guessedSession) {
	switch g.weighted([]int{70, 10, 8, 12}) {
	case 0:
		g.resume(s)
	case 1:
		g.add(Step{Kind: impostor, Session: g.me, TimeoutMs: 30000, Old: g.percent(20)})
	case 2:
		g.add(Step{Kind: prophet, Session: g.me, TimeoutMs: 30000})
	case 3: // it stays away for a while
	}
}

func (g *generator) resume(s *guessedSession) {
	g.add(Step{Kind: resume, Session: g.me, TimeoutMs: pick(g, int32(30000), 0, 1<<30),
		Seen: g.seen(), Old: g.percent(20)})
	s.connected = true
	s.users = nil
	if g.percent(40) {
		g.authenticate(s)
	}
	if g.percent(85) {
		g.setWatches(s)
	}
}

// seen draws how far back a client's memory ends.
func (g *generator) seen() seen {
	return pick(g, seen(0), 0, 0, seen(g.below(4)), seen(g.below(30)), seenNone)
}

func (g *generator) speak(s *guessedSession) {
	switch g.weighted([]int{72, 5, 4, 3, 5, 2, 2, 3, 2, 2}) {
	case 0:
		g.burst()
	case 1:
		g.add(Step{Kind: drop, Session: g.me})
		s.connected = false
	case 2:
		g.resume(s) // takes over its own connection
	case 3:
		g.send(Request{Op: wire.OpCloseSession})
		g.forget(g.me)
		g.sessions[g.me] = guessedSession{dead: true}
	case 4:
		g.authenticate(s)
	case 5:
		scheme := pick(g, "bogus", "world", "sasl", "x509")
		g.send(Request{Op: wire.OpAuth, Body: g.auth(scheme, "x")})
		s.connected = false
	case 6:
		q := wire.CheckRequest{Path: root, Version: -1}
		g.send(Request{Op: pick(g, unknownOp, wire.OpCheck, wire.OpNotification),
			Body: q.AppendTo(nil)})
		s.connected = false
	case 7:
		g.setWatches(s)
	case 8:
		q := wire.SASLRequest{Token: []byte(pick(g, "", "junk"))}
		g.send(Request{Op: wire.OpSASL, Body: q.AppendTo(nil)})
	case 9: // frames of a length that is refused, and too short for a header
		g.send(Request{Op: rawOp, Body: pick(g, []byte{0xff, 0xff, 0xff, 0xff},
			[]byte{0x80, 0, 0, 0}, []byte{0x7f, 0xff, 0xff, 0xff}, []byte{0, 0x10, 0, 0},
			[]byte{0, 0, 0, 0}, []byte{0, 0, 0, 1, 'x'}, []byte{0, 0, 0, 7, 0, 0, 0, 5, 0, 0, 0},
			[]byte("ruok"), []byte("nope"))})
		s.connected = false
	}
}

// forget takes the ephemerals of a session out of the guess.
func (g *generator) forget(session int) {
	for _, path := range slices.Clone(g.guess.paths) {
		if n := g.guess.nodes[path]; n != nil && n.owner == session {
			g.guess.delete(path)
		}
	}
}

func (g *generator) auth(scheme, text string) []byte {
	q := wire.AuthRequest{Scheme: scheme, Auth: []byte(text)}
	return q.AppendTo(nil)
}

// authenticate adds an identity to the connection.
func (g *generator) authenticate(s *guessedSession) {
	who := pick(g, "user1:pw", "user1:pw", "user2:pw", "user2:pw", "user3:", "nocolon", "", "é:ü",
		"user1:other", ":", "a:b:c")
	if g.percent(4) {
		who = superCredentials
	}
	scheme := "digest"
	if g.percent(5) {
		scheme = "ip"
	} else {
		s.users = append(s.users, core.DigestID("", who))
	}
	g.send(Request{Op: wire.OpAuth, Body: g.auth(scheme, who)})
}

// setWatches says again what the connection before watched, and more.
func (g *generator) setWatches(s *guessedSession) {
	var q wire.SetWatches2Request
	lists := []*[]string{&q.Data, &q.Exist, &q.Child, &q.Persistent, &q.PersistentRecursive}
	for i, list := range lists {
		*list = []string{}
		for _, path := range s.watched[i] {
			if len(*list) < 8 && g.percent(80) {
				*list = append(*list, path)
			}
		}
		for range g.below(3) {
			*list = append(*list, g.anyPath())
		}
	}
	request := Request{Op: wire.OpSetWatches2, Seen: g.seen(), Body: q.AppendTo(nil)[8:]}
	if g.percent(50) {
		old := wire.SetWatchesRequest{Data: q.Data, Exist: q.Exist, Child: q.Child}
		request.Op, request.Body = wire.OpSetWatches, old.AppendTo(nil)[8:]
	}
	g.send(request)
}

// burst adds 1 to 8 requests that are sent in one piece.
func (g *generator) burst() {
	if g.quota && g.percent(12) {
		g.makeQuota()
		return
	}
	g.wrote, g.last = false, false
	var requests []Request
	for range 1 + g.below(8) {
		requests = append(requests, g.request())
	}
	g.send(requests...)
}

// request draws one request that may stand anywhere in a burst.
func (g *generator) request() Request {
	if write := g.percent(48); write && !g.last && !(g.quota && g.wrote) {
		g.wrote = true
		return g.write()
	}
	r := g.read()
	if g.percent(2) { // any number will do
		r.Xid = pick(g, wire.XidPing, wire.XidAuth, wire.XidSetWatches, 1<<31-1, -1<<31, -3)
	}
	if g.percent(2) { // what stands behind a body is nobody's business
		r.Body = append(slices.Clone(r.Body), "behind"...)
	}
	return r
}
