package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	slash "path"
	"slices"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/wire"
)

// verdict is what was looked at after one power failure.
type verdict struct {
	writes, multis, sessions, ephemerals, ended, nodes int

	from     int // 0 nothing was there yet, 1 the log alone, 2 a checkpoint and the log
	replayed int
}

func (v *verdict) add(w verdict) {
	v.writes += w.writes
	v.multis += w.multis
	v.sessions += w.sessions
	v.ephemerals += w.ephemerals
	v.ended += w.ended
	v.nodes += w.nodes
	v.replayed += w.replayed
}

// judge judges all shots of one run, in their order.
type judge struct {
	run     *powerRun
	o       *outage
	results *results
	base    *model // no shot that is still to be judged may be older
	random  *rand.Rand
}

// newJudge replays everything that the first server wrote, whether or not it is in a copy.
func newJudge(run *powerRun, o *outage, base *model, random *rand.Rand) (*judge, error) {
	if o.log.err != nil {
		return nil, o.log.err
	}
	j := &judge{run: run, o: o, results: newResults(), base: base, random: random}
	all := base.clone()
	return j, all.replay(o.log, o.log.last(), j.results)
}

// lost names an acknowledgement that is of an entry above index; if it can, of a write that
// succeeded.
func (j *judge) lost(acks []ack, index uint64) (missing error) {
	attached := map[int64]int{}
	for i := range acks {
		a := &acks[i]
		if !a.create && !a.attach && !a.write() {
			continue
		}
		if a.attach {
			attached[a.session]++
		}
		at, what, err := j.entryOf(a, attached[a.session])
		if err != nil {
			return err
		}
		succeeded := a.write() && a.err == 0
		if at <= index || missing != nil && !succeeded {
			continue
		}
		missing = fmt.Errorf("lost: %s (session 0x%x, xid %d, zxid 0x%x) was acknowledged; it is "+
			"entry %d, and the disk holds entries up to %d", what, a.session, a.xid, a.zxid, at,
			index)
		if succeeded {
			return missing
		}
	}
	return missing
}

// entryOf finds the entry of what was acknowledged, and holds the answer against the model's. An
// attach is the nth of its session.
func (j *judge) entryOf(a *ack, nth int) (index uint64, what string, err error) {
	switch {
	case a.create:
		index, what = j.results.created[a.session], "the creation of a session"
	case a.attach:
		what = "an attach"
		if list := j.results.attached[a.session]; len(list) >= nth {
			index = list[nth-1]
		}
	default:
		r := j.results.requests[requestID{a.session, a.xid}]
		index, what = r.index, fmt.Sprintf("%v %s", r.op, r.text)
		if index > 0 && (r.zxid != a.zxid || r.err != a.err || r.path != a.path && a.path != "") {
			err = fmt.Errorf("%s was answered %v %q with zxid 0x%x, and is %v %q with 0x%x in the "+
				"log", what, a.err, a.path, a.zxid, r.err, r.path, r.zxid)
		}
	}
	if index == 0 {
		err = fmt.Errorf("%+v was acknowledged and never written into the log", *a)
	}
	return index, what, err
}

// held is the last entry that the log on a disk holds, for a disk that a server refuses.
func (j *judge) held(fs *vfs.MemFS) (last uint64) {
	for _, dir := range []string{"/data/vivarium", "/log/vivarium"} {
		names, _ := fs.List(dir)
		for _, name := range names {
			b, err := fs.UnsafeGetFileDataBuffer(slash.Join(dir, name))
			if err != nil || !strings.HasPrefix(name, "log-") {
				continue
			}
			for ; len(b) >= 32; b = b[8:] {
				eachLogged(b, func(index uint64, e logEntry) {
					if was, ok := j.o.log.get(index); ok && bytes.Equal(was.data, e.data) {
						last = max(last, index)
					}
				})
			}
		}
	}
	return last
}

