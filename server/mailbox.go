package server

import "sync"

// mailbox passes values from many goroutines to one, in order and without a bound of its own:
// what goes through is bounded where it is taken in. Its lock is held for an append only, so
// that who puts something in may not be kept waiting.
type mailbox[T any] struct {
	mu     sync.Mutex
	items  []T
	closed bool
	ready  chan struct{} // holds one token while there may be something
}

func (m *mailbox[T]) init() { m.ready = make(chan struct{}, 1) }

// put adds items and wakes the taker.
func (m *mailbox[T]) put(items ...T) {
	if len(items) == 0 {
		return
	}
	m.mu.Lock()
	m.items = append(m.items, items...)
	m.mu.Unlock()
	m.wake()
}

func (m *mailbox[T]) wake() {
	select {
	case m.ready <- struct{}{}:
	default:
	}
}

// take swaps what is there against spare, which is emptied. The second result is false when
// the mailbox is closed and empty.
func (m *mailbox[T]) take(spare []T) ([]T, bool) {
	clear(spare)
	m.mu.Lock()
	defer m.mu.Unlock()
	items := m.items
	m.items = spare[:0]
	if m.closed {
		m.wake() // one token stood for the items and for the end: the taker must come again
	}
	return items, len(items) > 0 || !m.closed
}

// close lets the taker go once everything is taken.
func (m *mailbox[T]) close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.wake()
}
