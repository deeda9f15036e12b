package replication

import (
	"cmp"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/mutant"
)

// sessionClock decides which sessions have been silent for their whole time-out. Only a
// leader asks it. Its time advances by at most one tick per turn of the loop, so that a leader
// that was paused does not find everybody silent: their reports wait to be taken in first.
//
// Invariant: each session of live is in exactly one bucket of due, at a time not after its
// deadline. Who has ended or moved to another bucket may still be listed, and is passed over.
type sessionClock struct {
	tickMs int64
	now    int64 // in ticks
	live   map[core.SessionID]*lifetime
	due    map[int64][]core.SessionID // by tick
}

type lifetime struct {
	generation core.Generation
	ticks      int64 // the time-out, rounded up
	deadline   int64 // the tick at which it has been silent for too long
	bucket     int64
}

func newSessionClock(tickMs int64) *sessionClock {
	return &sessionClock{tickMs: tickMs, live: make(map[core.SessionID]*lifetime),
		due: make(map[int64][]core.SessionID)}
}

// started takes in a session, or its new generation and time-out.
func (k *sessionClock) started(id core.SessionID, generation core.Generation, timeoutMs int32) {
	ticks := (int64(timeoutMs) + k.tickMs - 1) / k.tickMs
	if mutant.On("sessions-outlive-twice") {
		ticks *= 2
	}
	s := k.live[id]
	if s == nil {
		s = &lifetime{}
		k.live[id] = s
		s.ticks = ticks
		k.put(id, s, k.now+ticks+1)
	}
	s.generation, s.ticks = generation, ticks
	if generation == 1 || !mutant.On("sessions-attach-no-life") {
		s.deadline = k.now + ticks + 1
	}
	if s.deadline < s.bucket {
		// A shorter time-out than before: its bucket would be looked at too late. The entry
		// that stays in the old bucket is ignored there.
		k.put(id, s, s.deadline)
	}
}

// put lists a session in the bucket of a tick. Who does not lead has a clock that stands still:
// without an end all sessions that there ever were would stay in a few buckets.
func (k *sessionClock) put(id core.SessionID, s *lifetime, tick int64) {
	const few = 64
	ids := k.due[tick]
	if len(ids) >= few+2*len(k.live) {
		ids = slices.DeleteFunc(ids, func(id core.SessionID) bool {
			s := k.live[id]
			return s == nil || s.bucket != tick
		})
	}
	s.bucket = tick
	k.due[tick] = append(ids, id)
}

func (k *sessionClock) ended(id core.SessionID) {
	if !mutant.On("sessions-ended-not-forgotten") {
		delete(k.live, id)
	}
}

// touch is a sign of life. Sessions that are not known are ignored: their end or their
// beginning is under way.
func (k *sessionClock) touch(id core.SessionID) {
	if s := k.live[id]; s != nil {
		s.deadline = k.now + s.ticks + 1
	}
}

// restart gives every session a whole time-out again, as a new leader does.
func (k *sessionClock) restart() {
	for _, s := range k.live { //order-free: each gets its own deadline
		s.deadline = k.now + s.ticks + 1
	}
}

// expired is a session that has been silent, at the generation that was silent.
type expired struct {
	session    core.SessionID
	generation core.Generation
}

// tick moves the clock on by one tick and appends the sessions that have been silent for
// their time-out. They are asked for again after retryTicks, for a decision that was lost.
func (k *sessionClock) tick(dst []expired) []expired {
	const retryTicks = 20
	k.now++
	ids := k.due[k.now]
	delete(k.due, k.now)
	for _, id := range ids {
		s := k.live[id]
		if s == nil || s.bucket != k.now {
			continue
		}
		if s.deadline > k.now {
			k.put(id, s, s.deadline)
			continue
		}
		dst = append(dst, expired{id, s.generation})
		k.put(id, s, k.now+retryTicks)
	}
	return dst
}

// Deadline says in how many milliseconds a session expires whose client stays silent.
type Deadline struct {
	Session core.SessionID
	InMs    int64
}

// deadlines appends all of them, the soonest first.
func (k *sessionClock) deadlines(dst []Deadline) []Deadline {
	start := len(dst)
	for id, s := range k.live { //order-free: sorted below
		dst = append(dst, Deadline{id, max(0, s.deadline-k.now) * k.tickMs})
	}
	slices.SortFunc(dst[start:], func(a, b Deadline) int {
		return cmp.Or(cmp.Compare(a.InMs, b.InMs), cmp.Compare(a.Session, b.Session))
	})
	return dst
}
