package linearizability

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// differ says in words how an answer to op differs from the one wanted, or "". Only what the
// answer of that op carries is compared.
func differ(op Op, want, got *Result) string {
	if want.Err != got.Err {
		return fmt.Sprintf("err %v, want %v", got.Err, want.Err)
	}
	if want.Err != CodeOk {
		return ""
	}
	switch op {
	case OpCreate:
		return differPath(want, got)
	case OpCreate2, OpCreateContainer, OpCreateTTL:
		if d := differPath(want, got); d != "" {
			return d
		}
		return differStat(want.Stat, got.Stat)
	case OpSetData, OpSetACL, OpExists:
		return differStat(want.Stat, got.Stat)
	case OpGetData, OpReconfig:
		if d := differData(want.Data, got.Data); d != "" {
			return d
		}
		return differStat(want.Stat, got.Stat)
	case OpGetACL:
		if !slices.Equal(want.ACL, got.ACL) {
			return fmt.Sprintf("acl %v, want %v", got.ACL, want.ACL)
		}
		return differStat(want.Stat, got.Stat)
	case OpGetChildren, OpGetEphemerals:
		return differChildren(want.Children, got.Children)
	case OpGetChildren2:
		if d := differChildren(want.Children, got.Children); d != "" {
			return d
		}
		return differStat(want.Stat, got.Stat)
	case OpGetAllChildrenNumber:
		if want.Count != got.Count {
			return fmt.Sprintf("count %d, want %d", got.Count, want.Count)
		}
	case OpMulti, OpMultiRead:
		return differParts(want.Parts, got.Parts)
	case OpWhoAmI:
		return differClients(want.Clients, got.Clients)
	}
	return ""
}

func differPath(want, got *Result) string {
	if want.Path != got.Path {
		return fmt.Sprintf("path %q, want %q", got.Path, want.Path)
	}
	return ""
}

func differData(want, got []byte) string {
	if (want == nil) != (got == nil) || !bytes.Equal(want, got) {
		return fmt.Sprintf("data %s, want %s", short(got), short(want))
	}
	return ""
}

func short(b []byte) string {
	switch {
	case b == nil:
		return "null"
	case len(b) > 64:
		return fmt.Sprintf("%q.. (%d bytes)", b[:64], len(b))
	}
	return fmt.Sprintf("%q", b)
}

func differStat(want, got *Stat) string {
	switch {
	case got == nil:
		return "no stat"
	case want == nil: // a commit line left it out, whose own fault that is
		return ""
	case *want == *got:
		return ""
	}
	var d []string
	field := func(name string, want, got int64) {
		if want != got {
			d = append(d, fmt.Sprintf("%s %d, want %d", name, got, want))
		}
	}
	long := func(name string, want, got int64) { // as people look for it
		if want != got {
			d = append(d, fmt.Sprintf("%s %#x, want %#x", name, uint64(got), uint64(want)))
		}
	}
	long("czxid", want.Czxid, got.Czxid)
	long("mzxid", want.Mzxid, got.Mzxid)
	field("ctime", want.Ctime, got.Ctime)
	field("mtime", want.Mtime, got.Mtime)
	field("version", int64(want.Version), int64(got.Version))
	field("cversion", int64(want.Cversion), int64(got.Cversion))
	field("aversion", int64(want.Aversion), int64(got.Aversion))
	long("ephemeralOwner", want.EphemeralOwner, got.EphemeralOwner)
	field("dataLength", int64(want.DataLength), int64(got.DataLength))
	field("numChildren", int64(want.NumChildren), int64(got.NumChildren))
	long("pzxid", want.Pzxid, got.Pzxid)
	return "stat " + strings.Join(d, ", ")
}

// differChildren compares names without their order, which ZooKeeper leaves open.
func differChildren(want, got []string) string {
	sorted := got
	if !sort.StringsAreSorted(got) {
		sorted = slices.Sorted(slices.Values(got))
	}
	if slices.Equal(want, sorted) {
		return ""
	}
	return fmt.Sprintf("children %q, want %q", got, want)
}

func differParts(want, got []Result) string {
	if len(want) != len(got) {
		return fmt.Sprintf("%d parts, want %d", len(got), len(want))
	}
	for i := range want {
		if want[i].Op != got[i].Op {
			return fmt.Sprintf("part %d is a %v, want %v", i, got[i].Op, want[i].Op)
		}
		if d := differ(want[i].Op, &want[i], &got[i]); d != "" {
			return fmt.Sprintf("part %d: %s", i, d)
		}
	}
	return ""
}

func differClients(want, got []ID) string {
	if len(want) == len(got) {
		same := true
		for _, id := range want {
			same = same && slices.Contains(got, id)
		}
		if same {
			return ""
		}
	}
	return fmt.Sprintf("clients %v, want %v", got, want)
}
