package main

import (
	"bytes"
	"strings"
	"testing"
)

// sample is a tree of one znode of each kind.
func sample() dump {
	data := "eA=="
	d := dump{}
	for _, path := range []string{"/", "/zookeeper/quota/q", "/box/a", "/ttl/short-a", "/q/0/x",
		"/seq/n-0000000001", "/w/a"} {
		d[path] = znode{Path: path, Data: &data, Stat: stat{1, 2, 3, 4, 5, 6, 7, 0, 9, 0, 11},
			ACL: [][]any{{31.0, "world", "anyone"}, {1.0, "ip", "10.0.0.1"}}, Kids: []string{"k"}}
	}
	d["/w/e"] = znode{Path: "/w/e", Stat: stat{statOwner: 77}}
	return d
}

func TestTrees(t *testing.T) {
	empty := ""
	for _, test := range []struct {
		name   string
		change func(d dump)
		want   string // in the one line that is printed
	}{
		{"the same", func(dump) {}, "8 znodes, 112 fields, 0 differences"},
		{"a znode is missing", func(d dump) { delete(d, "/q/0/x") }, `"/q/0/x" is not there`},
		{"a znode too much", func(d dump) { d["/new"] = znode{} }, `"/new" should not be there`},
		{"data", change("/w/a", func(n *znode) { n.Data = &empty }), `data "", want "eA=="`},
		{"null for data", change("/w/a", func(n *znode) { n.Data = nil }),
			`data null, want "eA=="`},
		{"empty for null", change("/w/e", func(n *znode) { n.Data = &empty }),
			`data "", want null`},
		{"rights", change("/w/a", func(n *znode) { n.ACL = n.ACL[:1] }),
			`acl [[31 world anyone]], want [[31 world anyone] [1 ip 10.0.0.1]]`},
		{"order of rights", change("/w/a", func(n *znode) {
			n.ACL = [][]any{n.ACL[1], n.ACL[0]}
		}), "acl [[1 ip"},
		{"children", change("/w/a", func(n *znode) { n.Kids = nil }), "children [], want [k]"},
	} {
		checkTrees(t, test.name, test.change, test.want)
	}
	for i, name := range statNames {
		checkTrees(t, name, change("/w/a", func(n *znode) { n.Stat[i]++ }), name+" ")
	}
}

func change(path string, fn func(n *znode)) func(dump) {
	return func(d dump) {
		n := d[path]
		fn(&n)
		d[path] = n
	}
}

func checkTrees(t *testing.T, name string, change func(dump), want string) {
	t.Helper()
	got := sample()
	change(got)
	var out bytes.Buffer
	r := &report{out: &out}
	r.trees("tree", sample(), got)
	faults := 1
	if strings.Contains(want, "0 differences") {
		faults = 0
	}
	if r.faults != faults || !strings.Contains(out.String(), want) {
		t.Errorf("%s: %d faults, want %d with %q:\n%s", name, r.faults, faults, want, out.String())
	}
}

func TestTables(t *testing.T) {
	want := map[string]string{"a": "1", "b": "2"}
	for _, test := range []struct {
		got    map[string]string
		faults int
	}{
		{map[string]string{"a": "1", "b": "2"}, 0},
		{map[string]string{"a": "1"}, 1},
		{map[string]string{"a": "1", "b": "3"}, 1},
		{map[string]string{"a": "1", "b": "2", "c": ""}, 1},
		{nil, 2},
	} {
		var out bytes.Buffer
		r := &report{out: &out}
		r.tables("table", "rows", want, test.got)
		if r.faults != test.faults {
			t.Errorf("%v against %v: %d faults, want %d:\n%s", test.got, want, r.faults,
				test.faults, out.String())
		}
	}
}

// TestCensus misses kinds that the load did not make.
func TestCensus(t *testing.T) {
	var out bytes.Buffer
	r := &report{out: &out}
	d := sample()
	delete(d, "/box/a")
	r.census(d, 3)
	if text := out.String(); r.faults == 0 ||
		!strings.Contains(text, "the load made none, so nothing is proven") {
		t.Errorf("no container is no fault:\n%s", text)
	}
}

func TestReaped(t *testing.T) {
	tree := sample()
	if due := dueOf(tree); len(due) != 2 || due[0] != "/box/a" || due[1] != "/ttl/short-a" {
		t.Fatalf("due are %q, want /box/a and /ttl/short-a", due)
	}
	left := func(without ...string) map[string]string {
		m := map[string]string{}
		for path := range tree {
			m[path] = "there"
		}
		for _, path := range without {
			delete(m, path)
		}
		return m
	}
	for _, test := range []struct {
		left   map[string]string
		faults int
	}{
		{left("/box/a", "/ttl/short-a"), 0},
		{left("/box/a"), 1},
		{left("/box/a", "/ttl/short-a", "/w/a"), 1},
		{left(), 2},
	} {
		var out bytes.Buffer
		r := &report{out: &out}
		r.reaped("it", &answers{tree: tree, left: test.left}, dueOf(tree))
		if r.faults != test.faults {
			t.Errorf("left %v: %d faults, want %d:\n%s", test.left, r.faults, test.faults,
				out.String())
		}
	}
}
