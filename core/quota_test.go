package core

import (
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

func TestQuotaText(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", "count=-1,bytes=-1"},
		{"count=5,bytes=-1", "count=5,bytes=-1"},
		{"bytes=7;count=3", "count=3,bytes=7"},
		{"count=1,bytes=2=;countHardLimit=4;byteHardLimit=3",
			"count=1,bytes=2=;byteHardLimit=3;countHardLimit=4"},
		{"count=1,count=2", "count=2,bytes=-1"},
		{"count=,bytes=x,=5,,z", "count=-1,bytes=-1=;z=-1"},
		{"count=99999999999999999999", "count=-1,bytes=-1"},
	} {
		if got := string(formatQuota(parseQuota(nil, []byte(test.in)))); got != test.want {
			t.Errorf("%q is written as %q, want %q", test.in, got, test.want)
		}
	}
}

// setQuotaOf does what a client's setquota does.
func (c *client) setQuotaOf(path, limits string) {
	c.m.t.Helper()
	c.create("/zookeeper/quota"+path, "", 0)
	must(c.m.t, c.create("/zookeeper/quota"+path+"/"+limitsName, limits, 0))
	must(c.m.t, c.create("/zookeeper/quota"+path+"/"+statsName, "count=0,bytes=0", 0))
}

func (m *machine) usage(path string) string {
	m.t.Helper()
	return m.data("/zookeeper/quota" + path + "/" + statsName)
}

func TestQuotaCounts(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	must(t, c.create("/q", "12345", 0))
	must(t, c.create("/q/a", "123", 0))
	must(t, c.create("/other", "123", 0))
	c.setQuotaOf("/q", "count=3,bytes=10")
	stats := "/zookeeper/quota/q/" + statsName
	before := m.stat(stats)
	steps := []struct {
		do   func() Outcome
		want string
	}{
		{func() Outcome { return c.create("/other/x", "", 0) }, "count=2,bytes=8"},
		{func() Outcome { return c.create("/q/b", "xx", 0) }, "count=3,bytes=10"},
		{func() Outcome { return c.set("/q/b", "x", -1) }, "count=3,bytes=9"},
		{func() Outcome { return c.set("/q", "", -1) }, "count=3,bytes=4"},
		{func() Outcome { return c.create("/q/a/deep", "1234567890", 0) }, "count=4,bytes=14"},
		{func() Outcome { return c.delete("/q/a/deep", -1) }, "count=3,bytes=4"},
		{func() Outcome { return c.create("/qq", "xxx", 0) }, "count=3,bytes=4"},
		{func() Outcome { return c.create("/q/e", "x", wire.FlagEphemeral) }, "count=4,bytes=5"},
		{func() Outcome { return c.close() }, "count=3,bytes=4"},
	}
	for i, step := range steps {
		out := must(t, step.do())
		if got := m.usage("/q"); got != step.want {
			t.Errorf("step %d: %q, want %q", i, got, step.want)
		}
		for _, change := range out.Changes {
			if change.Path == stats {
				t.Errorf("step %d: the statistics have an event", i)
			}
		}
	}
	after := m.stat(stats)
	if after.DataLength == 0 {
		t.Error("no statistics")
	}
	after.DataLength = before.DataLength
	if d := diff(before, after); d != "" {
		t.Errorf("counting shows in the Stat of the statistics: %s", d)
	}
	m.checkDigest()
}

