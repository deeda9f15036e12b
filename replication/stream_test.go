package replication

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/vivariumdb/vivarium/core"
	"go.etcd.io/raft/v3/raftpb"
	"pgregory.net/rapid"
)

// TestOutbox compares the outbox with a list of all commands and two positions.
func TestOutbox(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := outbox{next: 1, end: 1}
		var all [][]byte // all[i] is command i+1
		acked, next := 0, 1
		var mail core.Mail
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch op := rapid.IntRange(0, 3).Draw(t, "op"); op {
			case 0:
				mail.FirstSeq = uint64(len(all) + 1)
				for range rapid.IntRange(1, 5).Draw(t, "commands") {
					c := fmt.Appendf(nil, "<%d>", len(all)+1)
					mail.Commands = append(mail.Commands, c...)
					mail.Ends = append(mail.Ends, len(mail.Commands))
					all = append(all, c)
				}
				o.put(&mail)
				mail.Reset()
			case 1:
				if o.waiting() != (next <= len(all)) {
					t.Fatalf("waiting() = %v with %d of %d to be sent", o.waiting(), next, len(all))
				}
				if !o.waiting() {
					continue
				}
				size := rapid.IntRange(1, 20).Draw(t, "size")
				seq, count, commands := o.take(size)
				want := bytes.Join(all[next-1:next-1+int(count)], nil)
				if seq != uint64(next) || !bytes.Equal(commands, want) ||
					count > 1 && len(commands) > size {
					t.Fatalf("take(%d) = %d, %d, %q, want %d, %q", size, seq, count, commands,
						next, want)
				}
				next += int(count)
			case 2:
				acked = rapid.IntRange(acked, max(acked, next-1)).Draw(t, "ack")
				o.ack(uint64(acked))
			case 3:
				to := rapid.IntRange(0, len(all)+2).Draw(t, "rewind")
				o.rewind(uint64(to))
				next = min(next, max(to, acked+1))
			}
		}
	})
}

func newVoter(t *testing.T) *Member {
	t.Helper()
	return voterOf(t, founded())
}

