// Package zkcli runs scripts through zkCli, the command line that comes with ZooKeeper, and says
// what it printed. It starts the real program, org.apache.zookeeper.ZooKeeperMain, so that what a
// script shows is what a user sees.
//
// A script is a text file that holds the commands and, below each, what was printed when the
// server was a real ZooKeeper:
//
//	[start] a -waitforconnection
//	| Connecting to <server>
//	...
//	a> create /x hello
//	| Created /x
//	a> sync /
//	| Sync is OK
//	! WatchedEvent state:SyncConnected type:NodeCreated path:/x zxid: <zxid 1>
//
// Lines of these kinds make a step:
//
//	[server] KEY=VALUE -Dkey=value ...   starts the server with more settings than the usual ones
//	[restart]                            ends it, and starts it again on its data
//	[file] NAME TEXT                     appends a line to a file; <dir>/NAME is its path
//	[start] CLIENT ARGS...               starts zkCli; -server <server> comes before ARGS
//	CLIENT> COMMAND                      types the command and waits for the next prompt
//	[await] CLIENT TEXT                  waits for an event whose line ends in TEXT
//	[run] ARGS...                        runs zkCli ARGS to its end, without typing anything
//	[end] CLIENT                         closes the client's input and waits for its end
//
// and below it stand "| " and a printed line, "! " and an event that the client's watcher printed,
// "= " and how the client stands, if that has changed: its prompt, or its exit status. Lines that
// begin with # and empty ones are for the reader.
//
// Watchers print whenever they like. A client's events are therefore kept until its next sync,
// whose answer comes after them, or [await], or its end; in between they are taken out of what is
// printed. Three of them are not shown at all, because the client may end before it prints them or
// may not: see [transient].
//
// What differs from run to run is replaced by a name, and no more than that: see mask.
package zkcli

import (
	"fmt"
	"strings"
)

// A Script is a parsed file.
type Script struct {
	Name  string
	Steps []Step
	// after are the last lines, which belong to no step.
	after []string
}

// A Step is one thing to do, and what was printed then.
type Step struct {
	// Line is where it stands in the file, from 1.
	Line int
	// Kind is the word in brackets, or "type" for a command.
	Kind string
	// Client is its name; Text is the rest of the line.
	Client, Text string
	// Want are the lines below.
	Want []string

	source string
	before []string // comments and empty lines above
}

// kinds says which steps there are, and which of them name a client.
var kinds = map[string]bool{"server": false, "restart": false, "file": false, "run": false,
	"start": true, "await": true, "end": true}

// Parse reads a script.
func Parse(name, text string) (*Script, error) {
	s := &Script{Name: name}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		switch {
		case line == "", strings.HasPrefix(line, "#"):
			s.after = append(s.after, line)
		case line == "|", strings.HasPrefix(line, "| "), strings.HasPrefix(line, "! "),
			strings.HasPrefix(line, "= "):
			if len(s.Steps) == 0 || len(s.after) > 0 {
				return nil, fmt.Errorf("%s:%d: %q stands below no step", name, i+1, line)
			}
			last := &s.Steps[len(s.Steps)-1]
			last.Want = append(last.Want, line)
		default:
			step, ok := parseStep(line)
			if !ok {
				return nil, fmt.Errorf("%s:%d: %q is no step", name, i+1, line)
			}
			step.Line, step.before, s.after = i+1, s.after, nil
			s.Steps = append(s.Steps, step)
		}
	}
	return s, nil
}

// parseStep reads the line of a step.
func parseStep(line string) (Step, bool) {
	step := Step{Kind: "type", source: line}
	var ok bool
	if !strings.HasPrefix(line, "[") {
		step.Client, step.Text, ok = strings.Cut(line, "> ")
		return step, ok && step.Client != "" && !strings.Contains(step.Client, " ")
	}
	step.Kind, step.Text, ok = strings.Cut(line[1:], "]")
	step.Text = strings.TrimPrefix(step.Text, " ")
	named, known := kinds[step.Kind]
	if named {
		step.Client, step.Text, _ = strings.Cut(step.Text, " ")
	}
	return step, ok && known && (step.Client != "") == named
}

// Format returns the text of the script with got in place of what was recorded.
func (s *Script) Format(got [][]string) string {
	var b strings.Builder
	for i, step := range s.Steps {
		for _, lines := range [][]string{step.before, {step.source}, got[i]} {
			for _, line := range lines {
				b.WriteString(line + "\n")
			}
		}
	}
	for _, line := range s.after {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// Diff describes each step that printed something else than what was recorded; empty means none.
func (s *Script) Diff(got [][]string) string {
	var b strings.Builder
	for i, step := range s.Steps {
		want := strings.Join(step.Want, "\n")
		has := strings.Join(got[i], "\n")
		if want == has {
			continue
		}
		fmt.Fprintf(&b, "%s:%d: %s\nZooKeeper:\n%s\nhere:\n%s\n\n", s.Name, step.Line,
			step.source, want, has)
	}
	if b.Len() == 0 {
		return ""
	}
	return b.String() + s.summary(got)
}

// summary is the first difference in one line.
func (s *Script) summary(got [][]string) string {
	differ, first := 0, ""
	for i, step := range s.Steps {
		at := firstDifference(step.Want, got[i])
		if at < 0 {
			continue
		}
		if differ++; differ == 1 {
			first = fmt.Sprintf("%s:%d: %s: want %q, got %q", s.Name, step.Line, step.source,
				nth(step.Want, at), nth(got[i], at))
		}
	}
	if differ > 1 {
		first += fmt.Sprintf(" and %d steps more", differ-1)
	}
	return first
}

// firstDifference returns the index of the first line that differs, -1 if none does.
func firstDifference(a, b []string) int {
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return -1
}

// nth returns the line at i, or says that there is none.
func nth(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}