// judge starts a server on what a power failure left, and looks at everything. With twice, the
// power may fail again while it starts and is looked at.
func (j *judge) judge(s *shot, twice bool) (v verdict, err error) {
	acks := j.o.acks.list[:s.acks]
	again := newOutage(s.image)
	if s.again = again; twice {
		again.draw(rand.New(rand.NewPCG(j.random.Uint64(), 2)), 1, func(boundary) bool {
			return j.random.IntN(3) == 0
		})
		again.arm()
	}
	life, err := begin(j.run.options(watchedFS{s.image, again}))
	if err != nil {
		return v, errors.Join(j.lost(acks, j.held(s.image)),
			fmt.Errorf("the server does not start: %w", err))
	}
	defer life.end()
	recovered := again.log.continues(j.o.log)
	s.found = recovered
	v.replayed = replayedBy(life)
	switch {
	case v.replayed == 0 && recovered <= 2:
	case uint64(v.replayed)+1 == recovered:
		v.from = 1
	default:
		v.from = 2
	}
	if err := j.lost(acks, recovered); err != nil {
		return v, err
	}
	m := j.base.clone()
	if err := m.replay(j.o.log, recovered, newResults()); err != nil {
		return v, err
	}
	shown := int64(0)
	distinct := map[requestID]bool{}
	for _, a := range acks {
		shown = max(shown, a.zxid, a.session)
		if a.write() {
			distinct[requestID{a.session, a.xid}] = true
			if j.results.requests[requestID{a.session, a.xid}].op == wire.OpMulti {
				v.multis++
			}
		}
	}
	v.writes = len(distinct)
	if m.zxid < shown {
		return v, fmt.Errorf("a client saw zxid 0x%x, the log ends with 0x%x", shown, m.zxid)
	}
	w := &witness{judge: j, life: life, book: again.log, m: m, v: &v}
	if err := w.look(acks, shown); err != nil {
		return v, err
	}
	j.base = j.base.clone()
	return v, j.base.replay(j.o.log, j.acknowledged(acks), newResults())
}

// heir is the outage of a server that goes on where the one started on s ended, or had the power
// fail again: with all that was written and told before.
func (j *judge) heir(s *shot, disk *vfs.MemFS) *outage {
	o := newOutage(disk)
	o.log = j.o.log.branch(s.found, s.again.log)
	o.acks.list = slices.Clone(j.o.acks.list[:s.acks])
	o.acks.passwords = maps.Clone(j.o.acks.passwords)
	return o
}

// second judges the power failure that came while a server was started on what the one before had
// left, if there was one.
func (j *judge) second(s *shot) (v verdict, err error) {
	if len(s.again.shots) == 0 {
		return v, nil
	}
	o, next := j.heir(s, nil), s.again.shots[0]
	next.acks = len(o.acks.list)
	k, err := newJudge(j.run, o, newModel(), j.random)
	if err != nil {
		return v, err
	}
	if v, err = k.judge(next, false); err != nil {
		err = fmt.Errorf("and then %v: %w", next, err)
	}
	return v, err
}

// acknowledged is the last entry with something acknowledged: no later copy can be older.
func (j *judge) acknowledged(acks []ack) (index uint64) {
	index = j.base.index
	for _, a := range acks {
		if a.write() {
			index = max(index, j.results.requests[requestID{a.session, a.xid}].index)
		}
	}
	return index
}

// replayedBy is how many entries the server says it found behind its checkpoint.
func replayedBy(l *life) int {
	for _, line := range l.log.all(said("serving")) {
		n, _ := line["replayed"].(float64)
		return int(n)
	}
	return 0
}

// life is a server in this process from its start to its end.
type life struct {
	*server.Server
	log    *journal
	cancel context.CancelFunc
	done   chan error
	err    error
	over   bool
}