// voterOf returns the first of three voters.
func voterOf(t *testing.T, state *core.State) *Member {
	t.Helper()
	term, commit := uint64(FoundingTerm), uint64(FoundingIndex)
	m, err := New(Config{}, Recovered{State: state, Term: FoundingTerm,
		ConfState: FoundingConf(1, 2, 3),
		HardState: &raftpb.HardState{Term: &term, Commit: &commit}})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestGapAtApply: what goes by behind a gap makes the stream be sent again, once for each gap.
func TestGapAtApply(t *testing.T) {
	r := &newVoter(t).replica
	var mail core.Mail
	mail.FirstSeq = 1
	for i := range 9 {
		mail.Commands = append(mail.Commands, 'c')
		mail.Ends = append(mail.Ends, i+1)
	}
	r.outbox.put(&mail)
	for _, test := range []struct {
		seq  uint64 // applied
		gap  bool
		want uint64 // the next to be sent, after all had been
	}{
		{0, true, 1}, {0, true, 10}, {2, false, 10}, {2, true, 3}, {2, true, 10}, {5, true, 6},
	} {
		for r.outbox.waiting() {
			r.outbox.take(100)
		}
		r.takeApplied(&Applied{Own: true, seq: test.seq, gap: test.gap}, 0)
		if got := r.outbox.next; got != test.want {
			t.Errorf("applied %d, gap %v: goes on with %d, want %d", test.seq, test.gap, got,
				test.want)
		}
	}
}

// TestReplaced: a process that sees its own registration replaced stops.
func TestReplaced(t *testing.T) {
	d := newDriver(t, Config{})
	a := &d.member.applier
	registration := a.local.Self().Registration
	if registration == 0 {
		t.Fatal("the member is not registered")
	}
	data := core.AppendEntryHeader(nil, 1)
	data = core.AppendBatchHeader(data, core.Origin{RaftID: 1}, 0, 1)
	data = core.AppendHello(data, 1, [16]byte{77}, registration)
	index, term := a.state.Index()+1, a.state.Term()
	d.member.Enqueue([]ApplyItem{{committed: &raftpb.Message{
		Entries: []*raftpb.Entry{{Index: &index, Term: &term, Data: data}}}}})
	var report Report
	if d.member.Apply(0, 10, &report); !errors.Is(report.Err, ErrReplaced) {
		t.Errorf("after another process's hello: %v, want ErrReplaced", report.Err)
	}
}

// TestIntakeBounds: a leader takes in of each stream what its share allows, says where to go on
// when there is room, and holds nothing else.
func TestIntakeBounds(t *testing.T) {
	in := intake{sources: []source{{id: 2, registration: 5, next: 1},
		{id: 3, registration: 6, next: 1}}}
	const term, most = 7, 30 // 10 for each
	in.begin(term)
	batch := func(source int, registration core.Registration, seq uint64) {
		in.take(held{source, registration, seq, 1, make([]byte, 4)}, term, most)
	}
	for seq := range uint64(5) {
		batch(0, 5, seq+1)
	}
	batch(1, 6, 1)
	batch(1, 6, 1) // again
	batch(1, 4, 2) // of a dead process
	batch(1, 6, 3) // behind a gap
	batch(1, 6, 4)
	var told []string
	tell := func(to core.RaftID, m *peerMessage) {
		told = append(told, fmt.Sprint(uint64(to), " ", uint64(m.registration), " ", m.seq))
	}
	in.invite(term, most, tell)
	if want := "[3 6 2]"; fmt.Sprint(told) != want || len(in.queue) != 3 || in.bytes != 12 {
		t.Errorf("told %v, %d batches of %d bytes wait; want %s, 3 and 12", told, len(in.queue),
			in.bytes, want)
	}
	batch(1, 6, 5) // still behind the same gap
	in.proposed(3)
	told = nil
	in.invite(term, most, tell)
	if want := "[2 5 3]"; fmt.Sprint(told) != want || in.bytes != 0 {
		t.Errorf("with room again told %v, %d bytes wait; want %s and 0", told, in.bytes, want)
	}
	batch(1, 8, 1) // a registration that is not applied here yet
	in.invite(term, most, tell)
	in.position(&core.StreamInfo{Origin: core.Origin{RaftID: 3, Registration: 8}})
	in.invite(term, most, tell)
	if want := "[2 5 3 3 8 1]"; fmt.Sprint(told) != want {
		t.Errorf("told %v, want %s", told, want)
	}
}

// TestMedianClock: one bad clock moves nothing, and stamps never fall.
func TestMedianClock(t *testing.T) {
	const year = 365 * 86_400_000
	for _, test := range []struct {
		name  string
		own   int64
		peers []int64 // 0: not heard
		mono  int64
		want  int64
	}{
		{"alone", 1000, nil, 0, 1000},
		{"all agree", 1000, []int64{1001, 999}, 50, 1000},
		{"own a year ahead", 1000 + year, []int64{1001, 999}, 50, 1001},
		{"another a year ahead", 1000, []int64{1001 + year, 999}, 50, 1000},
		{"two of three known, one a year ahead", 1000 + year, []int64{999, 0}, 50, 999},
		{"none known: carried forward", 1000 + year, []int64{0, 0}, 50, 900 + 50},
		{"never falls", 100, []int64{100, 100}, 50, 900},
		{"learners do not count", 1000, []int64{1001, 999, 1000 + year, 1000 + year}, 50, 1000},
		{"nor do they make a quorum", 1000 + year, []int64{0, 0, 1000, 1000}, 50, 900 + 50},
	} {
		c := clocks{stampMs: 900}
		conf := &raftpb.ConfState{Voters: []uint64{1}}
		var peers []core.RaftID
		for i := range test.peers {
			if peers = append(peers, core.RaftID(i+2)); i < 2 {
				conf.Voters = append(conf.Voters, uint64(i+2))
			} else {
				conf.Learners = append(conf.Learners, uint64(i+2))
			}
		}
		c.follow(conf, 1, peers)
		for i, wall := range test.peers {
			if wall != 0 {
				c.heard(core.RaftID(i+2), wall, test.mono, 1)
			}
		}
		if got := c.stamp(test.own, test.mono); got != test.want {
			t.Errorf("%s: stamp %d, want %d", test.name, got, test.want)
		}
	}
}
