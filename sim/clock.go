package sim

// clock is the event heap of a world. Time is in virtual microseconds; what is due at the same
// time happens in the order in which it was asked for.
type clock struct {
	now  int64
	seq  uint64
	heap []event
}

type event struct {
	at  int64
	seq uint64
	run func()
}

const (
	millisecond = 1000
	second      = 1000 * millisecond
)

// tickMs is the length of every member's tick.
const tickMs = 50

func (e *event) before(f *event) bool {
	return e.at < f.at || e.at == f.at && e.seq < f.seq
}

// after lets run happen in delay microseconds.
func (c *clock) after(delay int64, run func()) {
	c.seq++
	c.heap = append(c.heap, event{c.now + max(delay, 0), c.seq, run})
	i := len(c.heap) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !c.heap[i].before(&c.heap[up]) {
			break
		}
		c.heap[i], c.heap[up] = c.heap[up], c.heap[i]
		i = up
	}
}

// next takes the event that is due next.
func (c *clock) next() (event, bool) {
	n := len(c.heap) - 1
	if n < 0 {
		return event{}, false
	}
	first := c.heap[0]
	c.heap[0] = c.heap[n]
	c.heap[n] = event{}
	c.heap = c.heap[:n]
	for i := 0; ; {
		down := 2*i + 1
		if down >= n {
			break
		}
		if right := down + 1; right < n && c.heap[right].before(&c.heap[down]) {
			down = right
		}
		if !c.heap[down].before(&c.heap[i]) {
			break
		}
		c.heap[i], c.heap[down] = c.heap[down], c.heap[i]
		i = down
	}
	c.now = first.at
	return first, true
}