// begin starts a server and waits until it serves, or says why it does not.
func begin(o server.Options) (*life, error) {
	l := &life{log: newJournal(), done: make(chan error, 1)}
	o.Logger = slog.New(slog.NewJSONHandler(l.log, nil))
	var err error
	if l.Server, err = server.New(o); err != nil {
		return nil, err
	}
	var ctx context.Context
	ctx, l.cancel = context.WithCancel(context.Background())
	go func() { l.done <- l.Run(ctx) }()
	select {
	case <-l.Serving():
		return l, nil
	case err := <-l.done:
		l.over = true
		return nil, fmt.Errorf("ended before it served: %w", err)
	}
}

// end stops it in an orderly way.
func (l *life) end() error {
	if l.cancel(); !l.over {
		l.over, l.err = true, <-l.done
	}
	return l.err
}

// witness looks at a recovered server through its socket, beside the model.
type witness struct {
	*judge
	life *life
	book *logBook
	m    *model
	v    *verdict
	c    *caller
	last int64 // zxid of the last answer
}

func (w *witness) look(acks []ack, shown int64) error {
	w.c = &caller{o: newOutage(nil), addr: w.life.Addr().String()}
	if err := w.c.connect(0); err != nil {
		return fmt.Errorf("a new client: %w", err)
	}
	defer w.c.nc.Close()
	if w.c.session <= shown {
		return fmt.Errorf("a new session is 0x%x, a client had seen 0x%x", w.c.session, shown)
	}
	if err := w.compare(); err != nil {
		return err
	}
	if err := w.tree(); err != nil {
		return err
	}
	if err := w.counter(acks, shown); err != nil {
		return err
	}
	if err := w.oldSessions(acks); err != nil {
		return err
	}
	return w.compare()
}

// compare holds the digest, index and zxid of the server's State against the model's.
func (w *witness) compare() error {
	index, zxid, digest := w.life.Standing()
	if err := w.m.replay(w.book, index, newResults()); err != nil {
		return err
	}
	if int64(zxid) != w.m.zxid {
		return fmt.Errorf("at index %d the zxid is %v, by the model 0x%x", index, zxid, w.m.zxid)
	}
	if want := w.m.digest(); digest != want {
		return fmt.Errorf("at index %d the digest is %x, of the model %x\n%v", index, digest, want,
			w.tree())
	}
	return nil
}

// ask sends requests in a pipeline and reads their answers.
func (w *witness) ask(op wire.OpCode, paths []string) ([]reply, error) {
	var b []byte
	for _, p := range paths {
		w.c.xid += 2
		b = request(b, w.c.xid, op, get(p))
	}
	go w.c.nc.Write(b)
	var out []reply
	for range paths {
		frame, err := w.c.frame()
		if err != nil {
			return nil, err
		}
		var p reply
		r := wire.NewReader(frame)
		p.Decode(&r)
		p.body, w.last = r.Rest(), p.Zxid
		out = append(out, p)
	}
	return out, nil
}

// tree compares every znode as a client sees it. Should something expire meanwhile it begins
// again.
func (w *witness) tree() error {
	for {
		before, _, _ := w.life.Standing()
		if err := w.m.replay(w.book, before, newResults()); err != nil {
			return err
		}
		err := w.walk()
		if after, _, _ := w.life.Standing(); after == before {
			return err
		}
	}
}

func (w *witness) walk() error {
	seen := 0
	w.v.ephemerals = 0
	for level := []string{"/"}; len(level) > 0; {
		data, errData := w.ask(wire.OpGetData, level)
		acls, errACL := w.ask(wire.OpGetACL, level)
		lists, err := w.ask(wire.OpGetChildren2, level)
		if err := errors.Join(errData, errACL, err); err != nil {
			return err
		}
		var next []string
		for i, name := range level {
			children, err := w.node(name, data[i], acls[i], lists[i])
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			next = append(next, children...)
		}
		seen, level = seen+len(level), next
	}
	if seen != len(w.m.nodes) {
		return fmt.Errorf("%d znodes, the model has %d", seen, len(w.m.nodes))
	}
	w.v.nodes = seen
	return nil
}

