package sim

import (
	"slices"

	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/replication/store"
)

// diskTales tells the members and their disks as module Recovery sees them: one member, and of all
// others one leader at a time. What the leaders did is told only as far as the member has heard of
// it, term after term; what it has not heard of can as well have been later. Entries count from the
// first behind the founding State.
type diskTales struct {
	w     *World
	tales []*diskTale
	logs  map[uint64]Terms // by term, the log of who led in it
}

// diskTale is the one of a host.
type diskTale struct {
	tale
	lostTale
	all  *diskTales
	host *host
	down bool // the process has ended, and no other has become the member since
	// opens are what processes have found on the disk since: all but the last ended before they
	// were the member, but a mark that they had to write is there.
	opens []*store.Recovered

	// The others, as far as they are told.
	eterm       int
	elog, eleft Terms
	ecommit     int
	// choice is the change of leader of which only the term is known.
	choice *AbstractLine
	before struct {
		elog, eleft Terms
	}

	// The member.
	term, vote, commit int
	log                Terms
	matched, match     int
	applied            int
	sent               map[int]bool // terms in which its vote was sent
	asking             map[int]bool // terms in which it is to ask for votes
	stuck              []*replication.Append
	taken              map[*replication.Append]int // in which term
	spots              map[int]*AbstractLine       // where a checkpoint of an index may have begun

	// The disk.
	marking, installing bool
	waits               bool // what was appended behind a checkpoint of a peer waits for its record
	written             int  // index of a checkpoint that is in the disk's memory
	kept                int  // of the one that counts
}

func newDiskTales(w *World) diskTales {
	return diskTales{w: w, logs: map[uint64]Terms{}}
}

func (s *diskTales) of(h *host) *diskTale {
	for int64(len(s.tales)) < h.id {
		s.tales = append(s.tales, &diskTale{all: s, host: s.w.hosts[len(s.tales)],
			tale:  newTale(s.w, "Recovery", "host", len(s.tales)+1, longestDiskTale),
			eterm: 1, term: 1, sent: map[int]bool{}, asking: map[int]bool{},
			spots: map[int]*AbstractLine{}, taken: map[*replication.Append]int{}})
	}
	return s.tales[h.id-1]
}

// settle leaves out what nobody can say yet at the end of the world.
func (s *diskTales) settle() {
	for _, t := range s.tales {
		t.settle()
		if t.shown > 0 {
			t.lines = t.lines[:t.shown-1] // nobody has said yet what becomes of it
		}
	}
}

// entryAt is an index of the log as the specification counts.
func entryAt(index uint64) int { return max(int(index)-replication.FoundingIndex, 0) }

// itself stands for the member where a vote is for itself: the specification knows no raft ids.
const itself = 1000000

// whom says for whom a vote of the member is, 0 if it has none.
func (t *diskTale) whom(vote uint64) int {
	if vote != 0 && vote == uint64(t.host.raftID()) {
		return itself
	}
	return int(vote)
}

func isPrefix(a, b Terms) bool { return len(a) <= len(b) && slices.Equal(a, b[:len(a)]) }

// logOf is all that the host's log held since the founding.
func (s *diskTales) logOf(h *host) Terms {
	log := Terms{}
	for i := uint64(replication.FoundingIndex + 1); i <= h.log.base; i++ {
		log = append(log, int(s.w.shadow.slots[i].term))
	}
	for i := max(h.log.base, replication.FoundingIndex) + 1; i <= h.log.last(); i++ {
		log = append(log, int(h.log.term(i)))
	}
	return log
}

// one leaves one message for the next turn of the loop, and returns the others: a turn is then one
// step of the specification. The ticks are for the last of these turns, or a leader would count
// them before it takes in what it has already been told.
func (a *abstraction) one(h *host) (rest []replication.Received, ticks int) {
	if a == nil || len(h.turn.Received) < 2 {
		return nil, 0
	}
	rest, ticks = h.turn.Received[1:], h.turn.Ticks
	h.turn.Received, h.turn.Ticks = h.turn.Received[:1:1], 0
	return rest, ticks
}

// stepped is told what a turn of the loop has given to the log, and to the peers.
func (a *abstraction) stepped(h *host, appends []*replication.Append) {
	if a == nil {
		return
	}
	if m := h.member; m.Leading() && len(appends) > 0 {
		a.disks.logs[m.Term()] = a.disks.logOf(h)
		a.promotes(appends)
	}
	t := a.disks.of(h)
	for _, p := range appends {
		if len(t.stuck) > 0 || t.waits || p.Install != nil {
			t.stuck = append(t.stuck, p) // until the log comes to it
			continue
		}
		t.take(p)
	}
	for _, o := range h.work.Send {
		if term := int(replication.Candidacy(o.Data)); t.asking[term] {
			delete(t.asking, term) // the others are asked as well
			t.add("AskForVotes", "t", term)
		}
	}
}

