package server

import "testing"

// A mailbox that is closed with something in it has one token for both. Who took it for the
// items waited for ever, and with it the stop of the server.
func TestMailboxTellsItsEnd(t *testing.T) {
	for _, left := range []int{0, 1, 3} {
		var m mailbox[int]
		m.init()
		for i := range left {
			m.put(i)
		}
		m.close()
		got, open := []int(nil), true
		for open {
			select {
			case <-m.ready:
			default:
				t.Fatalf("%d items: after %v nothing wakes the taker", left, got)
			}
			var items []int
			items, open = m.take(nil)
			got = append(got, items...)
		}
		if len(got) != left {
			t.Errorf("%d items: took %v", left, got)
		}
	}
}
