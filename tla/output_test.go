package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// said writes messages as TLC does with -tool; "number:severity text" each, text alone outside.
func said(messages ...string) *Output {
	out := &Output{}
	for _, m := range messages {
		var code, severity int
		if n, _ := fmt.Sscanf(m, "%d:%d", &code, &severity); n != 2 {
			fmt.Fprintln(out, m)
			continue
		}
		_, text, _ := strings.Cut(m, " ")
		fmt.Fprintf(out, "@!@!@STARTMSG %d:%d @!@!@\n%s\n@!@!@ENDMSG %d @!@!@\n", code, severity,
			text, code)
	}
	out.flush()
	return out
}

// complete is the end of a run without a counterexample.
var complete = []string{
	"2193:0 Model checking completed. No error has been found.",
	"2772:0 <Step line 7, col 1 to line 7, col 4 of module M>: 3:6",
	"2772:0 <Jump line 9, col 1 to line 9, col 4 of module M>: 0:0",
	"2772:0 <Step line 7, col 1 to line 7, col 4 of module M>: 1:2",
	"2221:0   line 7, col 9 to line 7, col 13 of module M: 6",
	"2199:0 1,013 states generated, 10 distinct states found, 0 states left on queue.",
	"2194:0 The depth of the complete state graph search is 7.",
}

// refuted is a counterexample of three states.
func refuted(message string) []string {
	return []string{message, "2121:1 The behavior up to this point is:",
		"2217:4 1: <Initial predicate>\n/\\ x = 0", "2217:4 2: <Step>\n/\\ x = 1",
		"2218:4 3: Stuttering", "2199:0 9 states generated, 8 distinct states found, 1 left."}
}

func TestJudge(t *testing.T) {
	model := Job{Name: "M", Model: "M", Probes: []string{"Top"}, Never: []string{"Jump"},
		Actions: true, Config: Config{Invariants: []string{"Small", "Even"},
			Properties: []string{"Grows", "Ends"}}}
	variant := Job{Name: "M/g", Model: "M", Guard: &Guard{Name: "g", Violates: "Small"},
		Config: model.Config}
	lively := Job{Name: "M/f", Model: "M", Guard: &Guard{Name: "f", Violates: "Ends"},
		Config: Config{Properties: []string{"Ends"}}}
	reached := `<<"reached", "Top", 5>>`
	for _, c := range []struct {
		what    string
		job     Job
		said    []string
		failure string
	}{
		{"a model that holds", model, append([]string{reached}, complete...), ""},
		{"a situation not reached", model, complete, "never reaches Top"},
		{"an action not taken", changed(model, func(j *Job) { j.Never = nil }),
			append([]string{reached}, complete...), "never takes Jump"},
		{"an action that should not be taken", changed(model, func(j *Job) {
			j.Never = []string{"Jump", "Step"}
		}), append([]string{reached}, complete...), "takes Step"},
		{"a run without coverage", model, append([]string{reached}, complete[0]),
			"no coverage of actions"},
		{"a counterexample", model, refuted("2110:1 Invariant Small is violated."),
			"violates Small"},
		{"a deadlock", model, refuted("2114:1 Deadlock reached."), "violates deadlock"},
		{"a run that broke off", model, nil, "TLC did not finish (exit status 0)"},
		{"an error", model, []string{"1000:1 TLC threw\nan exception"}, "TLC: TLC threw"},
		{"a variant refuted", variant, refuted("2110:1 Invariant Small is violated."), ""},
		{"refuted in the first state", variant,
			refuted("2107:1 Invariant Small is violated by the initial state:"), ""},
		{"a variant refuted by another", variant, refuted("2110:1 Invariant Even is violated."),
			"refuted by Even instead"},
		{"refuted by a property", variant, refuted("2112:1 Action property Grows is violated."),
			"refuted by Grows instead"},
		{"a variant not refuted", variant, complete, "not refuted"},
		{"a variant that deadlocks", variant, refuted("2114:1 Deadlock reached."),
			"refuted by deadlock instead"},
		{"a temporal property", lively, refuted("2116:1 Temporal properties were violated."), ""},
		{"a temporal property not meant", variant,
			refuted("2116:1 Temporal properties were violated."), "refuted by temporal instead"},
	} {
		got := c.job.Judge(said(c.said...), time.Second)
		if got.Failure != c.failure {
			t.Errorf("%s: failure %q, want %q; TLC said %q", c.what, got.Failure, c.failure, c.said)
		}
	}
}

// changed returns a job that is changed.
func changed(j Job, change func(*Job)) Job {
	change(&j)
	return j
}

func TestJudgeReadsFigures(t *testing.T) {
	job := Job{Name: "M", Model: "M", Never: []string{"Jump"}, Actions: true,
		Config: Config{Invariants: []string{"Small"}}}
	got := job.Judge(said(append([]string{`<<"reached", "Top", 5>>`}, complete...)...),
		1500*time.Millisecond)
	want := Result{Name: "M", Model: "M", Generated: 1013, Distinct: 10, Depth: 7, Seconds: 1.5,
		Checked: []string{"Small"}, Reached: map[string]int{"Top": 6},
		Taken: map[string]int64{"Step": 8, "Jump": 0}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if got := said(refuted("2110:1 Invariant Small is violated.")...).Trace; got != 3 {
		t.Errorf("the counterexample has %d states, want 3", got)
	}
}

func TestOutputInPieces(t *testing.T) {
	whole := "@!@!@STARTMSG 2110:1 @!@!@\r\nInvariant Small is violated.\n@!@!@ENDMSG 2110 @!@!@\n"
	for size := 1; size < len(whole); size++ {
		out := &Output{}
		for rest := whole; rest != ""; {
			n := min(size, len(rest))
			if _, err := out.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if out.Violated != "Small" {
			t.Errorf("in pieces of %d bytes: violated %q, want Small", size, out.Violated)
		}
	}
}
