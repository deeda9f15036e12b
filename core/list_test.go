package core

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/wire"
	"pgregory.net/rapid"
)

// TestSorted holds the order by bytes against that by whole names.
func TestSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.SampledFrom([]string{"", "lock-", "member_0000"}).Draw(t, "prefix")
		rest := rapid.StringOfN(rapid.SampledFrom([]rune("ab0\x01é")), 0, 20, -1)
		names := []string{prefix}
		for _, s := range rapid.SliceOfDistinct(rest, rapid.ID).Draw(t, "rest") {
			names = append(names, prefix+s)
		}
		var got []string
		for _, k := range sorted(names) {
			got = append(got, names[k.at])
		}
		slices.Sort(names)
		if diff := cmp.Diff(names, got); diff != "" {
			t.Fatalf("order of %q (-want +got):\n%s", names, diff)
		}
	})
}

// TestListsKept changes the children of a node in all ways and lists them each time.
func TestListsKept(t *testing.T) {
	parent := &node{children: map[string]*node{}}
	add := func(i int) {
		parent.children[fmt.Sprintf("n%07d", i)] = &node{}
		parent.created++
	}
	drop := func(i int) { delete(parent.children, fmt.Sprintf("n%07d", i)) }
	for i := range 2 * longList {
		add(i)
	}
	var kept lists
	for _, step := range []struct {
		name   string
		change func()
	}{
		{"nothing", func() {}},
		{"one more", func() { add(5000) }},
		{"one less", func() { drop(5000) }},
		{"one for another", func() { drop(7); add(5001) }},
		{"two less", func() { drop(8); drop(9) }},
		{"one again", func() { add(8) }},
		{"nothing again", func() {}},
	} {
		step.change()
		got, want := kept.appendTo(nil, parent), appendChildren(nil, parent)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("list after %s (-want +got):\n%s", step.name, diff)
		}
	}
	if len(kept.of) != 1 || kept.bytes != len(kept.of[parent].names) {
		t.Errorf("%d lists and %d bytes are counted, want one of %d", len(kept.of), kept.bytes,
			len(kept.of[parent].names))
	}
}

// BenchmarkAppendChildren is a list of 10,000 that is not kept.
func BenchmarkAppendChildren(b *testing.B) {
	parent := &node{children: map[string]*node{}}
	for i := range 10_000 {
		parent.children[fmt.Sprintf("n%010d", i)] = &node{}
	}
	var out []byte
	for b.Loop() {
		out = appendChildren(out[:0], parent)
	}
	r := wire.NewReader(out)
	if r.Int() != 10_000 {
		b.Fatal("not all are listed")
	}
}
