package replication

import (
	"sort"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/invariant"
)

// outbox holds what this process's stream has not seen applied, for it may have to be sent
// again (DESIGN section 4). Core bounds it: a connection is not read while more than
// Settings.MaxOutstandingBytes wait for their outcome, and what waits there is what is here.
//
// Invariant: the chunks follow each other without a gap, from acked+1 or before to end;
// acked < next <= end.
type outbox struct {
	chunks []chunk
	spare  []chunk // memory to be used again
	acked  uint64  // seq of the last command seen applied
	next   uint64  // seq of the next command to be sent
	end    uint64  // one behind the last
}

// chunk is one piece of mail. Messages and entries copy from it, so that its memory is used
// again once all of it is applied.
type chunk struct {
	first    uint64
	commands []byte
	ends     []int
}

func (c *chunk) end() uint64 { return c.first + uint64(len(c.ends)) }

// put takes the commands of mail, and leaves it other memory in exchange.
func (o *outbox) put(mail *core.Mail) {
	invariant.Check(mail.FirstSeq == o.end, "mail out of order")
	o.end += uint64(len(mail.Ends))
	if n := len(o.chunks); n > 0 && o.chunks[n-1].first >= o.next {
		// Nothing of the last chunk is sent: what waits grows.
		last := &o.chunks[n-1]
		base := len(last.commands)
		last.commands = append(last.commands, mail.Commands...)
		for _, end := range mail.Ends {
			last.ends = append(last.ends, base+end)
		}
		return
	}
	var memory chunk
	if n := len(o.spare); n > 0 {
		memory = o.spare[n-1]
		o.spare = o.spare[:n-1]
	}
	o.chunks = append(o.chunks,
		chunk{first: mail.FirstSeq, commands: mail.Commands, ends: mail.Ends})
	mail.Commands, mail.Ends = memory.commands, memory.ends
}

// waiting says whether there is something that was not sent (again).
func (o *outbox) waiting() bool { return o.next < o.end }

// take returns some commands to be sent, at most size bytes of them but at least one, and
// counts them as sent. They are a view, valid until the next put or ack.
func (o *outbox) take(size int) (seq, count uint64, commands []byte) {
	i := sort.Search(len(o.chunks), func(i int) bool { return o.chunks[i].end() > o.next })
	c := &o.chunks[i]
	skip := int(o.next - c.first)
	base := 0
	if skip > 0 {
		base = c.ends[skip-1]
	}
	rest := c.ends[skip:]
	n := max(1, sort.SearchInts(rest, base+size+1))
	seq = o.next
	o.next += uint64(n)
	return seq, uint64(n), c.commands[base:rest[n-1]]
}

// ahead is how many bytes of commands were sent and are not applied.
func (o *outbox) ahead() (bytes int) {
	for i := range o.chunks {
		c := &o.chunks[i]
		bytes += c.before(o.next) - c.before(o.acked+1)
	}
	return bytes
}

// before is how many bytes of a chunk stand before a command.
func (c *chunk) before(seq uint64) int {
	switch {
	case seq <= c.first:
		return 0
	case seq >= c.end():
		return len(c.commands)
	}
	return c.ends[seq-c.first-1]
}

// again returns the first commands that are not applied, as take does, but counts nothing.
func (o *outbox) again(size int) (seq, count uint64, commands []byte) {
	next := o.next
	o.rewind(0)
	seq, count, commands = o.take(size)
	o.next = max(next, o.next)
	return seq, count, commands
}

// ack forgets what is applied, up to and including seq.
func (o *outbox) ack(seq uint64) {
	if seq <= o.acked {
		return
	}
	invariant.Check(seq < o.end, "a command was applied that this process never had")
	o.acked = seq
	o.next = max(o.next, seq+1)
	n := 0
	for n < len(o.chunks) && o.chunks[n].end() <= seq+1 {
		o.recycle(&o.chunks[n])
		n++
	}
	if n > 0 {
		left := copy(o.chunks, o.chunks[n:])
		clear(o.chunks[left:])
		o.chunks = o.chunks[:left]
	}
}

func (o *outbox) recycle(c *chunk) {
	const most, longest = 4, 8 << 20
	if len(o.spare) < most && cap(c.commands) <= longest {
		o.spare = append(o.spare, chunk{commands: c.commands[:0], ends: c.ends[:0]})
	}
}

// rewind makes everything from seq on, or what is not applied of it, be sent again.
func (o *outbox) rewind(seq uint64) { o.next = min(o.next, max(seq, o.acked+1)) }
