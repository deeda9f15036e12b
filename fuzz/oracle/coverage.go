package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/wire"
)

// coverage counts what was compared, on both sides. The names of the table are the keys.
type coverage struct {
	requests, frames, cases, bursts int
	writes, failed                  int
	counts                          [2]map[string]int
}

func newCoverage() *coverage {
	return &coverage{counts: [2]map[string]int{{}, {}}}
}

// wanted lists what a full run has to have seen often, in the order of the table.
func wanted() []string {
	var names []string
	for _, op := range []wire.OpCode{wire.OpCreate, wire.OpDelete, wire.OpExists, wire.OpGetData,
		wire.OpSetData, wire.OpGetACL, wire.OpSetACL, wire.OpGetChildren, wire.OpSync, wire.OpPing,
		wire.OpGetChildren2, wire.OpCheck, wire.OpMulti, wire.OpCreate2, wire.OpReconfig,
		wire.OpCheckWatches, wire.OpRemoveWatches, wire.OpCreateContainer,
		wire.OpDeleteContainer, wire.OpCreateTTL, wire.OpMultiRead, wire.OpAuth,
		wire.OpSetWatches, wire.OpSASL, wire.OpGetEphemerals, wire.OpGetAllChildrenNumber,
		wire.OpSetWatches2, wire.OpAddWatch, wire.OpWhoAmI, wire.OpCloseSession,
		wire.OpNotification, unknownOp} {
		names = append(names, "op "+op.String())
	}
	for _, code := range []wire.ErrorCode{wire.CodeOk, wire.CodeRuntimeInconsistency,
		wire.CodeMarshallingError, wire.CodeUnimplemented, wire.CodeBadArguments,
		wire.CodeNoNode, wire.CodeNoAuth, wire.CodeBadVersion, wire.CodeNoChildrenForEphemerals,
		wire.CodeNodeExists, wire.CodeNotEmpty, wire.CodeInvalidACL, wire.CodeAuthFailed,
		wire.CodeNoWatcher, wire.CodeReconfigDisabled, wire.CodeQuotaExceeded} {
		names = append(names, "error "+code.String())
	}
	for t := wire.EventNodeCreated; t <= wire.EventNodeChildrenChanged; t++ {
		names = append(names, "event "+t.String(), "event made up "+t.String())
	}
	for _, mode := range []string{"getData", "exists", "exists on nothing", "getChildren",
		"getChildren2", "persistent", "recursive"} {
		names = append(names, "watch "+mode)
	}
	for _, op := range []string{"create", "create2", "createContainer", "createTTL", "delete",
		"setData", "check", "getData", "getChildren"} {
		names = append(names, "multi's "+op)
	}
	for k := connect; int(k) < len(kindNames); k++ {
		if k != drop {
			names = append(names, "handshake "+k.String())
		}
	}
	return names
}

func (c *coverage) count(side int, name string) { c.counts[side][name]++ }

func (c *coverage) handshake(s *Step) {
	for side := range 2 {
		c.count(side, "handshake "+s.Kind.String())
	}
}

// event counts a notification. One that setWatches makes up names no zxid.
func (c *coverage) event(frames ...[]byte) {
	for side, frame := range frames {
		c.frames++
		zxid, e := eventOf(frame)
		name := "event " + e.Type.String()
		if zxid == -1 {
			name = "event made up " + e.Type.String()
		}
		c.count(side, name)
	}
}

// reply counts a request and what came of it.
func (c *coverage) reply(q *Request, frames ...[]byte) {
	c.requests++
	for side, frame := range frames {
		c.frames++
		var h wire.ReplyHeader
		r := wire.NewReader(frame)
		h.Decode(&r)
		c.count(side, "op "+q.Op.String())
		c.count(side, "error "+h.Err.String())
		failed := h.Err != wire.CodeOk
		if q.Op == wire.OpMulti || q.Op == wire.OpMultiRead {
			failed = c.results(side, q, &r) || failed
		}
		if q.isWrite() && side == theirs {
			c.writes++
			if failed {
				c.failed++
			}
		}
		c.watch(side, q, h.Err)
	}
}

// results counts the operations of a multi and their errors, and says whether one failed.
func (c *coverage) results(side int, q *Request, r *wire.Reader) bool {
	var request wire.MultiRequest
	in := wire.NewReader(q.Body)
	request.Decode(&in)
	for i := range request.Ops {
		c.count(side, "multi's "+request.Ops[i].Op.String())
	}
	var response wire.MultiResponse
	response.Decode(r)
	failed := false
	for i := range response.Results {
		if code := response.Results[i].Err; code != wire.CodeOk {
			failed = true
			c.count(side, "error "+code.String())
		}
	}
	return failed
}

// watch counts a watch that was armed.
func (c *coverage) watch(side int, q *Request, code wire.ErrorCode) {
	r := wire.NewReader(q.Body)
	switch q.Op {
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		var read wire.PathWatchRequest
		if read.Decode(&r); !read.Watch {
			return
		}
		switch {
		case code == wire.CodeOk:
			c.count(side, "watch "+q.Op.String())
		case q.Op == wire.OpExists && code == wire.CodeNoNode:
			c.count(side, "watch exists on nothing")
		}
	case wire.OpAddWatch:
		var add wire.AddWatchRequest
		if add.Decode(&r); code != wire.CodeOk {
			return
		}
		if add.Mode == wire.ModePersistent {
			c.count(side, "watch persistent")
		} else {
			c.count(side, "watch recursive")
		}
	}
}

// print prints the table.
func (c *coverage) print(w io.Writer) {
	names := wanted()
	for name := range c.counts[theirs] { //order-free: sorted below
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names[len(wanted()):])
	fmt.Fprintf(w, "\n%-34s %10s %10s\n", "compared", sideNames[theirs], sideNames[ours])
	for _, name := range names {
		fmt.Fprintf(w, "%-34s %10d %10d\n", name, c.counts[theirs][name], c.counts[ours][name])
	}
	fmt.Fprintf(w, "writes %d, of which %d failed (%.0f %%)\n", c.writes, c.failed,
		100*float64(c.failed)/float64(max(c.writes, 1)))
}

// missing says what was seen less often than least, "" if nothing.
func (c *coverage) missing(least int) string {
	var rare []string
	for _, name := range wanted() {
		if n := min(c.counts[theirs][name], c.counts[ours][name]); n < least {
			rare = append(rare, fmt.Sprintf("%s (%d)", name, n))
		}
	}
	if least > 0 && 3*c.failed < c.writes {
		rare = append(rare, "failing writes")
	}
	return strings.Join(rare, ", ")
}

// add adds another table.
func (c *coverage) add(o *coverage) {
	c.requests += o.requests
	c.frames += o.frames
	c.cases += o.cases
	c.bursts += o.bursts
	c.writes += o.writes
	c.failed += o.failed
	for side := range 2 {
		for name, n := range o.counts[side] { //order-free: a sum
			c.counts[side][name] += n
		}
	}
}