// nodeView is one znode as it can be compared.
type nodeView struct {
	Data []byte
	ACL  []wire.ACL
	Stat wire.Stat
}

func (w *witness) node(name string, data, acl, list reply) (children []string, err error) {
	n, ok := w.m.nodes[name]
	if !ok || data.Err != 0 || acl.Err != 0 || list.Err != 0 {
		return nil, fmt.Errorf("answers %v, %v, %v; in the model: %v", data.Err, acl.Err, list.Err,
			ok)
	}
	var d wire.GetDataResponse
	var a wire.GetACLResponse
	var l wire.Children2Response
	for _, p := range []struct {
		into interface{ Decode(*wire.Reader) }
		from []byte
	}{{&d, data.body}, {&a, acl.body}, {&l, list.body}} {
		r := wire.NewReader(p.from)
		if p.into.Decode(&r); r.Err() != nil {
			return nil, r.Err()
		}
	}
	r := wire.NewReader([]byte(n.acl))
	want := nodeView{n.data, r.ACLs(nil), n.stat()}
	if diff := cmp.Diff(want, nodeView{d.Data, a.ACL, d.Stat}); diff != "" || l.Stat != d.Stat {
		return nil, fmt.Errorf("not as in the model (-want +got):\n%s", diff)
	}
	if n.owner > 0 {
		w.v.ephemerals++
	}
	for _, c := range l.Children {
		children = append(children, slash.Join(name, c))
	}
	slices.Sort(children)
	return children, nil
}

// counter lets the server give the next sequence number and the next zxid.
func (w *witness) counter(acks []ack, shown int64) error {
	if _, ok := w.m.nodes["/seq"]; !ok {
		return nil
	}
	most := int64(-1)
	for _, a := range acks {
		if strings.HasPrefix(a.path, "/seq/") {
			n, err := strconv.ParseInt(a.path[len(a.path)-10:], 10, 64)
			if err != nil {
				return err
			}
			most = max(most, n)
		}
	}
	w.c.request(wire.OpCreate, creation("/seq/z-", nil, wire.FlagPersistentSequential))
	frame, err := w.c.frame()
	if err != nil {
		return err
	}
	var h wire.ReplyHeader
	r := wire.NewReader(frame)
	h.Decode(&r)
	name := r.String()
	if h.Err != 0 || len(name) < 10 {
		return fmt.Errorf("a sequential create: %v %q", h.Err, name)
	}
	n, err := strconv.ParseInt(name[len(name)-10:], 10, 64)
	if err != nil || n <= most {
		return fmt.Errorf("the next sequential znode is %s, number %d was acknowledged", name, most)
	}
	if h.Zxid <= shown {
		return fmt.Errorf("a new write has zxid 0x%x, a client had seen 0x%x", h.Zxid, shown)
	}
	return nil
}

// oldSessions attaches to some sessions with their passwords: those that live are there, those
// whose end was acknowledged are not.
func (w *witness) oldSessions(acks []ack) error {
	const most = 3
	lives, ended := 0, 0
	for _, i := range w.random.Perm(len(acks)) {
		a := acks[i]
		if !a.create {
			continue
		}
		password := w.o.acks.passwords[a.session]
		s, alive := w.m.sessions[a.session]
		if alive && s.timeoutMs < 10000 {
			continue // may expire any moment
		}
		if alive && lives == most || !alive && ended == most {
			continue
		}
		c := &caller{o: newOutage(nil), addr: w.life.Addr().String(), password: password}
		err := c.connect(a.session)
		if c.nc != nil {
			defer c.nc.Close()
		}
		if alive != (err == nil) {
			return fmt.Errorf("attach to session 0x%x: %v; in the model it lives: %v", a.session,
				err, alive)
		}
		if alive {
			lives++
		} else {
			ended++
		}
	}
	w.v.sessions, w.v.ended = lives, ended
	return nil
}
