package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseFlags(t *testing.T) {
	both := []string{zooKeeper, vivarium}
	tests := []struct {
		args    string
		servers []string
		kazoo   string
		fault   string
	}{
		{"", both, "newest", ""},
		{"-server vivarium -suite kazoo", []string{vivarium}, "recorded", ""},
		{"-server zookeeper -record", []string{zooKeeper}, "newest", ""},
		{"-kazoo 2.11.0", both, "2.11.0", ""},
		{"-server etcd", nil, "", "-server=etcd: want one of [zookeeper vivarium] or both"},
		{"-server vivarium -record", nil, "", "-record wants a whole run"},
		{"-run Lock -record", nil, "", "-record wants a whole run"},
		{"-run (", nil, "", "-run: error parsing regexp"},
		{"-flaws", nil, "", "-flaws wants -suite curator"},
		{"-flaws -suite curator -record", nil, "", "-flaws wants -suite curator"},
		{"kazoo", nil, "", `unexpected argument "kazoo"`},
	}
	for _, tt := range tests {
		opts, err := parseFlags(strings.Fields(tt.args), io.Discard)
		if tt.fault != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("parseFlags(%q): %v, want %q", tt.args, err, tt.fault)
			}
			continue
		}
		if err != nil || !cmp.Equal(opts.Servers, tt.servers) || opts.Kazoo != tt.kazoo {
			t.Errorf("parseFlags(%q) = %v %q, %v, want %v %q", tt.args, opts.Servers, opts.Kazoo,
				err, tt.servers, tt.kazoo)
		}
	}
}

// TestCommittedLists reads the committed lists and the record as a run does.
func TestCommittedLists(t *testing.T) {
	dir := filepath.Join("..", "testdata")
	lists, err := readLists(dir)
	if err != nil {
		t.Fatal(err)
	}
	expected, err := readExpected(filepath.Join(dir, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, suite := range suiteNames() {
		record := expected[suite]
		ids := sortedKeys(record.Results)
		if unknown := lists.unknown(suite, ids); len(unknown) > 0 {
			t.Errorf("%s: listed and not recorded: %q", suite, unknown)
		}
		for _, id := range ids {
			_, listed := lists.Later[suite][id]
			if (record.Results[id] == later) != listed {
				t.Errorf("%s: %s is recorded as %s, listed in later.txt: %t", suite, id,
					record.Results[id], listed)
			}
		}
	}
}

func TestReadListFaults(t *testing.T) {
	tests := []struct{ text, fault string }{
		{"kazoo a\n", `list:1: "kazoo a": want suite, test id and reason`},
		{"# note\n\nkazoo a TLS\nkazoo a TLS\n", "list:4: a is there twice"},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "list")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readList(path); err == nil || !strings.HasSuffix(err.Error(), tt.fault) {
			t.Errorf("readList(%q): %v, want ...%s", tt.text, err, tt.fault)
		}
	}
}

func TestInherited(t *testing.T) {
	got := inherited([]string{"HOME=h", "CI=true", "ZK_VERSION=3.4", "PATH=p",
		"ZOOKEEPER_PATH=z", "SERVER_JVMFLAGS=-Da=b", "COMPAT_ONLY=x", "PYTEST_ADDOPTS=-x"})
	if diff := cmp.Diff([]string{"HOME=h", "PATH=p"}, got); diff != "" {
		t.Errorf("inherited: (-want +got)\n%s", diff)
	}
}

func TestTopLevel(t *testing.T) {
	got := topLevel([]string{"TestB/x", "TestA", "TestB", "TestB/y"})
	if want := "^(TestA|TestB)$"; got != want {
		t.Errorf("topLevel = %q, want %q", got, want)
	}
}

// TestFollow reads what go test -json says about a test, a subtest, and one that never ends.
func TestFollow(t *testing.T) {
	const events = `{"Action":"start","Package":"zk"}
{"Action":"run","Package":"zk","Test":"TestA"}
{"Action":"run","Package":"zk","Test":"TestA/sub"}
{"Action":"output","Package":"zk","Test":"TestA/sub","Output":"why it failed\n"}
{"Action":"fail","Package":"zk","Test":"TestA/sub","Elapsed":1.5}
{"Action":"skip","Package":"zk","Test":"TestB","Elapsed":0}
{"Action":"run","Package":"zk","Test":"TestC"}
{"Action":"output","Package":"zk","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"zk","Elapsed":600}
`
	var output bytes.Buffer
	m := newMonitor([]string{"TestA", "TestB", "TestC"}, false, io.Discard)
	if err := follow(strings.NewReader(events), &output, m); err != nil {
		t.Fatal(err)
	}
	want := map[string]Result{
		"TestA/sub": {ID: "TestA/sub", Outcome: failed, Seconds: 1.5, Text: "why it failed"},
		"TestB":     {ID: "TestB", Outcome: skipped},
	}
	if diff := cmp.Diff(want, m.Close()); diff != "" {
		t.Errorf("results: (-want +got)\n%s", diff)
	}
	if want := "why it failed\npanic: test timed out\n"; output.String() != want {
		t.Errorf("output %q, want %q", output.String(), want)
	}
}

// TestOnce makes a folder once per key, and again after a failure.
func TestOnce(t *testing.T) {
	c := Cache{dir: t.TempDir()}
	made := 0
	fill := func(string) error { made++; return nil }
	fails := func(string) error { return errors.New("no network") }
	steps := []struct {
		key  string
		fill func(string) error
		made int
	}{
		{"1", fails, 0}, {"1", fill, 1}, {"1", fill, 1}, {"2", fails, 1}, {"2", fill, 2},
	}
	for i, s := range steps {
		_ = c.once(c.Path("x"), s.key, s.fill)
		if made != s.made {
			t.Errorf("step %d, key %q: made %d times, want %d", i, s.key, made, s.made)
		}
	}
}

// TestProcessEndsItsGroup ends a process at its time-out, with what it had started.
func TestProcessEndsItsGroup(t *testing.T) {
	var out bytes.Buffer
	cause := errors.New("not done in time")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, cause)
	defer cancel()
	// The pipe ends only when the inner sleep, which holds it as well, has ended.
	err := process{Args: []string{"sh", "-c", "sleep 600 & wait"}, Stdout: &out}.Run(ctx)
	if !errors.Is(err, cause) {
		t.Errorf("Run = %v, want %v", err, cause)
	}
}