func TestQuotaLimits(t *testing.T) {
	for _, test := range []struct {
		limits string
		create wire.ErrorCode // of one more znode with 5 bytes, under 2 znodes with 8 bytes
		grow   wire.ErrorCode // of a znode from 3 to 8 bytes
		soft   bool           // a fact speaks of it
	}{
		{"count=2,bytes=8", wire.CodeOk, wire.CodeOk, true},
		{"count=-1,bytes=-1", wire.CodeOk, wire.CodeOk, false},
		{"count=3,bytes=13", wire.CodeOk, wire.CodeOk, false},
		{"count=-1,bytes=-1=;countHardLimit=2", wire.CodeQuotaExceeded, wire.CodeOk, true},
		{"count=-1,bytes=-1=;countHardLimit=3", wire.CodeOk, wire.CodeOk, false},
		{"count=-1,bytes=-1=;byteHardLimit=12", wire.CodeQuotaExceeded,
			wire.CodeQuotaExceeded, true},
		{"count=1,bytes=1=;byteHardLimit=13;countHardLimit=3", wire.CodeOk, wire.CodeOk, false},
		{"count=-1,bytes=-1=;countHardLimit=0;byteHardLimit=0", wire.CodeQuotaExceeded,
			wire.CodeQuotaExceeded, true},
		{"garbage", wire.CodeOk, wire.CodeOk, false},
	} {
		for _, enforce := range []bool{true, false} {
			for grow, want := range map[bool]wire.ErrorCode{false: test.create, true: test.grow} {
				m := newMachine(t)
				c := m.connect()
				must(t, c.create("/q", "12345", 0))
				must(t, c.create("/q/a", "123", 0))
				c.setQuotaOf("/q", test.limits)
				m.flags.EnforceQuota = enforce
				var out Outcome
				if grow {
					out = c.set("/q/a", "12345678", -1)
				} else {
					out = c.create("/q/b", "12345", 0)
				}
				if !enforce {
					want = wire.CodeOk
				}
				if out.Err != want {
					t.Errorf("%s, enforce %v, grow %v: %v, want %v", test.limits, enforce, grow,
						out.Err, want)
				}
				if grow {
					continue
				}
				facts := len(out.Facts) > 0 && out.Facts[0].Kind == FactQuotaExceeded &&
					out.Facts[0].Path == "/q"
				if facts != (test.soft && enforce) {
					t.Errorf("%s, enforce %v: facts %+v", test.limits, enforce, out.Facts)
				}
			}
		}
	}
}

// TestQuotaNearest: the nearest quota on the way counts, and only that.
func TestQuotaNearest(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	must(t, c.create("/q", "", 0))
	must(t, c.create("/q/in", "", 0))
	c.setQuotaOf("/q", "count=9,bytes=9")
	c.setQuotaOf("/q/in", "count=9,bytes=9")
	must(t, c.create("/q/in/x", "abc", 0))
	if got, want := m.usage("/q"), "count=2,bytes=0"; got != want {
		t.Errorf("outer %q, want %q", got, want)
	}
	if got, want := m.usage("/q/in"), "count=2,bytes=3"; got != want {
		t.Errorf("inner %q, want %q", got, want)
	}
	must(t, c.delete("/zookeeper/quota/q/in/"+limitsName, -1))
	must(t, c.create("/q/in/y", "abc", 0))
	if got, want := m.usage("/q"), "count=3,bytes=3"; got != want {
		t.Errorf("outer without the inner %q, want %q", got, want)
	}
}

// TestQuotaAfterMulti: "quota counters drift after multi" (VERIFICATION).
func TestQuotaAfterMulti(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	must(t, c.create("/q", "", 0))
	c.setQuotaOf("/q", "count=9,bytes=9")
	create := wire.MultiOp{Op: wire.OpCreate, Create: wire.CreateTTLRequest{Path: "/q/x",
		Data: []byte("abc"), ACL: wire.OpenACL()}}
	for _, test := range []struct {
		last wire.MultiOp
		want string
	}{
		{wire.MultiOp{Op: wire.OpCheck, Check: wire.CheckRequest{Path: "/none"}},
			"count=1,bytes=0"},
		{wire.MultiOp{Op: wire.OpSetData, SetData: wire.SetDataRequest{Path: "/q", Version: -1,
			Data: []byte("12")}}, "count=2,bytes=5"},
	} {
		c.multi(create, test.last)
		if got := m.usage("/q"); got != test.want {
			t.Errorf("after a multi with %v: %q, want %q", test.last.Op, got, test.want)
		}
	}
	m.checkDigest()
}
