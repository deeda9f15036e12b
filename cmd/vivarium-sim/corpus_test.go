package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestCorpusFile(t *testing.T) {
	want := &corpus{meetings: 12, blocks: 345, members: []member{
		{seed: 1 << 63, set: []string{"Hosts=5", "Burst=-1"},
			why: []string{"leader killed @ new leader, storing", "core/conn.go:give+3"}},
		{seed: 7, set: []string{}},
	}}
	var b bytes.Buffer
	if err := want.write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := readCorpus(&b)
	if err != nil {
		t.Fatal(err)
	}
	opts := cmp.AllowUnexported(corpus{}, member{})
	if diff := cmp.Diff(want, got, opts); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	for _, text := range []string{"x\t\t\n", "1\t\n", "reached\tmany\n"} {
		if c, err := readCorpus(strings.NewReader(text)); err == nil {
			t.Errorf("readCorpus(%q) = %+v", text, c)
		}
	}
}

// FuzzReadCorpus: a corpus that can be read is written as the same.
func FuzzReadCorpus(f *testing.F) {
	f.Add("# note\nreached\t1 meetings\t2 blocks\n7\tA=1 B=2\tx @ y; core/a.go:f+1\n8\t\t\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := readCorpus(strings.NewReader(text))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := c.write(&b); err != nil {
			t.Fatal(err)
		}
		again, err := readCorpus(strings.NewReader(b.String()))
		if err != nil {
			t.Fatalf("%q is written as %q: %v", text, b.String(), err)
		}
		opts := cmp.AllowUnexported(corpus{}, member{})
		if diff := cmp.Diff(c, again, opts); diff != "" {
			t.Fatalf("%q is written as %q (-want +got):\n%s", text, b.String(), diff)
		}
	})
}

// TestChoose: what is rare is kept first, what costs much last, and nothing beyond the budget.
func TestChoose(t *testing.T) {
	world := func(seed uint64, ms int64, all ...string) candidate {
		return candidate{task{Seed: seed}, ms * 1e6, all}
	}
	g := &grower{most: 3, budget: time.Second, found: []candidate{
		world(1, 100, "often", "a @ b"),
		world(2, 100, "often"),
		world(3, 100, "often"),
		world(4, 5000, "often", "too dear"),
		world(5, 100, "often", "core/a.go:f+1", "rare"),
		world(6, 100, "often"),
	}}
	c := g.choose()
	var seeds []uint64
	for _, m := range c.members {
		seeds = append(seeds, m.seed)
	}
	if diff := cmp.Diff([]uint64{5, 1, 2}, seeds); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if c.meetings != 3 || c.blocks != 1 {
		t.Errorf("%d meetings and %d blocks are reached, want 3 and 1", c.meetings, c.blocks)
	}
	want := []string{"core/a.go:f+1", "rare", "often"}
	if diff := cmp.Diff(want, c.members[0].why); diff != "" {
		t.Errorf("the first is kept for (-want +got):\n%s", diff)
	}
}

func TestCompare(t *testing.T) {
	c := &corpus{members: []member{{why: []string{"a @ b", "core/a.go:f+1"}},
		{why: []string{"c @ d", "e @ f"}}}}
	own := []map[string]bool{{"c @ d": true}, {"a @ b": true, "c @ d": true}}
	all := map[string]bool{"a @ b": true, "c @ d": true}
	var got standing
	got.compare(c, all, own, false)
	want := standing{Meetings: 2, Reasons: 3, StillThere: 2, InOwnWorld: 1}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("compare (-want +got):\n%s", diff)
	}
}
