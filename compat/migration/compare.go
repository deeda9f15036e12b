package main

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// znode is a line of the verb dump.
type znode struct {
	Path string   `json:"path"`
	Data *string  `json:"data"` // base64; nil is null
	Stat stat     `json:"stat"`
	ACL  [][]any  `json:"acl"` // [perms, scheme, id], in the order that is stored
	Kids []string `json:"kids"`
}

// stat are the fields of a Stat in the order of the protocol.
type stat [11]int64

var statNames = [11]string{"czxid", "mzxid", "ctime", "mtime", "version", "cversion", "aversion",
	"ephemeralOwner", "dataLength", "numChildren", "pzxid"}

// Places in a stat.
const (
	statCversion = 5
	statOwner    = 7
	statKids     = 9
)

// dump is a tree by its paths.
type dump map[string]znode

// kinds are what a znode is counted as, by the names that the load gives; the first that fits.
var kinds = []struct {
	name string
	fits func(n *znode) bool
}{
	{"ephemerals", func(n *znode) bool { return n.Stat[statOwner] != 0 }},
	{"quotas", func(n *znode) bool { return strings.HasPrefix(n.Path, "/zookeeper/quota/") }},
	{"containers", named(`^/box/[^/]+$`)},
	{"with a time to live", named(`^/ttl/[^/]+$`)},
	{"under a quota", named(`^/q/`)},
	{"sequential", named(`/[ns]-[0-9]{10}$`)},
	{"others", func(*znode) bool { return true }},
}

func named(pattern string) func(*znode) bool {
	expression := regexp.MustCompile(pattern)
	return func(n *znode) bool { return expression.MatchString(n.Path) }
}

func kindOf(n *znode) string {
	for _, k := range kinds {
		if k.fits(n) {
			return k.name
		}
	}
	return ""
}

// hasOwnACL says whether not everybody may do everything.
func (n *znode) hasOwnACL() bool {
	return len(n.ACL) != 1 || fmt.Sprint(n.ACL[0]...) != fmt.Sprint(31.0, "world", "anyone")
}

// report collects what was compared and what differs.
type report struct {
	out    io.Writer
	faults int
}

// shownFaults of each comparison are printed.
const shownFaults = 20

// line prints a row of the report.
func (r *report) line(what, format string, args ...any) {
	fmt.Fprintf(r.out, "  %-34s %s\n", what, fmt.Sprintf(format, args...))
}

// result prints what a comparison came to.
func (r *report) result(what, compared string, faults []string) {
	r.faults += len(faults)
	r.line(what, "%s, %d differences", compared, len(faults))
	for i, fault := range faults {
		if i == shownFaults {
			r.line("", "and %d more", len(faults)-i)
			break
		}
		r.line("", "%s", fault)
	}
}

// trees compares two dumps, znode by znode.
func (r *report) trees(what string, want, got dump) {
	var faults []string
	fields := 0
	for _, path := range slices.Sorted(maps.Keys(want)) {
		n, ok := got[path]
		if !ok {
			faults = append(faults, fmt.Sprintf("%q is not there", path))
			continue
		}
		w := want[path]
		differ := differences(&w, &n)
		fields += len(statNames) + 3
		if len(differ) > 0 {
			faults = append(faults, fmt.Sprintf("%q: %s", path, strings.Join(differ, ", ")))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[path]; !ok {
			faults = append(faults, fmt.Sprintf("%q should not be there", path))
		}
	}
	r.result(what, fmt.Sprintf("%d znodes, %d fields", len(want), fields), faults)
}

// differences names the fields in which two znodes differ.
func differences(want, got *znode) []string {
	var list []string
	add := func(field string, want, got any) {
		list = append(list, fmt.Sprintf("%s %.80v, want %.80v", field, got, want))
	}
	switch {
	case want.Data == nil && got.Data == nil:
	case want.Data == nil || got.Data == nil || *want.Data != *got.Data:
		add("data", text(want.Data), text(got.Data))
	}
	for i, name := range statNames {
		if want.Stat[i] != got.Stat[i] {
			add(name, want.Stat[i], got.Stat[i])
		}
	}
	if a, b := fmt.Sprint(want.ACL), fmt.Sprint(got.ACL); a != b {
		add("acl", a, b)
	}
	if !slices.Equal(want.Kids, got.Kids) {
		add("children", want.Kids, got.Kids)
	}
	return list
}

func text(data *string) string {
	if data == nil {
		return "null"
	}
	return fmt.Sprintf("%q", *data)
}

// tables compares two answers to the same questions.
func (r *report) tables(what, unit string, want, got map[string]string) {
	var faults []string
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got[key] != want[key] {
			faults = append(faults, fmt.Sprintf("%s: %.200q, want %.200q", key, got[key],
				want[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[key]; !ok {
			faults = append(faults, fmt.Sprintf("%s: %.200q, want nothing", key, got[key]))
		}
	}
	r.result(what, fmt.Sprintf("%d %s", len(want), unit), faults)
}

// substance sees that the original's answers are worth comparing.
func (r *report) substance(a *answers) {
	refused, allowed := 0, 0
	for _, outcomes := range a.rights {
		refused += strings.Count(outcomes, "NoAuthError")
		allowed += strings.Count(outcomes, "NoneType") + strings.Count(outcomes, "BadVersionError")
	}
	owned := 0
	for _, answer := range a.sessions {
		owned += strings.Count(answer, `"/`)
	}
	highest := 0
	for _, name := range a.numbers {
		n, err := strconv.Atoi(name[max(0, len(name)-10):])
		if err == nil {
			highest = max(highest, n)
		}
	}
	r.line("of the original: rights", "%d things allowed, %d refused", allowed, refused)
	r.line("of the original: ephemerals", "%d of %d sessions that were taken up", owned,
		len(a.sessions))
	r.line("of the original: next numbers", "up to %d", highest)
	if refused == 0 || allowed == 0 || owned == 0 || highest == 0 || len(a.listed) == 0 {
		r.result("of the original", "too little", []string{"a question with no answer"})
	}
}

// census counts the znodes of each kind. A kind that is missing would prove nothing.
func (r *report) census(d dump, least int) {
	counts := map[string]int{}
	lists := map[string]bool{}
	entries, own, null := 0, 0, 0
	for _, n := range d {
		counts[kindOf(&n)]++
		if n.Data == nil {
			null++
		}
		if n.hasOwnACL() {
			own++
			entries += len(n.ACL)
			lists[fmt.Sprint(n.ACL)] = true
		}
	}
	r.line("znodes", "%d", len(d))
	for _, k := range kinds {
		r.line("  "+k.name, "%d", counts[k.name])
		if counts[k.name] == 0 {
			r.result("  "+k.name, "none", []string{"the load made none, so nothing is proven"})
		}
	}
	r.line("  with an ACL of their own", "%d, %d lists, %d entries", own, len(lists), entries)
	r.line("  with null for data", "%d", null)
	if len(d) < least || len(lists) < 5 || null == 0 {
		r.result("the load", "too little", []string{fmt.Sprintf("want %d znodes and 5 lists of "+
			"rights", least)})
	}
}
