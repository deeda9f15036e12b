package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vivariumdb/vivarium/sim"
)

// A Trace is a behaviour of a world that a specification has to admit.
type Trace struct {
	Name  string
	Lines []sim.AbstractLine
	Cut   string
}

// A TraceSpec is a module against which traces are checked.
type TraceSpec struct {
	// Module is the name that package sim has for it, Model the specification, and Tracer the
	// module that says what the lines of a trace mean.
	Module, Model, Tracer string
	// Constants are those of the model, with bounds that no trace reaches.
	Constants func(traces []Trace) string
	// View is what tells states apart, "" if all does.
	View string
	// Unseen are actions of the model that no trace can show, with the reason.
	Unseen map[string]string
}

// A Verdict is what TLC says of a trace: how many of its lines it took.
type Verdict struct{ Taken int }

// Refuted is the number of the line that the specification does not admit, 0 if it admits all.
func (v Verdict) Refuted(t Trace) int {
	if v.Taken == len(t.Lines) {
		return 0
	}
	return v.Taken + 1
}

// chunk is how many traces are given to one run of TLC.
const chunk = 100

// CheckTraces has TLC hold traces against a specification.
func (t TLC) CheckTraces(ctx context.Context, spec TraceSpec, traces []Trace,
	progress func(string)) ([]Verdict, error) {
	var verdicts []Verdict
	for part := range slices.Chunk(traces, chunk) {
		got, err := t.checkSome(ctx, spec, part, progress)
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, got...)
	}
	return verdicts, nil
}

func (t TLC) checkSome(ctx context.Context, spec TraceSpec, traces []Trace,
	progress func(string)) ([]Verdict, error) {
	module, config, err := spec.files(t.Modules, traces)
	if err != nil {
		return nil, err
	}
	last := t.folder(spec.Tracer)
	out, err := t.runFiles(ctx, last, module, config, false, false, progress)
	if err != nil {
		return nil, err
	}
	switch {
	case out.TimedOut:
		return nil, fmt.Errorf("%s: timed out after %v", spec.Tracer, t.Timeout)
	case len(out.Errors) > 0:
		return nil, fmt.Errorf("%s: TLC: %s (see %s)", spec.Tracer, out.Errors[0], last)
	case out.Violated != "":
		return nil, fmt.Errorf("%s is no part of %s: %s is violated (see %s)", spec.Tracer,
			spec.Model, out.Violated, last)
	case !out.Complete:
		return nil, fmt.Errorf("%s: TLC did not finish (see %s)", spec.Tracer, last)
	}
	return readVerdicts(out.Text.String(), len(traces))
}

// readVerdicts finds how far TLC came in each of n traces. It says something of each, be it that
// not even the first line is admitted.
func readVerdicts(text string, n int) ([]Verdict, error) {
	verdicts, said := make([]Verdict, n), make([]bool, n)
	for _, f := range takenLine.FindAllStringSubmatch(text, -1) {
		trace, _ := strconv.Atoi(f[1])
		line, _ := strconv.Atoi(f[2])
		said[trace-1] = true
		verdicts[trace-1].Taken = max(verdicts[trace-1].Taken, line-1)
	}
	if i := slices.Index(said, false); i >= 0 {
		return nil, fmt.Errorf("TLC says nothing of trace %d of %d", i+1, n)
	}
	return verdicts, nil
}

var takenLine = regexp.MustCompile(`(?m)^<<"line", (\d+), (\d+)>>$`)

// files writes the module that TLC is run on, with the traces, and its configuration. The
// invariants are those of the model's own configuration: a line after which one does not hold is
// refuted.
func (s TraceSpec) files(modules string, traces []Trace) (module, config string, err error) {
	text, err := os.ReadFile(filepath.Join(modules, s.Model+".cfg"))
	if err != nil {
		return "", "", err
	}
	var m strings.Builder
	fmt.Fprintf(&m, "---- MODULE %s ----\nEXTENDS %s, Integers, TLC\n", runModule, s.Tracer)
	m.WriteString("VvHolds ==\n")
	for _, name := range parseConfig(s.Model, string(text)).Invariants {
		fmt.Fprintf(&m, "  /\\ %s\n", name)
	}
	m.WriteString("VvInit == TraceInit\nVvNext == TraceStep /\\ VvHolds'\n" +
		"VvNote == PrintT(<<\"line\", trace, line>>)\n" +
		"VvIsModel == [][Next]_vars\n")
	// TLC makes a constant anew each time that it is asked for, so that one for all traces would
	// cost more than all else.
	var lengths []int
	for i, t := range traces {
		lengths = append(lengths, len(t.Lines))
		fmt.Fprintf(&m, "VvTrace%d == <<", i+1)
		for j := range t.Lines {
			if j > 0 {
				m.WriteString(",\n")
			}
			writeLine(&m, &t.Lines[j])
		}
		m.WriteString(">>\n")
	}
	fmt.Fprintf(&m, "VvLengths == %s\nVvLine(t, n) ==\n  CASE ", value(sim.Terms(lengths)))
	for i := range traces {
		if i > 0 {
			m.WriteString("    [] ")
		}
		fmt.Fprintf(&m, "t = %d -> VvTrace%d[n]\n", i+1, i+1)
	}
	m.WriteString("====\n")
	config = "INIT VvInit\nNEXT VvNext\nCONSTRAINT VvNote\nCHECK_DEADLOCK FALSE\n" +
		"PROPERTIES VvIsModel\nCONSTANTS\n    Broken = {}\n" +
		"    Lengths <- VvLengths\n    Line <- VvLine\n" +
		s.Constants(traces)
	if s.View != "" {
		config += "VIEW " + s.View + "\n"
	}
	return m.String(), config, nil
}

// writeLine writes a line as a record of TLA+.
func writeLine(m *strings.Builder, l *sim.AbstractLine) {
	fmt.Fprintf(m, "[a |-> %q", l.Action)
	for _, f := range l.Fields {
		fmt.Fprintf(m, ", %s |-> %s", f.Name, value(f.Value))
	}
	m.WriteString("]")
}

// value writes a value in TLA+.
func value(v any) string {
	join := func(list []int) string {
		texts := make([]string, len(list))
		for i, n := range list {
			texts[i] = strconv.Itoa(n)
		}
		return strings.Join(texts, ", ")
	}
	switch v := v.(type) {
	case bool:
		return strings.ToUpper(strconv.FormatBool(v))
	case int:
		return strconv.Itoa(v)
	case string:
		return strconv.Quote(v)
	case []int:
		return "{" + join(v) + "}"
	case sim.Terms:
		return "<<" + join(v) + ">>"
	}
	panic(fmt.Sprintf("a field of a trace has the type %T", v))
}

// nextActions are the actions of which the model's next-state relation is made.
func nextActions(modules, model string) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(modules, model+".tla"))
	if err != nil {
		return nil, err
	}
	_, next, ok := strings.Cut(string(text), "\nNext ==")
	if !ok {
		return nil, fmt.Errorf("%s.tla: no Next", model)
	}
	next, _, _ = strings.Cut(next, "\n\n")
	var names []string
	for _, f := range regexp.MustCompile(`[A-Z]\w+`).FindAllString(next, -1) {
		isAction := regexp.MustCompile(`(?m)^` + f + `(\(.*\))? ==`).MatchString(string(text))
		if isAction && !slices.Contains(names, f) {
			names = append(names, f)
		}
	}
	return names, nil
}

// took is the time that something took, as the tables show it.
func took(since time.Time) string { return fmt.Sprintf("%.1f s", time.Since(since).Seconds()) }
