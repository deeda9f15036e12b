package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReadScenarios reads what the program prints: a good end, a bad one, a summary.
func TestReadScenarios(t *testing.T) {
	const printed = `ok      LeaderLatch/contend (0.87 s)
FAILED  InterProcessMutex/expire (60.21 s): 2 inside at once, 1 allowed at Section.java:40
2 scenarios, 1 ok, 1 failed
`
	var output bytes.Buffer
	m := newMonitor([]string{"LeaderLatch/contend", "InterProcessMutex/expire"}, false, io.Discard)
	if err := readScenarios(strings.NewReader(printed), &output, m); err != nil {
		t.Fatal(err)
	}
	want := map[string]Result{
		"LeaderLatch/contend": {ID: "LeaderLatch/contend", Outcome: passed, Seconds: 0.87},
		"InterProcessMutex/expire": {ID: "InterProcessMutex/expire", Outcome: failed,
			Seconds: 60.21, Text: "2 inside at once, 1 allowed at Section.java:40"},
	}
	if diff := cmp.Diff(want, m.Close()); diff != "" {
		t.Errorf("results of %q: (-want +got)\n%s", printed, diff)
	}
	if output.String() != printed {
		t.Errorf("output %q, want %q", output.String(), printed)
	}
}

// TestAlternatives matches the given ids and no others.
func TestAlternatives(t *testing.T) {
	match := regexp.MustCompile("^(" + alternatives([]string{"A.b/c", "A/d"}) + ")$")
	tests := []struct {
		id   string
		want bool
	}{{"A.b/c", true}, {"A/d", true}, {"Axb/c", false}, {"A/de", false}, {"xA/d", false}}
	for _, tt := range tests {
		if got := match.MatchString(tt.id); got != tt.want {
			t.Errorf("match of %q = %t, want %t", tt.id, got, tt.want)
		}
	}
}

// TestBeside ends the server with the work, and the work with the server.
func TestBeside(t *testing.T) {
	work := errors.New("the work failed")
	tests := []struct {
		name   string
		server string
		work   func(ctx context.Context) error
		want   string
	}{
		{"work ends", "sleep 600", func(context.Context) error { return nil }, ""},
		{"work fails", "sleep 600", func(context.Context) error { return work }, work.Error()},
		{"server ends", "exit 3", func(ctx context.Context) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}, "the server ended: exit status 3"},
	}
	for _, tt := range tests {
		err := beside(t.Context(), process{Args: []string{"sh", "-c", tt.server}}, tt.work)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil ||
			!strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: beside(%q) = %v, want %q", tt.name, tt.server, err, tt.want)
		}
	}
}
