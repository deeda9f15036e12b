package core

import "github.com/vivariumdb/vivarium/internal/invariant"

// Inbox is where a server's connections leave what the replica has to take on: commands in
// the order of their stream, syncs, and signs of life. Lock B guards it.
type Inbox struct {
	next     uint64 // seq of the next command
	commands []byte // each with its length in front, as batches carry them
	ends     []int  // where each command ends
	syncs    []*Conn
	touched  []SessionID
}

// Mail is what Inbox.Take hands over. Its slices belong to the taker until it gives them
// back to Take.
type Mail struct {
	FirstSeq uint64
	Commands []byte      // encoded, each behind its length
	Ends     []int       // Ends[i] is where command FirstSeq+i ends in Commands
	Syncs    []*Conn     // each asks for one read index
	Touched  []SessionID // sessions that gave a sign of life
}

// Empty says whether there is nothing to do.
func (m *Mail) Empty() bool {
	return len(m.Ends) == 0 && len(m.Syncs) == 0 && len(m.Touched) == 0
}

// Reset makes the mail empty and keeps its memory.
func (m *Mail) Reset() {
	clear(m.Syncs)
	*m = Mail{Commands: m.Commands[:0], Ends: m.Ends[:0], Syncs: m.Syncs[:0],
		Touched: m.Touched[:0]}
}

// Take moves everything into m, which must be empty, and takes m's memory in exchange. The
// caller holds B.
func (b *Inbox) Take(m *Mail) {
	invariant.Check(m.Empty(), "mail taken before the last was handled")
	taken := Mail{FirstSeq: b.next - uint64(len(b.ends)), Commands: b.commands, Ends: b.ends,
		Syncs: b.syncs, Touched: b.touched}
	b.commands, b.ends, b.syncs, b.touched = m.Commands, m.Ends, m.Syncs, m.Touched
	*m = taken
}

// Waiting says whether Take would find anything. The caller holds B.
func (b *Inbox) Waiting() bool {
	return len(b.ends) > 0 || len(b.syncs) > 0 || len(b.touched) > 0
}

// put takes commands, which are the Inbox's own with one command appended, and returns the
// length of that command.
func (b *Inbox) put(commands []byte) int {
	n := len(commands) - len(b.commands)
	b.commands = commands
	b.ends = append(b.ends, len(commands))
	b.next++
	return n
}

// pending is the queue of connections that wait for the outcomes of this server's stream, in
// the order of seq. Feeders push under S shared and B; apply pops under S exclusive.
type pending struct {
	first uint64 // seq of ring[head]
	ring  []waiter
	head  int
	n     int
	bytes int // of all commands that wait
}

type waiter struct {
	conn  *Conn
	bytes int
}

func (p *pending) push(c *Conn, bytes int) {
	if p.n == len(p.ring) {
		grown := make([]waiter, max(64, 2*len(p.ring)))
		for i := range p.n {
			grown[i] = p.ring[(p.head+i)%len(p.ring)]
		}
		p.ring, p.head = grown, 0
	}
	p.ring[(p.head+p.n)%len(p.ring)] = waiter{c, bytes}
	p.n++
	p.bytes += bytes
}

// pop returns who waits for seq. Outcomes of one stream come without a gap.
func (p *pending) pop(seq uint64) *Conn {
	invariant.Check(p.n > 0 && p.first == seq, "outcome of a command that nobody waits for")
	w := p.ring[p.head]
	p.ring[p.head] = waiter{}
	p.head = (p.head + 1) % len(p.ring)
	p.n--
	p.bytes -= w.bytes
	p.first++
	return w.conn
}