// stubSuite answers from a table: what each test says at each try.
type stubSuite struct {
	says map[string][]Outcome
	try  int
}

func (s *stubSuite) Name() string                  { return kazooName }
func (s *stubSuite) Version() string               { return "1" }
func (s *stubSuite) Prepare(context.Context) error { return nil }
func (s *stubSuite) Collect(context.Context) ([]string, error) {
	return sortedKeys(s.says), nil
}

func (s *stubSuite) Run(_ context.Context, job Job) error {
	for _, id := range job.IDs {
		if s.try < len(s.says[id]) {
			job.Monitor.Started(id)
			job.Monitor.Done(Result{ID: id, Outcome: s.says[id][s.try], Text: "said so"})
		}
	}
	s.try++
	return nil
}

// TestRunColumn tries what failed, and what got no result, once more.
func TestRunColumn(t *testing.T) {
	s := &stubSuite{says: map[string][]Outcome{
		"good":   {passed, failed},
		"bad":    {failed, failed},
		"shaky":  {failed, passed},
		"lost":   {},
		"absent": {skipped},
		"tls":    {failed, failed},
	}}
	lists := Lists{Later: map[string]map[string]string{kazooName: {"tls": "TLS"}}}
	opts := Options{Out: t.TempDir(), Timeout: time.Minute}
	col, err := runColumn(t.Context(), s, Server{Name: vivarium}, opts, lists, io.Discard)
	if err != nil || col.Broken != "" {
		t.Fatalf("runColumn: %v, broken %q", err, col.Broken)
	}
	want := []Result{
		{ID: "absent", Outcome: skipped, Text: "said so"},
		{ID: "bad", Outcome: failed, Text: "said so"},
		{ID: "good", Outcome: passed, Text: "said so"},
		{ID: "lost", Outcome: failed, Text: "no result: the suite ended before"},
		{ID: "shaky", Outcome: passed, Text: "said so", FirstText: "said so"},
		{ID: "tls", Outcome: later, Text: "TLS"},
	}
	if diff := cmp.Diff(want, col.Results); diff != "" {
		t.Errorf("results: (-want +got)\n%s", diff)
	}
}
