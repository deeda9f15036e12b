package replication

import (
	"testing"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
)

// A follower that hears from the leader of an earlier term tells it of the new one. When that
// leader leads again, this is no acknowledgement: it would be sent the log from its first entry
// on, which may be cut.
func TestNewsOfTermAcknowledgesNothing(t *testing.T) {
	try(t, 1, 3, Config{}, func(w *world) {
		old := w.settle()
		var cut *host
		for _, h := range w.hosts {
			if h != old {
				cut = h
			}
		}
		for _, h := range w.hosts {
			if h != cut {
				w.link(h.id, cut.id).split(true)
			}
		}
		old.crash()
		w.run(100_000)
		old.start()
		lead := w.leader()
		if !w.until(5_000_000, func() bool { lead = w.leader(); return lead != nil }) {
			t.Fatal("nobody leads")
		}
		w.run(200_000)
		next := func() (next uint64) {
			lead.member.replica.node.WithProgress(func(id uint64, _ raft.ProgressType,
				p tracker.Progress) {
				if id == uint64(cut.id) {
					next = p.Next
				}
			})
			return next
		}
		was := next()
		from, to, term := uint64(cut.id), uint64(lead.id), lead.member.Term()
		m := &raftpb.Message{Type: raftpb.MsgAppResp.Enum(), From: &from, To: &to, Term: &term}
		data, err := (&peerMessage{kind: peerRaft, raft: m}).appendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		lead.receive(cut.id, data)
		w.run(100_000)
		if got := next(); was < 2 || got < was {
			t.Errorf("the next entry for a silent follower was %d, and is %d after news of a term",
				was, got)
		}
	})
}
