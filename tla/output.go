package main

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Output reads what TLC prints with -tool: messages, each between two marks with its number.
type Output struct {
	// Text is the output for people: without marks and coverage.
	Text bytes.Buffer
	// Generated and Distinct count states; Depth is that of the graph.
	Generated, Distinct int64
	Depth               int
	// Complete says that the whole state space was searched and nothing found.
	Complete bool
	// Violated names the invariant or property violated; "deadlock" for a deadlock, and
	// "temporal" for a temporal property, which TLC does not name.
	Violated string
	// Trace is the number of states of the counterexample.
	Trace int
	// Reached holds the probes that printed, with the length of the shortest path there.
	Reached map[string]int
	// Taken counts how often each action was taken, by name.
	Taken map[string]int64
	// Errors are messages of TLC about anything else.
	Errors []string
	// CPU is the processor time of the run: with others on the machine the only time that can be
	// compared.
	CPU      time.Duration
	Exit     int
	TimedOut bool

	progress func(string)
	partial  []byte
	code     int
	severity string
	message  []string
}

var (
	startMark = regexp.MustCompile(`^@!@!@STARTMSG (\d+):(\d+) @!@!@$`)
	endMark   = regexp.MustCompile(`^@!@!@ENDMSG \d+ @!@!@$`)
	counts    = regexp.MustCompile(`^([\d,]+) states generated, ([\d,]+) distinct states found`)
	lastDepth = regexp.MustCompile(`depth of the complete state graph search is (\d+)`)
	soFar     = regexp.MustCompile(`^Progress\((\d+)\) at [^:]+:\d+:\d+: ` +
		`([\d,]+) states generated[^,]*, ([\d,]+) distinct`)
	violation = regexp.MustCompile(`^(?:Invariant|Action property) (\S+) is violated`)
	action    = regexp.MustCompile(`^<(\w+) line .*>: (\d+):(\d+)$`)
	reached   = regexp.MustCompile(`^<<"reached", "(\w+)", (\d+)>>$`)
)

// The numbers of the messages that are understood: tlc2.output.EC in TLC's sources.
const (
	msgInvariantInitial  = 2107
	msgInvariant         = 2110
	msgActionProperty    = 2112
	msgActionPropertyToo = 2108
	msgDeadlock          = 2114
	msgTemporal          = 2116
	msgSuccess           = 2193
	msgDepth             = 2194
	msgStats             = 2199
	msgProgress          = 2200
	msgState             = 2217
	msgStuttering        = 2218
	msgCoverageValue     = 2221
	msgCoverageNext      = 2772
	msgCoverageInit      = 2773
	msgCoverageProperty  = 2774
)

// Write takes the next piece of TLC's output.
func (o *Output) Write(p []byte) (int, error) {
	o.partial = append(o.partial, p...)
	for {
		i := bytes.IndexByte(o.partial, '\n')
		if i < 0 {
			return len(p), nil
		}
		o.line(strings.TrimRight(string(o.partial[:i]), "\r"))
		o.partial = o.partial[i+1:]
	}
}

// flush takes the last line, if it had no end.
func (o *Output) flush() {
	if len(o.partial) > 0 {
		o.line(string(o.partial))
		o.partial = nil
	}
}

// line takes a line: a mark, or text in a message or outside of any.
func (o *Output) line(line string) {
	switch f := startMark.FindStringSubmatch(line); {
	case f != nil:
		o.code, _ = strconv.Atoi(f[1])
		o.severity, o.message = f[2], nil
	case endMark.MatchString(line):
		o.end(strings.Join(o.message, "\n"))
		o.code = 0
	case o.code != 0:
		o.message = append(o.message, line)
	default:
		if f := reached.FindStringSubmatch(line); f != nil {
			if o.Reached == nil {
				o.Reached = map[string]int{}
			}
			// The level printed is that of the state before.
			o.Reached[f[1]] = int(number(f[2])) + 1
		}
		if strings.HasPrefix(line, "Parsing file ") ||
			strings.HasPrefix(line, "Semantic processing of module ") {
			return
		}
		o.Text.WriteString(line + "\n")
	}
}

// end takes a whole message.
func (o *Output) end(text string) {
	switch o.code {
	case msgCoverageValue, msgCoverageInit, msgCoverageProperty:
		return
	case msgCoverageNext:
		if f := action.FindStringSubmatch(text); f != nil {
			if o.Taken == nil {
				o.Taken = map[string]int64{}
			}
			// A name may stand in several places of the next-state relation.
			o.Taken[f[1]] += number(f[3])
		}
		return
	}
	o.Text.WriteString(text + "\n")
	switch o.code {
	case msgInvariant, msgInvariantInitial, msgActionProperty, msgActionPropertyToo:
		if f := violation.FindStringSubmatch(text); f != nil {
			o.Violated = f[1]
		}
	case msgDeadlock:
		o.Violated = "deadlock"
	case msgTemporal:
		o.Violated = "temporal"
	case msgState, msgStuttering:
		o.Trace++
	case msgSuccess:
		o.Complete = true
	case msgDepth:
		if f := lastDepth.FindStringSubmatch(text); f != nil {
			o.Depth = int(number(f[1]))
		}
	case msgStats:
		if f := counts.FindStringSubmatch(text); f != nil {
			o.Generated, o.Distinct = number(f[1]), number(f[2])
		}
	case msgProgress:
		if f := soFar.FindStringSubmatch(text); f != nil && o.progress != nil {
			o.Generated, o.Distinct = number(f[2]), number(f[3])
			o.progress("depth " + f[1] + ", " + f[3] + " states")
		}
	default:
		if o.severity == "1" && !strings.HasPrefix(text, "The behavior") &&
			!strings.HasPrefix(text, "The following behavior") {
			o.Errors = append(o.Errors, text)
		}
	}
}

// number reads a count as TLC prints it.
func number(s string) int64 {
	n, _ := strconv.ParseInt(strings.ReplaceAll(s, ",", ""), 10, 64)
	return n
}
