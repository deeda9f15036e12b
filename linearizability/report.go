package linearizability

import (
	"fmt"
	"sort"
	"strings"
)

// The names of the judges.
const (
	JudgeHistory     = "history"     // the history itself is sound
	JudgeReplay      = "replay"      // writes do what ZooKeeper does, and say so
	JudgeReads       = "reads"       // answers show the state at their zxid, not too old or new
	JudgeFIFO        = "fifo"        // order of one client
	JudgeZxids       = "zxids"       // zxids never fall
	JudgeWatches     = "watches"     // every event, once, in time
	JudgeEphemerals  = "ephemerals"  // they live as long as their session
	JudgeSessions    = "sessions"    // sessions end for a reason, and then act no more
	JudgeSequence    = "sequence"    // sequence numbers are unique and rise
	JudgeExactlyOnce = "exactlyOnce" // no command takes effect twice
	JudgeDurability  = "durability"  // what was acknowledged or committed stays
	JudgeDigest      = "digest"      // members agree
	JudgeLiveness    = "liveness"    // after the faults the service answers
	JudgePorcupine   = "porcupine"   // some order explains what clients were told
)

// Violation is one thing that must not be.
type Violation struct {
	Judge string
	Text  string
	// Lines are the numbers of the lines concerned, the most telling first.
	Lines []int
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s (lines %v)", v.Judge, v.Text, v.Lines)
}

// Report is what the judges found, and how much they looked at: a history that exercises nothing
// is judged clean as well.
type Report struct {
	Violations []Violation
	// Dropped counts violations beyond the maxViolations of one judge.
	Dropped int

	Commits, Writes, Reads, Events, Sessions int
	// Unjudged counts reads and events that could not be judged, since the history does not say
	// to which attach their connection belongs or the replay had to stop before them.
	Unjudged int

	Porcupine Porcupine

	// Judges says of each judge what it has looked at.
	Judges []Checks
}

// Porcupine says how much porcupine was asked.
type Porcupine struct {
	// Components of the tree, the windows that they were cut into, the operations in these, and
	// the steps of the search.
	Components int `json:"components"`
	Windows    int `json:"windows"`
	Operations int `json:"operations"`
	Steps      int `json:"steps"`
	// Weakened components were too costly as they stood, and Inconclusive ones in every form.
	Weakened     int `json:"weakened"`
	Inconclusive int `json:"inconclusive"`
}

// maxViolations bounds what one judge reports: the first ones tell the most.
const maxViolations = 20

// OK says that nothing was found.
func (r *Report) OK() bool { return len(r.Violations) == 0 }

func (r *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d commits, %d writes, %d reads, %d events, %d sessions judged, %d unjudged\n",
		r.Commits, r.Writes, r.Reads, r.Events, r.Sessions, r.Unjudged)
	for _, v := range r.Violations {
		fmt.Fprintln(&b, v)
	}
	if r.Dropped > 0 {
		fmt.Fprintf(&b, "and %d more\n", r.Dropped)
	}
	return b.String()
}

// add reports a violation of a judge; lines that are nil are left out.
func (r *Report) add(judge string, lines []*Line, format string, args ...any) {
	n := 0
	for _, v := range r.Violations {
		if v.Judge == judge {
			n++
		}
	}
	if n >= maxViolations {
		r.Dropped++
		return
	}
	v := Violation{Judge: judge, Text: fmt.Sprintf(format, args...)}
	for _, l := range lines {
		if l != nil {
			v.Lines = append(v.Lines, l.No)
		}
	}
	r.Violations = append(r.Violations, v)
}

// sorted puts the violations in the order of the history.
func (r *Report) sort() {
	first := func(v Violation) int {
		if len(v.Lines) == 0 {
			return 0
		}
		return v.Lines[0]
	}
	sort.SliceStable(r.Violations, func(i, j int) bool {
		return first(r.Violations[i]) < first(r.Violations[j])
	})
}

func lines(ls ...*Line) []*Line { return ls }