// take tells what raft has taken in, up to what one append holds.
func (t *diskTale) take(p *replication.Append) {
	if t.cut != "" {
		return
	}
	term, vote, commit := t.term, t.vote, t.commit
	if hs := p.HardState; hs != nil {
		term, vote, commit = int(hs.GetTerm()), t.whom(hs.GetVote()), entryAt(hs.GetCommit())
	}
	log := t.log
	if n := len(p.Entries); n > 0 {
		log = slices.Clone(log[:entryAt(p.Entries[0].GetIndex())-1])
		for _, e := range p.Entries {
			log = append(log, int(e.GetTerm()))
		}
	}
	t.taken[p] = term
	if p.Install != nil {
		t.partakes(term)
		t.receiveCheckpoint(p.Install, term)
		return
	}
	votes := vote != 0 && (term > t.term || vote != t.vote)
	hears := !slices.Equal(log, t.log) || commit > t.commit || term > t.term && !votes
	if votes || hears {
		t.partakes(term)
	}
	if votes && hears && term > t.term && log[len(log)-1] != term {
		t.receive(t.term, log, commit)
		hears = false
	}
	if votes {
		t.term, t.vote, t.matched = term, vote, 0
		if vote == itself {
			t.asking[term] = true
			t.add("Campaign", "t", term)
		} else {
			t.add("ReceiveVoteRequest", "t", term, "c", vote)
		}
	}
	if hears {
		t.receive(term, log, commit)
	}
}

// receive tells an append of the leader of a term, or all that comes to the same.
func (t *diskTale) receive(term int, log Terms, commit int) {
	t.lead(term)
	if !slices.Equal(log, t.log) {
		t.propose(len(log))
		if !isPrefix(log, t.elog) {
			t.end("what it was sent is of another leader than the one that is known")
		}
		t.heard(term, log, len(log))
	}
	if commit > t.ecommit {
		t.commitTo(commit)
	}
	if commit > t.commit && commit < t.floor {
		t.commit = commit // which the specification has not forgotten
	}
	switch {
	case commit > t.commit:
		t.heard(term, t.log, commit)
	case term > t.term:
		t.term, t.vote, t.matched = term, 0, t.commit
		t.add("ReceiveAppend", "term", term, "log", slices.Clone(t.log), "m", 0, // not known
			"commit", t.commit)
	}
}

// heard tells an append that ends at n.
func (t *diskTale) heard(term int, log Terms, n int) {
	if term > t.term {
		t.term, t.vote, t.matched = term, 0, 0
	}
	t.log, t.matched = log, max(t.matched, n)
	t.commit = max(t.commit, min(t.ecommit, n))
	t.add("ReceiveAppend", "term", term, "log", slices.Clone(log), "m", t.matched,
		"commit", t.commit)
}

// lead tells of leaders up to that of a term.
func (t *diskTale) lead(term int) {
	if term == t.eterm && t.choice != nil && t.all.logs[uint64(term)] != nil {
		t.choose()
	}
	for t.eterm < term && t.cut == "" {
		if t.choice != nil && t.all.logs[uint64(t.eterm)] != nil {
			t.choose()
		}
		t.settle()
		t.propose(len(t.all.logs[uint64(t.eterm)]))
		t.eterm++
		t.match = 0
		t.before.elog, t.before.eleft = t.elog, t.eleft
		t.choice = t.add("ChangeLeader", "term", t.eterm)
		if t.all.logs[uint64(t.eterm)] != nil {
			t.choose()
		}
	}
}

// settle lets nobody have led in a term of which no leader is known: it may have kept the log.
func (t *diskTale) settle() {
	if t.choice != nil {
		t.choice.set("log", slices.Clone(t.elog))
		t.choice = nil
	}
}

// choose says which log the leader had that was changed to last.
func (t *diskTale) choose() {
	base := Terms{}
	for _, e := range t.all.logs[uint64(t.eterm)] {
		if e < t.eterm {
			base = append(base, e)
		}
	}
	whole := t.before.elog
	if !isPrefix(base, whole) {
		whole = t.before.eleft
	}
	if !isPrefix(base, whole) || t.ecommit > len(base) {
		t.end("a leader holds what one before the last had left")
	}
	if t.cut != "" {
		return
	}
	t.elog, t.eleft = base, t.before.eleft
	if !isPrefix(t.before.elog, base) {
		t.eleft = t.before.elog
	}
	t.choice.set("log", slices.Clone(base))
	t.choice = nil
}

