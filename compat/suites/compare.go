package main

import (
	"fmt"
	"regexp"
	"strings"
)

// A Comparison is what one suite said about the servers, and what follows from it.
type Comparison struct {
	Suite   string    `json:"suite"`
	Columns []*Column `json:"columns"`
	// Failures are what ours does and the real server does not, or the other way round, to our
	// disadvantage. One makes the run fail.
	Failures []string `json:"failures"`
	// Notes are worth knowing and no failure: above all what fails for the real server.
	Notes []string `json:"notes"`
	// Broken are reasons not to trust the counts.
	Broken []string `json:"broken"`
}

// compare holds ours against the real server's column, or against the record of one.
func compare(suite string, columns []*Column, expected Expected, lists Lists,
	match *regexp.Regexp) Comparison {

	c := Comparison{Suite: suite, Columns: columns}
	var ours, real *Column
	for _, col := range columns {
		if col.Server == vivarium {
			ours = col
		} else {
			real = col
		}
		if col.Broken != "" {
			c.Broken = append(c.Broken, col.ServerVersion+": "+col.Broken)
		}
	}
	record, recorded := expected[suite]
	switch {
	case real == nil && !recorded:
		c.Broken = append(c.Broken, "nothing to compare with: run with -server both -record")
	case real == nil:
		real = record.column(match)
		c.Columns = append([]*Column{real}, c.Columns...)
	case recorded:
		c.drift(real, record.column(match))
	}
	if real != nil {
		c.noteReal(real, lists.Flaky[suite])
	}
	if ours != nil && real != nil {
		c.judge(ours, real, lists.Flaky[suite])
	}
	return c
}

// noteReal names what fails for the real server: nobody can ask these tests of ours.
func (c *Comparison) noteReal(real *Column, flaky map[string]string) {
	for _, r := range real.Results {
		switch {
		case r.Outcome == failed:
			c.note("fails for %s: %s%s", real.ServerVersion, r.ID, lastLine(r.Text))
		case r.Again():
			c.note("fails for %s now and then: %s%s", real.ServerVersion, r.ID,
				listed(r.ID, flaky))
		}
	}
}

// drift says where a fresh column of the real server differs from the record.
func (c *Comparison) drift(fresh, record *Column) {
	if fresh.SuiteVersion != record.SuiteVersion {
		c.note("recorded with %s %s, this is %s: -record renews it", c.Suite,
			record.SuiteVersion, fresh.SuiteVersion)
		return
	}
	old := byID(record)
	for _, r := range fresh.Results {
		was, ok := old[r.ID]
		switch {
		case !ok:
			c.note("not recorded: %s (-record renews it)", r.ID)
		case was.Outcome != r.Outcome:
			c.note("recorded as %s, now %s: %s", was.Outcome, r.Outcome, r.ID)
		}
	}
}

// judge finds the failures.
func (c *Comparison) judge(ours, real *Column, flaky map[string]string) {
	if ours.SuiteVersion != real.SuiteVersion {
		c.Broken = append(c.Broken, fmt.Sprintf("%s %s ran, %s is recorded",
			c.Suite, ours.SuiteVersion, real.SuiteVersion))
		return
	}
	want, got := byID(real), byID(ours)
	for _, id := range sortedKeys(want) {
		r, w := got[id], want[id]
		_, ran := got[id]
		switch {
		case !ran:
			c.fail("not collected here: %s", id)
		case (r.Outcome == later) != (w.Outcome == later):
			c.fail("%s here, %s for ZooKeeper: %s", r.Outcome, w.Outcome, id)
		case r.Outcome == failed && w.Outcome == failed:
			c.note("fails for both: %s", id)
		case r.Outcome == failed:
			c.fail("%s for ZooKeeper, fails here: %s%s", w.Outcome, id, lastLine(r.Text))
		case r.Outcome == skipped && w.Outcome != skipped:
			c.fail("skipped only here: %s%s", id, lastLine(r.Text))
		case r.Again() && flaky[id] == "" && !w.Again():
			c.fail("failed here at first, then passed: %s%s", id, lastLine(r.FirstText))
		case r.Again():
			c.note("failed here at first, then passed: %s%s", id, listed(id, flaky))
		case w.Outcome == failed:
			c.note("%s here, fails for ZooKeeper: %s", r.Outcome, id)
		}
	}
	for _, id := range sortedKeys(got) {
		if _, ok := want[id]; !ok {
			c.fail("collected only here: %s", id)
		}
	}
}

func (c *Comparison) fail(format string, args ...any) {
	c.Failures = append(c.Failures, fmt.Sprintf(format, args...))
}

func (c *Comparison) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// byID returns the results by id.
func byID(col *Column) map[string]Result {
	m := make(map[string]Result, len(col.Results))
	for _, r := range col.Results {
		m[r.ID] = r
	}
	return m
}

// belongs reports whether the test, or the test it is a subtest of, was selected by match.
func belongs(id string, match *regexp.Regexp) bool {
	if match == nil {
		return true
	}
	if !strings.Contains(id, "::") { // of go-zookeeper: -run selects tests at the top
		id, _, _ = strings.Cut(id, "/")
	}
	return match.MatchString(id)
}

// listed returns the reason of a flaky test.
func listed(id string, flaky map[string]string) string {
	if flaky[id] == "" {
		return ""
	}
	return " (" + flaky[id] + ")"
}

// lastLine returns the last line of a failure's text, on a line of its own.
func lastLine(text string) string {
	line := strings.TrimSpace(tail(strings.TrimSpace(text), 1))
	if line == "" {
		return ""
	}
	if len(line) > 300 {
		line = line[:300] + "..."
	}
	return "\n        " + line
}
