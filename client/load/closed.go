package load

import "fmt"

// closed keeps a number of requests in flight on one connection.
type closed struct {
	*run
	s      *session
	deck   deck
	tally  *tally
	sent   []int64 // when the requests in flight were sent: a ring
	number int     // of the next znode to be created
	share  int     // of Options.Count, for this connection
}

// share is how many of n things each of so many connections does: what does not divide goes to
// the first ones.
func share(n, connections, i int) int {
	if i < n%connections {
		return n/connections + 1
	}
	return n / connections
}

// loop runs until the run ends and everything is answered.
func (c *closed) loop() error {
	more, flying := c.Pipeline, 0
	answered := c.s.issued
	for {
		now := c.now()
		if now >= c.to {
			more = 0
		}
		if c.Count > 0 {
			more = min(more, c.share-c.number)
		}
		for range more {
			c.sent[c.s.issued%len(c.sent)] = now
			c.s.add(c.deck.draw(c.s.dice()), c.number)
			c.number++
		}
		flying += more
		if flying == 0 {
			return nil
		}
		if more > 0 {
			if err := c.s.flush(); err != nil {
				return err
			}
		}
		if err := c.s.fill(); err != nil {
			return err
		}
		now, more = c.now(), 0
		for answer, ok := c.s.next(); ok; answer, ok = c.s.next() {
			if answer.xid < 0 {
				continue
			}
			if answer.xid != xidOf(answered) {
				return fmt.Errorf("reply %d where %d is due", answer.xid, xidOf(answered))
			}
			if c.counts(now) {
				c.tally.count(answer.err, now-c.sent[answered%len(c.sent)])
			}
			answered++
			more++
		}
		flying -= more
	}
}