// propose tells what the leader has in its log, up to n.
func (t *diskTale) propose(n int) {
	if t.choice != nil {
		return
	}
	log := t.all.logs[uint64(t.eterm)]
	for len(t.elog) < min(n, len(log)) && t.cut == "" {
		t.elog = append(slices.Clone(t.elog), log[len(t.elog)])
		t.add("Propose")
	}
}

// commitTo tells that the leader has committed at least so much: up to an entry of its own.
func (t *diskTale) commitTo(n int) {
	log := t.all.logs[uint64(t.eterm)]
	for ; n <= len(log) && log[n-1] != t.eterm; n++ {
		continue
	}
	if n > len(log) || t.choice != nil {
		t.end("it knows of more that is committed than its leader has told")
		return
	}
	t.propose(n)
	t.ecommit = n
	if len(t.eleft) < n || !slices.Equal(t.eleft[:n], t.elog[:n]) {
		t.eleft = nil
	}
	t.add("Commit", "n", n)
}

// receiveCheckpoint tells that a checkpoint of the leader is there, and is wanted.
func (t *diskTale) receiveCheckpoint(c *replication.Checkpoint, term int) {
	n := entryAt(c.Index)
	t.lead(term)
	t.propose(n)
	if n > t.ecommit {
		t.commitTo(n)
	}
	if n > len(t.elog) {
		t.end("a checkpoint is of another leader than the one that is known")
		return
	}
	if term > t.term {
		t.term, t.vote = term, 0
	}
	t.log, t.matched, t.commit = slices.Clone(t.elog[:n]), n, n
	t.installing = true
	t.add("ReceiveCheckpoint", "n", n, "term", term)
}

// wrote is told of each record that is given to the disk. None is if nothing is to be written.
func (a *abstraction) wrote(h *host, op operation, b *store.Batch) {
	if a == nil {
		return
	}
	t := a.disks.of(h)
	if t.waits {
		defer t.resume()
	}
	if op.Done() {
		return
	}
	first, terms := 0, Terms{}
	if len(b.Entries) > 0 {
		first = entryAt(b.Entries[0].GetIndex())
	}
	for _, e := range b.Entries {
		terms = append(terms, int(e.GetTerm()))
	}
	t.stored = max(t.commit, t.floor)
	l := t.add("WriteLog", "first", first, "terms", terms)
	if l != nil && b.HardState != nil {
		l.set("term", int(b.HardState.GetTerm()), "vote", t.whom(b.HardState.GetVote()))
	} else if l != nil {
		l.set("term", t.term, "vote", t.vote)
	}
}

// whole says whether the log takes all that waits: only then is a record one of the specification.
func (a *abstraction) whole() bool { return a != nil }

// installs is told when the log comes to a checkpoint of a peer.
func (a *abstraction) installs(h *host) {
	if a == nil {
		return
	}
	t := a.disks.of(h)
	install := t.stuck[0]
	t.stuck, t.waits = t.stuck[1:], true
	t.take(install)
}

// resume tells what was behind a checkpoint whose record is written, up to the next.
func (t *diskTale) resume() {
	t.waits = false
	for len(t.stuck) > 0 && t.stuck[0].Install == nil {
		p := t.stuck[0]
		t.stuck = t.stuck[1:]
		t.take(p)
	}
}

// effect is told of each effect that a disk had.
func (a *abstraction) effect(h *host, e store.Effect) {
	if a == nil {
		return
	}
	t := a.disks.of(h)
	switch e {
	case store.EffectLogSync:
		t.add("SyncLog")
	case store.EffectMarkWrite:
		if t.marking {
			t.end("the mark is written twice at a time")
		}
		t.marking = true
		t.add("WriteMark")
	case store.EffectMarkSync:
		t.marking = false
		t.add("SyncMark")
	case store.EffectCheckpointFlush:
		if t.installing {
			t.installing = false
			t.applied, t.kept = len(t.log), len(t.log)
			t.add("InstallCheckpoint", "n", len(t.log))
			break
		}
		if t.written == t.kept {
			break // the same once more
		}
		t.kept, t.written = t.written, 0
		t.add("EndCheckpoint", "n", t.kept)
		t.spots[t.applied] = t.add("")
	case store.EffectCut:
		t.add("Cut")
	}
}

// fails is told of each effect that ends in an error. What was to be written may be there.
func (a *abstraction) fails(h *host, e store.Effect) {
	if a != nil && e == store.EffectMarkWrite {
		a.effect(h, e)
	}
}

