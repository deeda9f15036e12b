package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// oneTest is a column of the single test "x".
func oneTest(server string, r Result) *Column {
	r.ID = "x"
	return &Column{Server: server, ServerVersion: server, SuiteVersion: "1",
		Results: []Result{r}}
}

// TestJudge goes through what a test can do here and there: which pairs make a run fail.
func TestJudge(t *testing.T) {
	again := Result{Outcome: passed, FirstText: "timed out"}
	tests := []struct {
		name       string
		ours, real Result
		flaky      bool
		fails      bool
	}{
		{"both pass", Result{Outcome: passed}, Result{Outcome: passed}, false, false},
		{"ours fails", Result{Outcome: failed}, Result{Outcome: passed}, false, true},
		{"ours fails, listed", Result{Outcome: failed}, Result{Outcome: passed}, true, true},
		{"both fail", Result{Outcome: failed}, Result{Outcome: failed}, false, false},
		{"real fails", Result{Outcome: passed}, Result{Outcome: failed}, false, false},
		{"both skip", Result{Outcome: skipped}, Result{Outcome: skipped}, false, false},
		{"ours skips", Result{Outcome: skipped}, Result{Outcome: passed}, false, true},
		{"ours skips what fails", Result{Outcome: skipped}, Result{Outcome: failed}, false, true},
		{"real skips, ours fails", Result{Outcome: failed}, Result{Outcome: skipped}, false, true},
		{"ours needs two tries", again, Result{Outcome: passed}, false, true},
		{"ours needs two tries, listed", again, Result{Outcome: passed}, true, false},
		{"both need two tries", again, again, false, false},
		{"both later", Result{Outcome: later}, Result{Outcome: later}, false, false},
		{"later only here", Result{Outcome: later}, Result{Outcome: passed}, false, true},
	}
	for _, tt := range tests {
		lists := Lists{}
		if tt.flaky {
			lists.Flaky = map[string]map[string]string{"s": {"x": "now and then"}}
		}
		c := compare("s", []*Column{oneTest(zooKeeper, tt.real), oneTest(vivarium, tt.ours)},
			Expected{}, lists, nil)
		if got := len(c.Failures) > 0; got != tt.fails || len(c.Broken) > 0 {
			t.Errorf("%s: ours %+v, real %+v: failures %q, broken %q, want failure %t",
				tt.name, tt.ours, tt.real, c.Failures, c.Broken, tt.fails)
		}
	}
}

// TestRecordStandsIn compares with the record, and notices when it is of something else.
func TestRecordStandsIn(t *testing.T) {
	record := func(version string, ids ...string) Expected {
		r := Record{Version: version, Server: "ZooKeeper 3.9.4", Results: map[string]Outcome{}}
		for _, id := range ids {
			r.Results[id] = passed
		}
		return Expected{"s": r}
	}
	tests := []struct {
		name             string
		expected         Expected
		match            string
		failures, broken int
	}{
		{"same", record("1", "x"), "", 0, 0},
		{"none", Expected{}, "", 0, 1},
		{"another release", record("2", "x"), "", 0, 1},
		{"more tests there", record("1", "x", "y"), "", 1, 0},
		{"more tests there, not selected", record("1", "x", "y"), "x", 0, 0},
		{"other tests there", record("1", "y"), "", 2, 0},
	}
	for _, tt := range tests {
		var match *regexp.Regexp
		if tt.match != "" {
			match = regexp.MustCompile(tt.match)
		}
		c := compare("s", []*Column{oneTest(vivarium, Result{Outcome: passed})}, tt.expected,
			Lists{}, match)
		if len(c.Failures) != tt.failures || len(c.Broken) != tt.broken {
			t.Errorf("%s: record %v: failures %q, broken %q, want %d and %d", tt.name,
				tt.expected, c.Failures, c.Broken, tt.failures, tt.broken)
		}
	}
}

// TestWithRecordsOnlyWholeColumns keeps what is recorded where a fresh column is not whole.
func TestWithRecordsOnlyWholeColumns(t *testing.T) {
	old := Expected{
		"a": {Version: "1", Server: "old", Results: map[string]Outcome{"x": skipped}},
		"b": {Version: "1", Server: "old", Results: map[string]Outcome{"x": skipped}},
	}
	broken := oneTest(zooKeeper, Result{Outcome: failed})
	broken.Broken = "not done"
	got := old.with([]Comparison{
		{Suite: "a", Columns: []*Column{oneTest(zooKeeper, Result{Outcome: passed}),
			oneTest(vivarium, Result{Outcome: failed})}},
		{Suite: "b", Columns: []*Column{broken}},
	})
	want := Expected{
		"a": {Version: "1", Server: zooKeeper, Results: map[string]Outcome{"x": passed}},
		"b": old["b"],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("with: (-want +got)\n%s", diff)
	}
}

func TestRender(t *testing.T) {
	real := oneTest(zooKeeper, Result{Outcome: passed})
	real.Seconds, real.Folder = 61.4, "runs/1"
	c := compare("s", []*Column{real, oneTest(vivarium, Result{Outcome: failed, Text: "a\nb\n"})},
		Expected{}, Lists{}, nil)
	got := render([]Comparison{c})
	for _, want := range []string{
		"s 1             zookeeper  vivarium\n",
		"collected  1          1\n",
		"passed     1          0\n",
		"seconds    61         -\n",
		"s: failures (1)\n    passed for ZooKeeper, fails here: x\n        b\n",
		"    runs/1\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("render: no %q in\n%s", want, got)
		}
	}
}

func TestBelongs(t *testing.T) {
	tests := []struct {
		id, match string
		want      bool
	}{
		{"TestA/b", "TestA", true},
		{"TestA/b", "b", false},
		{"TestB", "TestA", false},
		{"kazoo/tests/test_lock.py::T::test_a", "test_a$", true},
		{"kazoo/tests/test_lock.py::T::test_a", "", true},
	}
	for _, tt := range tests {
		var match *regexp.Regexp
		if tt.match != "" {
			match = regexp.MustCompile(tt.match)
		}
		if got := belongs(tt.id, match); got != tt.want {
			t.Errorf("belongs(%q, %q) = %t, want %t", tt.id, tt.match, got, tt.want)
		}
	}
}

// ExampleComparison shows the reading of a result that differs.
func ExampleComparison() {
	c := compare("kazoo", []*Column{
		oneTest(zooKeeper, Result{Outcome: passed}),
		oneTest(vivarium, Result{Outcome: skipped, Text: "Skipped: no such feature"}),
	}, Expected{}, Lists{}, nil)
	fmt.Println(c.Failures[0])
	// Output:
	// skipped only here: x
	//         Skipped: no such feature
}
