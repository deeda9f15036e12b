package core_test

import (
	"fmt"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
)

// An entry of the log is built by a leader and applied by every member, command by command.
func ExampleState() {
	state := core.NewState()
	apply := func(self core.Origin, entry []byte) (last core.Outcome) {
		if err := state.Begin(state.Index()+1, 1, entry); err != nil {
			fmt.Println(err)
		}
		var out core.Outcome
		for state.Next(self, &out) {
			last = out
			for _, c := range out.Changes {
				fmt.Println(c.Zxid, c.Type, c.Path)
			}
		}
		return last
	}

	// A process registers its start, and gets a stream of its own.
	entry := core.AppendEntryHeader(nil, 1000)
	entry = core.AppendBatchHeader(entry, core.Origin{RaftID: 7}, 0, 1)
	entry = core.AppendHello(entry, 7, [16]byte{1}, 0)
	self := apply(core.Origin{}, entry).Origin

	// A client connects.
	entry = core.AppendEntryHeader(nil, 2000)
	entry = core.AppendBatchHeader(entry, self, 1, 1)
	entry = core.AppendCreateSession(entry, core.CreateSession{TimeoutMs: 4000})
	session := apply(self, entry)

	// And writes.
	create := wire.CreateRequest{Path: "/a", Data: []byte("hello"), ACL: wire.OpenACL()}
	entry = core.AppendEntryHeader(nil, 3000)
	entry = core.AppendBatchHeader(entry, self, 2, 1)
	entry = core.AppendRequest(entry, session.Session, session.Generation, core.Flags{}, 1,
		wire.OpCreate, create.AppendTo(nil))
	out := apply(self, entry)
	fmt.Println(out.Op, out.Err, out.Zxid)
	// Output:
	// 0x100000002 NodeCreated /a
	// 0x100000002 NodeChildrenChanged /
	// create Ok 0x100000002
}