// captured is told when a checkpoint is to be written: it began when its index was applied. One of
// a process that is not told of any more may be of an index that was told of the one before it.
func (a *abstraction) captured(h *host, index uint64) {
	if a == nil || a.disks.of(h).cut != "" {
		return
	}
	t := a.disks.of(h)
	t.written = entryAt(index)
	if t.written == t.kept {
		return // the same once more, as before a stop
	}
	if spot := t.spots[t.written]; spot != nil && spot.Action == "" {
		spot.Action = "BeginCheckpoint"
		spot.set("n", t.written)
	} else {
		t.end("a checkpoint began where nothing was applied")
	}
}

// applies is told how far a host has applied entries.
func (t *diskTale) applies(h *host) {
	for to := entryAt(h.seen.index); t.applied < to; {
		t.applied++
		t.add("Apply", "n", t.applied)
		t.spots[t.applied] = t.add("")
	}
	t.votes(h)
}

// acknowledged is told which appends the member knows to be durable.
func (a *abstraction) acknowledged(h *host, group []*replication.Append) {
	if a == nil {
		return
	}
	t := a.disks.of(h)
	for _, p := range group {
		if hs := p.HardState; hs != nil && int(hs.GetTerm()) == t.term && t.vote != 0 &&
			t.vote != itself && t.whom(hs.GetVote()) == t.vote && !t.sent[t.term] {
			t.sent[t.term] = true
			t.add("SendVote", "t", t.term, "c", t.vote)
		}
	}
	// What was taken in an earlier term is told to a leader that is none any more.
	n := 0
	for _, p := range group {
		if k := len(p.Entries); t.taken[p] == t.term && k > 0 {
			n = entryAt(p.Entries[k-1].GetIndex())
		} else if t.taken[p] == t.term && p.Install != nil {
			n = entryAt(p.Install.Index)
		}
		delete(t.taken, p)
	}
	if t.term == t.eterm && n > t.match && n <= t.matched {
		t.match = n
		t.add("Acknowledge", "n", n)
		if t.promoted != nil && t.late && t.match >= t.ecommit {
			t.promoted, t.late = t.add(""), false
		}
		t.aim(h)
	}
}

// crashed is told of the end of a process.
func (a *abstraction) crashed(h *host) {
	if a == nil {
		return
	}
	if t := a.disks.of(h); t.begun {
		t.down = true
	}
}

// opened is told what a process has found on the disk. It may end before it is one of the member.
func (a *abstraction) opened(h *host, rec *store.Recovered) {
	if a == nil {
		return
	}
	if t := a.disks.of(h); t.begun && !t.lost {
		t.opens = append(t.opens, rec)
	}
}

// restarted is told that a process has become one of the member.
func (a *abstraction) restarted(h *host, rec *store.Recovered) {
	if a == nil {
		return
	}
	t := a.disks.of(h)
	opens := t.opens
	t.opens = nil
	switch {
	case !t.begun:
		t.begun = true
	case t.lost:
		t.rejoins(rec)
	case !t.down:
		t.end("it stops in good order")
	default:
		t.down = false
		for _, rec := range opens {
			t.restarts(h, rec)
		}
	}
}

// restarts tells of the end of a process and of the start of the next.
func (t *diskTale) restarts(h *host, rec *store.Recovered) {
	at := entryAt(rec.Checkpoint.Index)
	switch {
	case at == t.kept:
	case at == t.written:
		t.add("EndCheckpoint", "n", at)
	case t.installing:
		t.add("InstallCheckpoint", "n", at)
	default:
		t.end("a checkpoint is found that was not written")
	}
	t.add("Crash")
	log := t.all.logOf(h)
	t.came(rec, log)
	t.log = log
	t.term, t.vote = int(rec.HardState.GetTerm()), t.whom(rec.HardState.GetVote())
	t.commit, t.matched, t.applied, t.kept, t.written = entryAt(rec.HardState.GetCommit()), 0,
		at, at, 0
	t.stuck, t.marking, t.installing, t.waits = nil, false, false, false
	t.spots, t.asking = map[int]*AbstractLine{}, map[int]bool{}
	t.add("Restart", "lost", false, "term", t.term, "vote", t.vote, "log", slices.Clone(t.log),
		"applied", at, "commit", t.commit,
		"mterm", int(rec.Mark.Term), "mvote", t.whom(rec.Mark.Vote),
		"macked", entryAt(rec.Mark.Acked.Index), "mackedterm", int(rec.Mark.Acked.Term))
	if t.term != int(rec.Mark.Term) || t.vote != t.whom(rec.Mark.Vote) {
		t.add("WriteMark") // before anything is answered
		t.add("SyncMark")
	}
}
