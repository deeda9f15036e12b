package linearizability

import (
	"sort"
	"strconv"
	"strings"
)

// sequential is the parent and the number of the znode that a sequential create has made.
func (k *call) sequential() (parent string, number int64, ok bool) {
	r := k.line.Request
	switch r.Op {
	case OpCreate, OpCreate2, OpCreateContainer, OpCreateTTL:
	default:
		return "", 0, false
	}
	mode, _ := modeOf(r.Flags)
	if !mode.sequential || k.ret.line == nil || k.ret.line.Result.Err != CodeOk {
		return "", 0, false
	}
	suffix, found := strings.CutPrefix(k.ret.line.Result.Path, r.Path)
	n, err := strconv.ParseInt(suffix, 10, 32)
	if err != nil || !found || !strings.HasPrefix(r.Path, "/") {
		return "", 0, false
	}
	parent, _ = split(r.Path)
	return parent, n, true
}

// judgeNumbered: the path of a sequential znode is the one asked for and a number. One that is left
// out says nothing.
func (x *index) judgeNumbered(k *call) {
	if k.ret.line == nil || k.ret.line.Result.Path == "" {
		return
	}
	if mode, _ := modeOf(k.line.Request.Flags); !mode.sequential ||
		k.ret.line.Result.Err != CodeOk {
		return
	}
	switch k.line.Request.Op {
	case OpCreate, OpCreate2, OpCreateContainer, OpCreateTTL:
		if _, _, ok := k.sequential(); !ok {
			x.bad(JudgeSequence, lines(k.ret.line, k.line), "%s makes %q, want it and a number",
				describe(k.line.Request), k.ret.line.Result.Path)
		}
	}
}

// judgeSequences: without commit lines, sequence numbers are held against the zxids of the writes:
// below one parent they rise with them. A parent that may have been deleted meanwhile begins anew,
// and behind the last number comes a negative one: such are not judged.
func judgeSequences(x *index) {
	deleted := map[string]bool{}
	note := func(r *Request) {
		if r.Op == OpDelete || r.Op == OpDeleteContainer {
			deleted[r.Path] = true
		}
	}
	var made []*call
	for _, k := range x.calls {
		r := k.line.Request
		note(r)
		x.judgeNumbered(k)
		for i := range r.Ops {
			note(&r.Ops[i])
		}
		if _, n, ok := k.sequential(); ok && n >= 0 {
			made = append(made, k)
		}
	}
	sort.SliceStable(made, func(i, j int) bool {
		return made[i].ret.line.Zxid < made[j].ret.line.Zxid
	})
	latest := map[string]*call{}
	for _, k := range made {
		parent, number, _ := k.sequential()
		if deleted[parent] {
			continue
		}
		if old := latest[parent]; old != nil {
			if _, before, _ := old.sequential(); number <= before {
				x.bad(JudgeSequence, lines(k.ret.line, old.ret.line),
					"number %d is given below %s after number %d", number, parent, before)
				continue
			}
		}
		latest[parent] = k
	}
}
